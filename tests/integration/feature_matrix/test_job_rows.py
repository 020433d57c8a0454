"""Which rows a job of `validate` runs: those of its matrix entry, or a part of a plan, balanced by earlier times."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

from fakes.cargo import SOUND, TOOLCHAIN, entries_of, needs_cargo, results_of, rows_of
from fakes.steps import ROOT

pytestmark = needs_cargo


def test_a_job_runs_the_rows_of_its_matrix_entry(crate, configure, validate, matrix):
    crate(SOUND)
    configure("rows:\n  - {features: [network, logging], description: Over the wire}\n")
    plan = matrix(mode="plan", max_jobs=2, environ=TOOLCHAIN)
    done = [
        results_of(validate(commands="check", rows=json.dumps(entry["rows"]))) for entry in entries_of(plan)
    ]
    named = {row["description"]: row["flags"] for row in rows_of(plan)}
    assert {name: row["flags"] for one in done for name, row in one.items()} == named
    assert "sample: Over the wire" in named


def test_features_of_a_row_may_be_a_list_as_plan_tells_them_or_stand_apart(crate, validate):
    crate(SOUND)
    rows = [
        {"crate": "sample", "features": ["network", " logging"]},
        {"crate": "sample", "features": "network , display"},
        {"crate": "sample"},
    ]
    done = validate(commands="check", rows=json.dumps(rows))
    assert set(results_of(done)) == {"sample: display,network", "sample: network,logging", "sample: none"}


def test_parts_of_the_rows_are_all_of_them_and_none_twice(crate, validate):
    crate(SOUND)
    whole = [row["flags"] for row in results_of(validate(commands="check")).values()]
    parts = [
        row["flags"]
        for number in (1, 2, 3)
        for row in results_of(validate(commands="check", shard=f"{number}/3")).values()
    ]
    assert sorted(parts) == sorted(whole)
    beyond = validate(commands="check", shard="200/200")
    assert (beyond.exit_code, beyond.outputs["count"]) == (0, "0")


def test_times_are_kept_and_balance_the_next_plan(crate, validate, matrix, state_home):
    crate(SOUND)
    assert validate(commands="check").exit_code == 0
    (file,) = state_home.glob("feature-matrix/v1/*.json")
    times = json.loads(file.read_text())
    slow = next(iter(times["seconds"]))
    times["seconds"][slow] = 1000.0
    file.write_text(json.dumps(times))
    plan = matrix(mode="plan", shards=2, environ=TOOLCHAIN)
    assert slow in {entry.get("flags") for entry in entries_of(plan)}  # alone in its job
    file.write_text("not json")
    plan = matrix(mode="plan", shards=2, environ=TOOLCHAIN)
    assert plan.exit_code == 0
    assert "is damaged, and begun anew" in plan.warnings[0]


def test_times_can_come_from_results_of_other_runners(crate, validate, matrix, workspace):
    crate(SOUND)
    facts = validate(commands="check").facts
    slow = facts["rows"][0]
    slow["seconds"] = 1000.0
    (workspace / "results").mkdir()
    (workspace / "results/1.json").write_text(json.dumps(facts))
    plan = matrix(mode="plan", shards=2, timings_file="results", environ=TOOLCHAIN)
    assert slow["flags"] in {entry.get("flags") for entry in entries_of(plan)}
    (workspace / "results/2.json").write_text("[]")
    error = matrix(mode="plan", timings_file="results", environ=TOOLCHAIN).error()
    assert "results/2.json is no result of mode 'validate'" in error


def test_a_matrix_entry_has_no_more_of_its_rows_than_validate_needs(crate, matrix):
    crate(SOUND)
    entry = entries_of(matrix(mode="plan", max_jobs=1, environ=TOOLCHAIN))[0]
    assert {frozenset(row) for row in entry["rows"]} == {frozenset({"crate", "features"})}
    single = entries_of(matrix(mode="plan", environ=TOOLCHAIN))[0]
    assert single["flags"] == "--package sample --no-default-features"
    assert single["description"] == single["name"] == "sample: none"


def test_rows_can_come_from_a_file(crate, validate, workspace):
    crate(SOUND)
    rows = [{"crate": "sample", "features": "network"}]
    (workspace / "rows.json").write_text(json.dumps(rows))
    assert set(results_of(validate(commands="check", rows_file="rows.json"))) == {"sample: network"}


def test_five_hundred_rows_fit_into_one_job(voice_app, validate, matrix):
    """`toJSON` indents, and INPUTS is JSON in which that is a text."""
    plan = matrix(mode="plan", strategy="powerset", depth=3, max_jobs=1, environ=TOOLCHAIN)
    (entry,) = entries_of(plan)
    assert len(entry["rows"]) > 450
    step = validate(commands="check", rows=json.dumps(entry["rows"], indent=2), shard="256/256")
    assert step.exit_code == 0, step.log
    assert step.outputs["count"] != "0"


def test_a_job_whose_rows_could_not_be_handed_to_a_step_is_refused_by_the_plan(voice_app, matrix):
    options = {"strategy": "powerset", "depth": 5, "packages": "coldvox-app", "environ": TOOLCHAIN}
    step = matrix(mode="plan", max_jobs=1, **options)
    assert "can be handed to a step. Plan for at least" in step.error()
    assert "matrix" not in step.outputs
    assert matrix(mode="plan", **options).exit_code == 0


def test_at_the_prompt_each_project_has_times_of_its_own(crate, validate, workspace, state_home):
    crate(SOUND)
    other = state_home.parent / "other"
    shutil.copytree(workspace, other)
    for folder, files in ((workspace, 1), (workspace, 1), (other, 2)):
        environ = {"GITHUB_REPOSITORY": None, "GITHUB_WORKSPACE": str(folder)}
        assert validate(commands="check", environ=environ).exit_code == 0
        assert len(list(state_home.glob("feature-matrix/v1/*.json"))) == files


LARGE = "[features]\n" + "".join(f"{'long' * 12}-{number:02} = []\n" for number in range(40))


def test_a_plan_too_large_for_a_job_is_refused_where_it_is_put_out_and_shown_at_the_prompt(crate, matrix):
    folder = crate("", LARGE)
    inputs = {"strategy": "powerset", "max_jobs": 1}
    assert "the rows of one job take" in matrix(mode="plan", environ=TOOLCHAIN, **inputs).error()
    outside = ("GITHUB_", "RUNNER_", "INPUT")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
    command = [sys.executable, ROOT / "shared/coldvox_actions.py", "feature-matrix", "--mode", "plan"]
    command += ["--strategy", "powerset", "--max-jobs", "1"]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environ | {"COLDVOX_ACTIONS_HOME": str(folder.parent / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rows for 1 crates in 1 jobs" in done.stdout
