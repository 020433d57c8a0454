"""What the constraints forbid is not run, and nothing is said of it but that."""

from __future__ import annotations

from fakes.cargo import TOOLCHAIN, needs_cargo, write_crate

CONFIGURATION = """
crates:
  sample:
    requires: {a: b}
"""


@needs_cargo
def test_a_failure_says_which_of_its_features_it_was_not_tried_without(matrix, workspace):
    write_crate(
        workspace,
        "[workspace]\n[features]\na = []\nb = []\n",
        source='#[cfg(feature = "a")]\ncompile_error!("broken");\n',
    )
    (workspace / ".github").mkdir()
    (workspace / ".github/feature-matrix.yml").write_text(CONFIGURATION)
    step = matrix(mode="validate", commands="check", environ=TOOLCHAIN)
    assert step.exit_code == 1
    told = "sample fails with {a, b}; without b it was not tried, as the constraints forbid that"
    assert any(told in one for one in step.errors), step.log
    assert "alone is fine" not in step.log


@needs_cargo
def test_a_row_that_the_constraints_forbid_is_told_with_file_and_line(matrix, workspace, configure):
    write_crate(workspace, "[workspace]\n[features]\na = []\nb = []\n")
    configure(f"{CONFIGURATION}rows:\n  - features: a\n")
    error = matrix(mode="plan", environ=TOOLCHAIN).error()
    assert (
        f"{workspace}/.github/feature-matrix.yml:6: the row (a) is forbidden by the constraints of sample"
        in error
    )
