"""What a plan promises, held against the real cargo: a mistake is made, and the rows of the plan find it."""

from __future__ import annotations

import json

import pytest

from fakes.cargo import TOOLCHAIN, entries_of, needs_cargo, write_crate, write_features

pytestmark = needs_cargo


def test_a_feature_that_needs_what_only_default_brings_is_found(workspace, validate):
    write_features(workspace, {"default": ("dep:x",), "a": ()}, ("x",))
    (workspace / "x/src/lib.rs").write_text("pub fn f() {}\n")
    (workspace / "src/lib.rs").write_text('#[cfg(feature = "a")]\npub fn f() { x::f() }\n')
    step = validate(packages="sample", commands="check")
    notes = {row["flags"]: row["note"] for row in step.facts["rows"] if row["state"] == "failed"}
    assert notes == {
        "--package sample --no-default-features --features a": "fails with exactly {a}; passes with {default} added"
    }


@pytest.mark.parametrize("strategy", ["isolate", "each", "powerset"])
def test_rows_that_were_planned_before_an_implication_is_lost_notice_it(matrix, workspace, strategy):
    features = "[workspace]\n[features]\na = []\nb = []\nc = []\nfull = [{}]\n"
    source = '#[cfg(feature = "full")]\npub use part::*;\n#[cfg(feature = "b")]\nmod part {}\n'
    write_crate(workspace, features.format('"a", "b", "c"'), source=source)
    whole = matrix(mode="plan", strategy=strategy, environ=TOOLCHAIN)
    rows = [row for entry in entries_of(whole) for row in entry["rows"]]
    manifest = (workspace / "Cargo.toml").read_text()
    (workspace / "Cargo.toml").write_text(manifest.replace('["a", "b", "c"]', '["a", "c"]'))
    step = matrix(mode="validate", rows=json.dumps(rows), commands="check", environ=TOOLCHAIN)
    assert step.exit_code == 1
    assert "sample fails with exactly {full}: unresolved import `part`" in step.log
