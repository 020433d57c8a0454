"""A full disk: what cargo built in the checkout goes, and nothing else, whatever the target directory is called."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fakes.cargo import SOUND, needs_cargo, write_crate

pytestmark = needs_cargo
MORE_THAN_ANY_DISK = 1 << 20  # MiB


@pytest.fixture
def fill(validate):
    """Run the rows where never enough is free; returns the step."""

    def run(**environ: str):
        step = validate(environ=environ, commands="check", min_free_mib=MORE_THAN_ANY_DISK)
        assert step.exit_code == 1, step.log
        assert {row["state"] for row in step.facts["rows"]} == {"skipped"}
        assert any("min-free-mib wants" in text for text in step.warnings)
        return step

    return run


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_target_directory_that_cargo_made_is_emptied(crate, validate, fill, workspace):
    crate(SOUND)
    assert validate(commands="check").exit_code == 0
    step = fill()
    assert files(workspace / "target") == {"CACHEDIR.TAG"}  # the next full disk may empty it again
    assert "target was emptied" in step.log
    assert validate(commands="check").exit_code == 0


def test_it_is_found_where_cargos_configuration_puts_it(crate, validate, fill, workspace):
    crate(SOUND)
    (workspace / ".cargo").mkdir()
    (workspace / ".cargo/config.toml").write_text('[build]\ntarget-dir = "out"\n')
    assert validate(commands="check").exit_code == 0
    (workspace / "target").mkdir()
    (workspace / "target/notes.txt").write_text("mine")
    fill()
    assert files(workspace / "out") == {"CACHEDIR.TAG"}
    assert files(workspace / "target") == {"notes.txt"}


@pytest.mark.parametrize("name", [".", "./", "src", "target"])
def test_a_folder_that_cargo_did_not_make_is_left_as_it_is(crate, fill, workspace, name):
    crate(SOUND)
    (workspace / ".git").mkdir()
    (workspace / ".git/config").write_text("[core]\n")
    (workspace / "target").mkdir()
    (workspace / "target/notes.txt").write_text("mine")
    before = files(workspace)
    step = fill(CARGO_TARGET_DIR=name)
    assert files(workspace) >= before
    assert "emptied" not in step.log


@pytest.mark.parametrize(
    ("target", "tagged"),
    [
        ("{workspace}", True),
        ("{workspace}/member", True),
        ("{workspace}/..", True),
        ("{workspace}-other", True),
        ("{workspace}/link", True),
        ("{workspace}/odd", False),
    ],
    ids=["checkout", "member", "above", "beside", "link to the outside", "tag of another program"],
)
def test_the_tag_alone_gives_nothing_away(crate, validate, fill, workspace, target, tagged):
    """Copied into other folders, or written by others, as with a cache that is restored."""
    crate(SOUND, manifest='[workspace]\nmembers = ["member"]\n')
    write_crate(workspace / "member", name="member")
    (workspace / "Cargo.lock").unlink()
    assert validate(commands="check").exit_code == 0
    (workspace.parent / f"{workspace.name}-other").mkdir()
    (workspace / "link").symlink_to(workspace.parent / f"{workspace.name}-other")
    (workspace / "odd").mkdir()
    folder = Path(target.format(workspace=workspace))
    shutil.move(workspace / "target/CACHEDIR.TAG", folder / "CACHEDIR.TAG")
    if not tagged:
        tag = folder / "CACHEDIR.TAG"
        tag.write_text(tag.read_text().replace("created by cargo", "created by restic"))
    (folder / "notes.txt").write_text("mine")
    before = files(workspace.parent)
    fill(CARGO_TARGET_DIR=str(folder))
    assert files(workspace.parent) >= before
