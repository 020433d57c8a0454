"""A fresh checkout with a restored build directory: cargo and make compile what changed, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from fakes.steps import ActionStarter

VOICE_APP = Path(__file__).resolve().parents[2] / "examples/voice-app"
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
SAVED = {"key": "target", "path": "target", "source_mtimes": True}

pytestmark = pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *IDENTITY, *arguments], cwd=folder, check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


def build(workspace: Path) -> dict[str, bool]:
    """Build with cargo; tells of each crate, and of each build script's run, whether it was fresh."""
    command = ["cargo", "build", "--workspace", "--locked", "--offline", "--message-format=json"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CARGO_")}
    done = subprocess.run(
        command, cwd=workspace, env=environ, check=True, capture_output=True, text=True, timeout=240
    )
    fresh: dict[str, bool] = {}
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact":
            name = message["target"]["name"]
            fresh[name] = fresh.get(name, True) and message["fresh"]
    return fresh


def compiled(fresh: dict[str, bool]) -> list[str]:
    return sorted(name for name, is_fresh in fresh.items() if not is_fresh)


@pytest.fixture
def origin(tmp_path) -> Path:
    """A repository with the sample application."""
    folder = tmp_path / "origin"
    shutil.copytree(VOICE_APP, folder, ignore=shutil.ignore_patterns("target"))
    (folder / ".gitignore").write_text("target/\n")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


@pytest.fixture
def built(action: ActionStarter, workspace, origin) -> Path:
    """The origin, whose checkout in the workspace was built and saved, and then removed."""
    check_out(origin, workspace)
    assert compiled(build(workspace))
    assert action(mode="save", **SAVED).exit_code == 0
    return origin


def check_out(origin: Path, workspace: Path) -> None:
    """A fresh clone, as actions/checkout leaves one in a new workspace."""
    if workspace.exists():
        shutil.rmtree(workspace)
    git(origin.parent, "clone", "--quiet", str(origin), str(workspace))


def change(origin: Path, name: str, more: str) -> None:
    with (origin / name).open("a") as file:
        file.write(more)
    git(origin, "commit", "--quiet", "--all", "-m", "change")


def test_an_unchanged_checkout_compiles_nothing(action: ActionStarter, workspace, built) -> None:
    check_out(built, workspace)
    step = action(mode="restore", **SAVED)
    assert step.outputs["cache-hit"] == "true"
    assert compiled(build(workspace)) == []
    assert git(workspace, "diff-files", "--name-only") == ""  # git does not take the old times for changes
    assert git(workspace, "status", "--porcelain") == ""


def test_without_it_cargo_compiles_every_crate_again(action: ActionStarter, workspace, built) -> None:
    check_out(built, workspace)
    future = time.time() + 2  # a checkout is later than the build, also on a fast machine
    for path in workspace.rglob("*.rs"):
        os.utime(path, (future, future))
    action(mode="restore", key="target", path="target")
    assert "coldvox_foundation" in compiled(build(workspace))


def test_a_changed_crate_is_compiled_with_its_dependents_and_nothing_else(
    action: ActionStarter, workspace, built
) -> None:
    change(built, "crates/coldvox-vad/src/lib.rs", "\npub fn added() {}\n")
    check_out(built, workspace)
    action(mode="restore", **SAVED)
    again = compiled(build(workspace))
    assert "coldvox_vad" in again
    assert "coldvox_foundation" not in again
    assert "coldvox_audio" not in again
    assert build(workspace) != {}
    assert compiled(build(workspace)) == []


def test_a_change_is_seen_also_when_the_clock_stood_behind_the_builders(
    action: ActionStarter, workspace, built
) -> None:
    change(built, "crates/coldvox-vad/src/lib.rs", "\npub fn added() {}\n")
    check_out(built, workspace)
    for path in workspace.rglob("*.rs"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    action(mode="restore", **SAVED)
    again = compiled(build(workspace))
    assert "coldvox_vad" in again
    assert "coldvox_foundation" not in again


def test_a_changed_build_script_runs_again(action: ActionStarter, workspace, built) -> None:
    script = built / "crates/coldvox-foundation/build.rs"
    text = script.read_text()
    assert "const TABLE_REVISION: u32 = 1;" in text
    script.write_text(text.replace("const TABLE_REVISION: u32 = 1;", "const TABLE_REVISION: u32 = 2;"))
    git(built, "commit", "--quiet", "--all", "-m", "change")
    check_out(built, workspace)
    action(mode="restore", **SAVED)
    build(workspace)
    done = subprocess.run(
        [workspace / "target/debug/coldvox", "version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert "table revision 2" in done.stdout


def test_a_file_that_the_job_has_changed_keeps_its_new_time(action: ActionStarter, workspace, built) -> None:
    check_out(built, workspace)
    source = workspace / "crates/coldvox-vad/src/lib.rs"
    source.write_text(source.read_text() + "\npub fn local() {}\n")
    before = source.stat().st_mtime_ns
    action(mode="restore", **SAVED)
    assert source.stat().st_mtime_ns >= before
    assert "coldvox_vad" in compiled(build(workspace))


def test_it_needs_a_checkout_and_says_so(action: ActionStarter, workspace) -> None:
    (workspace / "target").mkdir()
    (workspace / "target/x").touch()
    message = action(mode="save", **SAVED).error()
    assert "'source-mtimes: true' needs a git checkout" in message
    assert action(mode="status").facts["entries"] == []


def test_an_entry_without_times_restores_and_warns(action: ActionStarter, workspace, origin) -> None:
    check_out(origin, workspace)
    (workspace / "target").mkdir()
    (workspace / "target/x").touch()
    action(mode="save", key="target", path="target")
    step = action(mode="restore", **SAVED)
    assert step.exit_code == 0
    assert any("without 'source-mtimes: true'" in text for text in step.warnings)


def test_a_workspace_below_the_repositorys_top_keeps_what_changed_there(
    action: ActionStarter, workspace
) -> None:
    # The workspace as a part of a larger checkout: git names changed files from the top of the repository.
    top = workspace.parent
    (workspace / "a.c").write_text("old")
    (workspace / "b.c").write_text("same")
    (top / ".gitignore").write_text("target/\n")
    git(top, "init", "--quiet")
    git(top, "add", "--", str(workspace), ".gitignore")
    git(top, "commit", "--quiet", "-m", "first")
    for name in ("a.c", "b.c"):
        os.utime(workspace / name, (1_500_000_000, 1_500_000_000))
    (workspace / "target").mkdir()
    (workspace / "target/x").touch()
    assert action(mode="save", **SAVED).exit_code == 0
    (workspace / "a.c").write_text("new")
    (workspace / "b.c").touch()
    assert action(mode="restore", **SAVED).outputs["cache-hit"] == "true"
    assert (workspace / "a.c").stat().st_mtime > 1_600_000_000
    assert (workspace / "b.c").stat().st_mtime == 1_500_000_000
