"""Names that are not one thing's alone: packages of one name, features called as a plan calls its own rows."""

from __future__ import annotations

import json

import pytest

from fakes.cargo import TOOLCHAIN, entries_of, needs_cargo, rows_of, write_crate

pytestmark = needs_cargo


@pytest.fixture
def two_of_one_name(workspace):
    """A member `app` 0.2.0 that is built from another package `app`, which is no member."""
    write_crate(workspace / "old", "[features]\nz = []\n[workspace]\n", name="app")
    manifest = (
        '[features]\nx = []\ny = ["old/z"]\n[dependencies]\nold = { package = "app", path = "../old" }\n'
    )
    write_crate(workspace / "app", manifest, name="app")
    path = workspace / "app/Cargo.toml"
    path.write_text(path.read_text().replace("0.1.0", "0.2.0", 1))
    (workspace / "Cargo.toml").write_text(
        '[workspace]\nmembers = ["app"]\nexclude = ["old"]\nresolver = "2"\n'
    )


def test_a_member_is_told_from_another_package_of_its_name(two_of_one_name, matrix):
    step = matrix(mode="plan", environ=TOOLCHAIN)
    assert step.exit_code == 0, step.log
    assert all(row["flags"].startswith("--package app@0.2.0 ") for row in rows_of(step))
    for mode in ({"mode": "validate", "commands": "check"}, {"mode": "docs"}, {"mode": "deps"}):
        step = matrix(environ=TOOLCHAIN, **mode)
        assert step.exit_code == 0, step.log


@pytest.mark.parametrize(
    "features", ["all = []\nx = []\n", "none = []\nx = []\n", "all = []\nnone = []\nx = []\n"]
)
def test_features_called_as_a_plan_calls_its_own_rows_are_told_from_them(workspace, matrix, features):
    write_crate(workspace, f'[features]\ndefault = ["x"]\n{features}')
    step = matrix(mode="plan", strategy="each", environ=TOOLCHAIN)
    names = [entry["name"] for entry in entries_of(step)]
    assert len(names) == len(set(names)), names
    assert {"sample: no features", "sample: all features"} < set(names)
    given = [{"crate": row["crate"], "features": row["features"]} for row in rows_of(step)]
    done = matrix(mode="validate", commands="check", rows=json.dumps(given), environ=TOOLCHAIN)
    assert [row["description"] for row in done.facts["rows"]] == names
    assert "| no features |" in done.summary
