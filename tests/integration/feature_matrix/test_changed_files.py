"""What is told as changed is taken for what it is: followed to whoever reads it, refused where it names nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from fakes.cargo import TOOLCHAIN, needs_cargo, rows_of, write_crate

pytestmark = needs_cargo
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "change")


@pytest.fixture
def repository(workspace) -> Path:
    """A checkout in x/, of which x/ws is a cargo workspace of a and b; a reads files of x/common."""
    sources = {
        "a": '#[path = "../../../common/module.rs"]\nmod module;\n',
        "b": '// "unpaired\nconst A: char = \'"\'; const B: &str = include_str!("../../../common/text.txt");\n',
    }
    root = workspace / "x"
    for name, source in sources.items():
        write_crate(root / "ws" / name, name=name, source=source)
    (root / "ws/Cargo.toml").write_text('[workspace]\nmembers = ["a", "b"]\nresolver = "2"\n')
    (root / "common").mkdir()
    (root / "common/module.rs").write_text('const T: &[u8] = include_bytes!("data/one.bin");\n')
    (root / "common/text.txt").write_text("text\n")
    (root / "with blanks.md").write_text("text\n")
    (root / ".gitignore").write_text("target\n")
    git(root, "init", "--quiet", "--initial-branch", "main")
    commit(root)
    git(root, "switch", "--quiet", "--create", "topic")
    return root


@pytest.fixture
def plan(matrix):
    def run(**inputs):
        return matrix(mode="plan", manifest_path="x/ws/Cargo.toml", environ=TOOLCHAIN, **inputs)

    return run


def crates_of(step) -> set[str]:
    assert step.exit_code == 0, step.log
    return {row["crate"] for row in rows_of(step)}


@pytest.mark.parametrize(
    ("changed", "crates"),
    [
        ("x/common/module.rs", {"a"}),
        ("x/common/data/one.bin", {"a"}),  # which is not there: deleting it breaks the build
        ("x/common/text.txt", {"b"}),
        ("x/common", {"a", "b"}),  # a submodule
        ("x/common/other.txt", set()),
    ],
)
def test_a_file_outside_every_crate_belongs_to_those_that_read_it(repository, plan, changed, crates):
    assert crates_of(plan(changed_files=changed)) == crates


def test_a_changed_file_that_no_crate_is_built_from_is_named(repository, plan):
    step = plan(changed_files="x/ws/a/src/lib.rs\nx/README.md\nx/docs/one.md")
    assert crates_of(step) == {"a"}
    assert (
        "::notice title=Feature matrix::no crate is built from 2 changed files: x/README.md, x/docs/one.md"
        in step.log
    )
    assert "No crate is built from these changed files: `x/README.md`, `x/docs/one.md`." in step.summary


def test_an_empty_plan_says_why_it_is_empty(repository, plan):
    step = plan(changed_files="x/README.md")
    assert step.outputs["has-jobs"] == "false"
    assert "`x/README.md`" in step.summary
    assert "Planned: those that are built from what changed." in step.summary
    assert "|" not in step.summary  # no table without rows


@pytest.mark.parametrize(
    ("name", "crates"),
    [
        ("ws/a/src/lib.rs", {"a"}),
        ("common/text.txt", {"b"}),
        ("clippy.toml", {"a", "b"}),  # above the cargo workspace
        (".cargo/config.toml", {"a", "b"}),
        ("docs/x.md", set()),
    ],
)
@pytest.mark.parametrize("committed", [True, False])
def test_a_base_is_compared_with_the_whole_checkout_wherever_it_lies(
    repository, plan, name, crates, committed
):
    (repository / name).parent.mkdir(exist_ok=True, parents=True)
    (repository / name).write_text("" if name.endswith(".toml") else "// new\n")
    if committed:
        commit(repository)
    assert crates_of(plan(base_ref="main")) == crates


def test_what_git_ignores_and_what_cargo_builds_has_not_changed(repository, plan):
    (repository / ".gitignore").unlink()
    (repository / "ws/target/debug").mkdir(parents=True)
    (repository / "ws/target/debug/made.rs").write_text("")
    step = plan(base_ref="main")
    assert crates_of(step) == set()
    assert "made.rs" not in step.log


ONE_LINE = "x/ws/b/src/lib.rs x/ws/a/src/lib.rs"


@pytest.mark.parametrize(
    "lines",
    [ONE_LINE, ONE_LINE.replace(" ", ","), '["x/ws/a/src/lib.rs"', '"x/ws/a/src/caf\\303\\251.rs"', "[1]"],
)
def test_names_in_a_form_that_names_nothing_are_refused(repository, plan, lines):
    for given in ({"changed_files": lines}, {"changed_files_file": "list.txt"}):
        (repository.parent / "list.txt").write_text(lines)
        name = next(iter(given)).replace("_", "-")
        error = plan(**given).error()
        assert f"input '{name}' holds the line '{lines}', which names no file" in error
        assert "separator" in error


def test_a_json_list_is_taken_and_an_empty_one_says_that_nothing_changed(repository, plan):
    assert crates_of(plan(changed_files=json.dumps(["x/ws/a/src/lib.rs", "x/README.md"]))) == {"a"}
    assert crates_of(plan(changed_files="[]")) == set()


def test_a_name_may_hold_blanks_where_there_is_such_a_file_or_was_at_head(workspace, matrix, repository):
    inputs = {"mode": "plan", "manifest_path": "ws/Cargo.toml", "changed_files": "with blanks.md"}
    for step in range(2):
        done = matrix(environ=TOOLCHAIN | {"GITHUB_WORKSPACE": str(repository)}, **inputs)
        assert crates_of(done) == set(), step
        (repository / "with blanks.md").unlink(missing_ok=True)
