"""`plan` as a step, on the manifests of the sample application, with the real cargo and without."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fakes.cargo import TOOLCHAIN, needs_cargo, rows_of, write_crate


@needs_cargo
def test_the_voice_app_gets_few_rows_and_a_summary_that_tells_why(matrix, voice_app):
    step = matrix(mode="plan", environ=TOOLCHAIN)
    assert step.exit_code == 0, step.log
    rows = rows_of(step)
    assert step.outputs["count"] == str(len(rows))
    assert step.outputs["has-jobs"] == "true"
    by_crate = {
        name: [row for row in rows if row["crate"] == name] for name in {row["crate"] for row in rows}
    }
    assert len(by_crate["coldvox-app"]) <= 13
    assert {row["flags"] for row in by_crate["coldvox-app"]} >= {
        "--package coldvox-app",
        "--package coldvox-app --no-default-features",
        "--package coldvox-app --all-features",
    }
    assert step.facts["source"] == "cargo metadata"
    assert "Feature matrix:" in step.summary
    assert "pairs and implications" in step.summary


@needs_cargo
def test_without_cargo_the_same_is_planned_and_said(matrix, voice_app, tmp_path):
    with_cargo = matrix(mode="plan", environ=TOOLCHAIN)
    bare = os.pathsep.join(
        folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "cargo").exists()
    )
    without = matrix(mode="plan", environ={"PATH": bare})
    assert without.facts["source"] == "Cargo.toml"
    assert "no cargo on PATH" in without.log
    assert sorted(map(json.dumps, rows_of(without))) == sorted(map(json.dumps, rows_of(with_cargo)))


@needs_cargo
def test_more_rows_than_jobs_are_folded_and_none_is_dropped(matrix, voice_app):
    whole = matrix(mode="plan", environ=TOOLCHAIN)
    folded = matrix(mode="plan", max_jobs=4, environ=TOOLCHAIN)
    entries = json.loads(folded.outputs["matrix"])["include"]
    assert [entry["shard"] for entry in entries] == ["1/4", "2/4", "3/4", "4/4"]
    by_flags = {row["flags"] for row in rows_of(whole)}
    assert len(rows_of(folded)) == len(by_flags)
    assert {row["flags"] for row in rows_of(folded)} == by_flags


@needs_cargo
def test_nothing_to_plan_is_no_error_and_says_so(matrix, workspace):
    write_crate(workspace / "only", name="only")
    step = matrix(mode="plan", manifest_path="only/Cargo.toml", exclude="only", environ=TOOLCHAIN)
    assert step.exit_code == 0
    assert (step.outputs["has-jobs"], step.outputs["count"]) == ("false", "0")
    assert json.loads(step.outputs["matrix"]) == {"include": []}


@needs_cargo
@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"manifest_path": "absent/Cargo.toml"}, "input 'manifest-path' is"),
        ({"manifest_path": "broken.toml"}, "is not valid TOML: "),
        ({"packages": "coldvox-ap"}, "Did you mean 'coldvox-app'?"),
        ({"exclude": "zzz"}, "input 'exclude' holds 'zzz'"),
        ({"strategy": "pairs"}, "input 'strategy' is 'pairs'"),
        ({"max_jobs": "257"}, "input 'max-jobs' is '257'"),
        ({"depth": "0"}, "input 'depth' is '0'"),
    ],
)
def test_a_wrong_input_is_told_by_name_with_what_is_allowed(matrix, voice_app, inputs, said):
    (voice_app / "broken.toml").write_text("[features\n")
    assert said in matrix(mode="plan", environ=TOOLCHAIN, **inputs).error()
