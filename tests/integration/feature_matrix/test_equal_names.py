"""Names that are not one thing's alone: packages of one name, features called as a plan calls its own rows."""

from __future__ import annotations

import pytest

from fakes.cargo import TOOLCHAIN, needs_cargo, rows_of, write_crate

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
