"""Killed processes, full disks, read-only places: nothing half done is ever visible."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from fakes import trees
from fakes.steps import poll

BIG = 512 << 20


@pytest.fixture
def big(workspace):
    """A tree that takes long enough to be caught in the middle; it uses no disk."""
    trees.build(workspace, {"out/a": "saved", "out/b/c": "saved"})
    with (workspace / "out/zeros").open("wb") as file:
        file.truncate(BIG)
    yield workspace / "out"
    trees.remove(workspace)
    workspace.mkdir()


def stop_in_the_middle(step, find):
    """Stop the step once a big file has begun to appear, and is not whole."""
    poll(lambda: any(path.stat().st_size > 0 for path in find()))
    step.signal(signal.SIGSTOP)
    assert max(path.stat().st_size for path in find()) < BIG, "the step was too fast to be caught"


def test_a_save_that_is_killed_leaves_nothing_visible_and_the_next_step_cleans_up(action, big, state_home):
    step = action.start(mode="save", key="k", path="out")
    stop_in_the_middle(step, lambda: list(state_home.glob("store/v1/stage/*/data/workspace/out/zeros")))
    status = action(mode="status")
    assert (status.facts["entries"], status.facts["leftovers"]) == ([], 0)  # it lives
    step.kill()
    assert action(mode="restore", key="k", path="out", lookup_only=True).outputs["cache-hit"] == "false"
    status = action(mode="status")
    assert (status.facts["entries"], status.facts["leftovers"]) == ([], 1)
    dry = action(mode="prune", dry_run=True)
    assert [one["reason"] for one in dry.facts["removed"]] == ["left behind by a killed job"]
    assert trees.leftovers(state_home)
    (big / "zeros").unlink()
    assert action(mode="save", key="k", path="out").exit_code == 0
    assert trees.leftovers(state_home) == []
    assert action(mode="status").facts["leftovers"] == 0


def test_prune_does_not_take_a_living_save_s_stage(action, big, state_home):
    step = action.start(mode="save", key="k", path="out")
    stop_in_the_middle(step, lambda: list(state_home.glob("store/v1/stage/*/data/workspace/out/zeros")))
    assert action(mode="prune", max_size_gb=0).facts["removed"] == []
    step.signal(signal.SIGCONT)
    assert step.wait().exit_code == 0
    assert trees.entry_keys(state_home) == {"k"}
    trees.remove(state_home)


def test_a_restore_that_is_killed_changes_nothing_and_the_next_one_cleans_up(
    action, big, workspace, state_home
):
    assert action(mode="save", key="k", path="out").exit_code == 0
    (big / "zeros").unlink()
    trees.build(workspace, {"out/a": "before"})
    before = trees.contents(workspace)
    step = action.start(mode="restore", key="k", path="out", materialize="copy")
    stop_in_the_middle(step, lambda: list(big.glob(".coldvox-restore-*/zeros")))
    assert not action(mode="prune", max_size_gb=0).facts["removed"]  # the entry is in use
    step.kill()
    assert {name: one for name, one in trees.contents(workspace).items() if ".coldvox" not in name} == before
    step = action(mode="restore", key="k", path="out")
    assert step.outputs["cache-hit"] == "true"
    assert set(trees.contents(workspace)) == {"out/a", "out/b/c", "out/zeros"}
    assert not list(big.glob(".coldvox*"))
    trees.remove(state_home)


def test_a_killed_restore_s_stage_is_never_saved(action, workspace, state_home):
    trees.build(
        workspace, {"out/a": "x", "out/.coldvox-restore-0123/half": "y", "out/.coldvox-restore-0123.lock": ""}
    )
    for number, path in enumerate(("out", "out/*", "out/**", "**/half")):
        action(mode="save", key=f"k{number}", path=path)
    stored = [path for path in state_home.glob("store/v1/entries/*/*/*/data/**/*") if path.is_file()]
    assert {path.name for path in stored} == {"a"}


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_save_that_is_cancelled_cleans_up_after_itself(action, big, state_home, signal_number):
    step = action.start(mode="save", key="k", path="out")
    stop_in_the_middle(step, lambda: list(state_home.glob("store/v1/stage/*/data/workspace/out/zeros")))
    step.signal(signal_number)
    step.signal(signal.SIGCONT)
    ended = step.wait()
    assert ended.exit_code == 130
    assert "Traceback" not in ended.log
    assert "Interrupted; everything that this step held has been given back." in ended.log
    assert trees.entry_keys(state_home) == set()
    assert trees.leftovers(state_home) == []


def test_a_job_that_finds_damage_late_spares_the_entry_that_was_saved_anew_meanwhile(
    action, big, workspace, state_home
):
    assert action(mode="save", key="k", path="out").exit_code == 0
    entry = trees.entry_folder(state_home)
    with (entry / "data/workspace/out/zeros").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    step = action.start(mode="restore", key="k", path="out", materialize="copy")
    stop_in_the_middle(step, lambda: list(big.glob(".coldvox-restore-*/zeros")))
    entry.rename(state_home / "store/v1/aside")  # as another job does that has found the damage too
    (big / "zeros").unlink()
    assert action(mode="save", key="k", path="out").facts["saved"].startswith("2 files")
    step.signal(signal.SIGCONT)
    late = step.wait()
    assert late.outputs["cache-hit"] == "true", late.log  # the new one
    assert "Another job has put it aside meanwhile" in late.warnings[0]
    assert trees.entry_keys(state_home) == {"k"}
    assert action(mode="restore", key="k", path="out").outputs["cache-hit"] == "true"
    trees.remove(state_home)


# --- full disks --------------------------------------------------------------------------------------------


def test_a_save_onto_a_full_disk_warns_leaves_nothing_and_fails_no_step(
    action, workspace, state_home, mount_tmpfs
):
    mount_tmpfs(state_home, 4)
    trees.build(workspace, {"small/a": "x", "out/a": os.urandom(3 << 20), "out/b": os.urandom(3 << 20)})
    assert action(mode="save", key="small", path="small", max_size_gb=1).exit_code == 0
    step = action(mode="save", key="big", path="out", max_size_gb=1)
    assert step.exit_code == 0, step.log
    (warning,) = step.warnings
    assert f"'big' was not saved: the disk of {state_home}/store/v1 is full" in warning
    assert trees.entry_keys(state_home) == {"small"}
    assert trees.leftovers(state_home) == []
    assert action(mode="restore", key="small", path="small").outputs["cache-hit"] == "true"


@pytest.mark.parametrize("mode", ["save", "restore", "status", "prune", "verify"])
def test_a_state_root_without_any_room_is_an_error_or_a_warning_never_a_traceback(
    action, workspace, state_home, mount_tmpfs, mode
):
    mount_tmpfs(state_home, 1)
    fill(state_home / "filler")
    trees.build(workspace, {"out/a": "x" * 5000})
    step = action(
        mode=mode,
        **({"manifest": f"out/a:sha256:{'0' * 64}"} if mode == "verify" else {"key": "k", "path": "out"}),
    )
    assert "Traceback" not in step.log
    assert step.exit_code in (0, 1)
    assert step.exit_code == 0 or step.errors


def test_a_restore_onto_a_full_disk_is_an_error_and_nothing_changes(action, workspace, mount_tmpfs):
    trees.build(workspace, {"out/a": os.urandom(3 << 20), "out/b": os.urandom(3 << 20)})
    assert action(mode="save", key="k", path="out").exit_code == 0
    trees.remove(workspace / "out")
    mount_tmpfs(workspace / "out", 4)
    trees.build(workspace, {"out/a": "before"})
    step = action(mode="restore", key="k", path="out")
    assert "entry 'k' cannot be restored: No space left on device. Nothing was changed" in step.error()
    assert trees.contents(workspace) == {"out/a": b"before"}
    assert not list((workspace / "out").glob(".coldvox*"))


def fill(path):
    """Use up all blocks and all inodes of the file system."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    for number in range(100_000):
        try:
            path.with_name(f"{path.name}-{number}").touch()
        except OSError:
            return


