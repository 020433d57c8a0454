"""What a change can touch is planned, wherever it lies in the repository; what it cannot is not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fakes.cargo import TOOLCHAIN, needs_cargo, rows_of, write_crate

pytestmark = needs_cargo
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(workspace) -> Path:
    """A cargo workspace in ws/, whose crates are built from folders beside it too:

    a → outside → further;  b → inherited;  c tests with tested;  all → patched;  nobody → other
    """
    write_crate(
        workspace / "outside", '[build-dependencies]\nfurther = { path = "../further" }\n', name="outside"
    )
    for name in ("further", "inherited", "tested", "patched", "other"):
        write_crate(workspace / name, name=name)
    write_crate(workspace / "ws/a", '[dependencies]\noutside = { path = "../../outside" }\n', name="a")
    write_crate(
        workspace / "ws/b", "[target.'cfg(unix)'.dependencies]\ninherited.workspace = true\n", name="b"
    )
    write_crate(workspace / "ws/c", '[dev-dependencies]\ntested = { path = "../../tested" }\n', name="c")
    (workspace / "ws/a/src/m.rs").write_text("// moved\n" * 20)
    (workspace / "ws/Cargo.toml").write_text(
        '[workspace]\nmembers = ["a", "b", "c"]\nresolver = "2"\n'
        '[workspace.dependencies]\ninherited = { path = "../inherited" }\n'
        '[patch.crates-io]\npatched = { path = "../patched" }\n'
    )
    git(workspace, "init", "--quiet", "--initial-branch", "main")
    git(workspace, "add", "--all")
    git(workspace, "commit", "--quiet", "--message", "begin")
    return workspace


@pytest.fixture
def planned(matrix):
    """The crates that a plan tests."""

    def run(**inputs) -> set[str]:
        step = matrix(mode="plan", manifest_path="ws/Cargo.toml", environ=TOOLCHAIN, **inputs)
        assert step.exit_code == 0, step.log
        assert step.outputs["has-jobs"] == ("true" if rows_of(step) else "false")
        return {row["crate"] for row in rows_of(step)}

    return run


@pytest.mark.parametrize(
    ("changed", "crates"),
    [
        ("ws/a/src/lib.rs", {"a"}),
        ("outside/src/lib.rs", {"a"}),
        ("further/src/lib.rs", {"a"}),
        ("inherited/Cargo.toml", {"b"}),
        ("tested/src/lib.rs", {"c"}),
        ("patched/src/lib.rs", {"a", "b", "c"}),
        ("other/src/lib.rs", set()),
        ("outside", {"a"}),  # a submodule is told as one path
        ("rust-toolchain.toml", {"a", "b", "c"}),
        (".cargo/config.toml", {"a", "b", "c"}),
        ("ws/.cargo/config.toml", {"a", "b", "c"}),
        ("clippy.toml", {"a", "b", "c"}),
        ("ws/Cargo.lock", {"a", "b", "c"}),
        ("Cargo.toml", set()),  # of another workspace
    ],
)
def test_a_change_is_followed_to_the_crates_that_are_built_from_it(repository, planned, changed, crates):
    assert planned(changed_files=changed) == crates


def test_a_file_that_was_moved_changes_both_crates(repository, planned):
    git(repository, "switch", "--quiet", "--create", "topic")
    git(repository, "mv", "ws/a/src/m.rs", "ws/b/src/m.rs")
    git(repository, "commit", "--quiet", "--message", "move")
    assert planned(base_ref="main") == {"a", "b"}


def test_what_changed_can_come_from_a_file_and_an_empty_one_says_that_nothing_did(repository, planned):
    (repository / "changed.txt").write_text("ws/a/src/lib.rs\n\nREADME.md\n")
    assert planned(changed_files_file="changed.txt") == {"a"}
    (repository / "changed.txt").write_text("\n")
    assert planned(changed_files_file="changed.txt") == set()
    assert planned() == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (
            {"changed_files_file": "absent.txt"},
            "input 'changed-files-file' is 'absent.txt', which cannot be read",
        ),
        (
            {"changed_files_file": "x", "base_ref": "main"},
            "inputs 'changed-files-file' and 'base-ref' are both given, and either tells what changed",
        ),
    ],
)
def test_a_file_that_is_not_there_is_told(repository, matrix, inputs, said):
    step = matrix(mode="plan", manifest_path="ws/Cargo.toml", environ=TOOLCHAIN, **inputs)
    assert said in step.error()
