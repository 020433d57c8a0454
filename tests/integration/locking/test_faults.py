"""The host's locks where the host itself is at fault: full disks, stopped processes, watchers in the way."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from actionlib.errors import ActionError
from actionlib.locking import FileLocks, LockTimeoutError
from fakes.steps import ActionStarter, poll

Spawn = Callable[..., BaseProcess]


def hold(root: Path, slots: int, mark: Path, go: Path) -> None:
    """Acquire, make `mark`, keep the lock until `go` exists."""
    with FileLocks(root).acquire("l", timeout_seconds=60, slots=slots):
        mark.touch()
        while not go.exists():
            time.sleep(0.002)


def fill(path: Path) -> None:
    """Make a file that takes all that is left of its disk."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def churn(root: Path, go: Path) -> None:
    locks = FileLocks(root)
    while not go.exists():
        locks.acquire("l", timeout_seconds=60, slots=2).release()


def test_a_full_disk_is_a_clear_error_that_leaves_no_ticket(tmp_path, mount_tmpfs) -> None:
    disk = mount_tmpfs(tmp_path / "disk", 1)
    locks = FileLocks(disk / "locks")
    holder = locks.acquire("l", timeout_seconds=1)
    fill(disk / "filler")
    before = sorted(os.listdir(holder.path.parent))
    for name in ("l", "another"):
        with pytest.raises(ActionError, match=f"lock '{name}' cannot be used: No space left on device"):
            locks.acquire(name, timeout_seconds=1)
    assert sorted(os.listdir(holder.path.parent)) == before
    assert holder.is_held()
    holder.release()  # needs no space
    (disk / "filler").unlink()
    locks.acquire("l", timeout_seconds=1).release()


def test_a_stopped_waiter_keeps_its_place_and_a_killed_one_gives_it_up(tmp_path, spawn: Spawn) -> None:
    root, go = tmp_path / "locks", tmp_path / "go"
    go.touch()
    locks = FileLocks(root)
    holder = locks.acquire("l", timeout_seconds=1)
    stopped = spawn(hold, root, 1, tmp_path / "stopped", go)
    poll(lambda: len(locks.inspect("l").waiting) == 1)
    os.kill(stopped.pid, signal.SIGSTOP)
    behind = spawn(hold, root, 1, tmp_path / "behind", go)
    poll(lambda: len(locks.inspect("l").waiting) == 2)
    holder.release()
    with pytest.raises(LockTimeoutError):
        locks.acquire("l", timeout_seconds=0.2)
    assert not (tmp_path / "behind").exists()
    stopped.kill()
    behind.join(20)
    assert (tmp_path / "behind").exists()
    assert not (tmp_path / "stopped").exists()


def test_a_release_counts_also_while_a_forked_child_of_the_holder_lives_on(tmp_path, spawn: Spawn) -> None:
    root, go, never = tmp_path / "locks", tmp_path / "go", tmp_path / "never"
    go.touch()
    locks = FileLocks(root)
    holder = locks.acquire("l", timeout_seconds=1)
    child = spawn(poll, never.exists)  # has the holder's descriptors, as every fork has
    waiter = spawn(hold, root, 1, tmp_path / "waiter", go)
    poll(lambda: len(locks.inspect("l").waiting) == 1)
    holder.release()
    waiter.join(20)
    assert (tmp_path / "waiter").exists()
    assert child.is_alive()


def test_when_several_holders_end_at_once_as_many_waiters_go_on(tmp_path, spawn: Spawn) -> None:
    root, go, never = tmp_path / "locks", tmp_path / "go", tmp_path / "never"
    locks = FileLocks(root)
    holders = [spawn(hold, root, 3, tmp_path / f"h{number}", never) for number in range(3)]
    poll(lambda: len(locks.inspect("l").holders) == 3)
    waiters = [spawn(hold, root, 3, tmp_path / f"w{number}", go) for number in range(4)]
    poll(lambda: len(locks.inspect("l").waiting) == 4)
    for holder in holders:
        os.kill(holder.pid, signal.SIGKILL)
    poll(lambda: len(list(tmp_path.glob("w*"))) == 3)
    poll(lambda: len(locks.inspect("l").waiting) == 1)
    assert len(locks.inspect("l").holders) == 3
    go.touch()
    for waiter in waiters:
        waiter.join(20)
    assert len(list(tmp_path.glob("w*"))) == 4


def test_looking_at_a_lock_that_is_fought_over_is_always_right(tmp_path, spawn: Spawn) -> None:
    root, go = tmp_path / "locks", tmp_path / "go"
    people = [spawn(churn, root, go) for _ in range(5)]
    ours = {person.pid for person in people}
    locks = FileLocks(root)
    busy, deadline = 0, time.monotonic() + 60
    while busy < 100:
        assert time.monotonic() < deadline
        status = locks.inspect("l")
        seen = [ticket.pid for ticket in (*status.holders, *status.waiting)]
        assert len(status.holders) <= 2
        assert {pid for pid in seen if pid} <= ours
        assert status.slots in (0, 2)
        busy += bool(status.holders)
        assert [one.name for one in locks.list()] in ([], ["l"])
    go.touch()
    for person in people:
        person.join(20)
        assert person.exitcode == 0
    assert locks.list() == ()


def test_a_time_is_kept_with_every_ticket_and_starts_anew_when_it_becomes_a_holder(
    tmp_path, spawn: Spawn
) -> None:
    root, go = tmp_path / "locks", tmp_path / "go"
    locks = FileLocks(root)
    holder = locks.acquire("l", timeout_seconds=1)
    spawn(hold, root, 1, tmp_path / "mark", go)
    poll(lambda: len(locks.inspect("l").waiting) == 1)
    status = locks.inspect("l")
    assert 0 < status.holders[0].since <= status.waiting[0].since <= time.time() + 1
    released = time.time()
    holder.release()
    poll((tmp_path / "mark").exists)
    assert locks.inspect("l").holders[0].since >= released - 0.1  # file times lag by a clock tick
    go.touch()


def test_the_scoped_form_works_without_roots_power_over_files(action: ActionStarter) -> None:
    step = action.start(ordinary=True, mode="acquire", lock_name="l", run="echo protected").wait()
    assert step.exit_code == 0, step.log
    assert "protected" in step.log


def test_a_lock_folder_that_cannot_be_written_is_a_clear_error(tmp_path) -> None:
    (tmp_path / "locks").write_text("a file in the way")
    with pytest.raises(ActionError, match=r"lock 'l' cannot be used: .*locks"):
        FileLocks(tmp_path / "locks").acquire("l", timeout_seconds=1)