# --- a read-only or foreign state root ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["save", "restore", "status", "prune"])
def test_a_state_root_that_cannot_be_written_is_an_error_that_names_it(action, workspace, state_home, mode):
    trees.build(workspace, {"out/a": "x"})
    state_home.mkdir(mode=0o555)
    step = action(mode=mode, key="k", path="out", ordinary=True)
    assert f"the state root {state_home}" in step.error()
    assert "COLDVOX_ACTIONS_HOME" in step.error()
    assert list(state_home.iterdir()) == []


def test_a_state_root_below_a_folder_that_cannot_be_written_is_an_error_that_names_it(action, tmp_path):
    (tmp_path / "sealed").mkdir(mode=0o555)
    root = tmp_path / "sealed/root"
    step = action(mode="status", ordinary=True, environ={"COLDVOX_ACTIONS_HOME": str(root)})
    assert f"the state root {root} cannot be made: Permission denied" in step.error()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_state_root_of_a_stranger_or_of_everybody_is_an_error(action, state_home):
    state_home.mkdir()
    os.chown(state_home, 12345, -1)
    assert f"the state root {state_home} belongs to uid 12345" in action(mode="status").error()
    os.chown(state_home, 0, -1)
    state_home.chmod(0o777)
    assert f"Run: chmod o-w {state_home}" in action(mode="status").error()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can remount")
def test_a_hit_on_a_store_that_has_become_read_only_is_told_clearly(
    action, workspace, state_home, mount_tmpfs
):
    mount_tmpfs(state_home, 8)
    trees.build(workspace, {"out/a": "x"})
    action(mode="save", key="k", path="out")
    subprocess.run(["mount", "-o", "remount,ro", str(state_home)], check=True)
    step = action(mode="restore", key="k", path="out")
    assert f"the state root {state_home}" in step.error()
