"""What cargo builds only for some features is planned for, also where no feature of the crate itself says so."""

from __future__ import annotations

import pytest

from fakes.cargo import TOOLCHAIN, needs_cargo, results_of, rows_of, write_crate

pytestmark = needs_cargo
REQUIRING = """
[features]
{features}
[dependencies]
engine = {{ path = "engine"{optional} }}
[[bin]]
name = "tool"
path = "src/tool.rs"
required-features = ["engine/fast"]
[workspace]
exclude = ["engine"]
"""


@pytest.fixture
def requiring(workspace):
    """Write a crate with a program, which does not compile, that wants a feature of a dependency."""

    def write(features: str = "x = []", optional: str = "") -> None:
        write_crate(workspace / "engine", "[features]\nfast = []\n[workspace]\n", name="engine")
        write_crate(workspace, REQUIRING.format(features=features, optional=optional))
        (workspace / "src/tool.rs").write_text("fn main() { broken }\n")

    return write


@pytest.mark.parametrize("optional", ["", ", optional = true"])
def test_a_target_that_requires_a_dependencys_feature_has_a_row_that_builds_it(requiring, matrix, optional):
    requiring(optional=optional)
    row = next(row for row in rows_of(matrix(mode="plan", environ=TOOLCHAIN)) if "tool" in row["reason"])
    assert row["reason"] == "builds bin tool"
    assert row["flags"] == "--package sample --no-default-features --features engine/fast"
    done = matrix(mode="validate", commands="check", environ=TOOLCHAIN)
    assert results_of(done)["sample: engine/fast"]["error"]["file"] == "src/tool.rs"
    assert [row["state"] for row in done.facts["rows"]].count("failed") == 1
    assert "sample fails with exactly {engine/fast}" in done.log


def test_no_row_is_added_where_a_feature_builds_the_target_already(requiring, matrix):
    requiring('quick = ["engine/fast"]')
    rows = rows_of(matrix(mode="plan", environ=TOOLCHAIN))
    assert not [row for row in rows if "tool" in row["reason"]]


@pytest.mark.parametrize(
    ("source", "is_a_row"),
    [('#[cfg(feature = "default")]\npub fn f() {}\n', True), ('// the feature "default"\n', False)],
)
def test_default_is_a_row_of_its_own_where_code_asks_for_it(workspace, matrix, source, is_a_row):
    write_crate(workspace, '[features]\ndefault = ["a"]\na = []\n', source=source)
    flags = {row["flags"] for row in rows_of(matrix(mode="plan", environ=TOOLCHAIN))}
    alone = "--package sample --no-default-features --features a"
    assert (alone in flags and len(flags) == 3) == is_a_row
    done = matrix(mode="validate", commands="check", environ=TOOLCHAIN)
    assert done.exit_code == 0, done.log
