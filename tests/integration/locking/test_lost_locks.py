"""Locks whose holder is killed or replaced, whose waiter gives up, or whose folder is deleted."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from actionlib.errors import ActionError
from actionlib.locking import FileLocks, LockTimeoutError, tickets
from actionlib.locking.file_backend import FileLease
from fakes.steps import poll
from integration.locking.lock_users import hold, lines, waiting


@pytest.mark.parametrize("victims", [[0], [1], [3], [0, 1], [1, 2, 3]])
def test_whoever_is_killed_the_next_one_in_the_queue_goes_on(root, tmp_path, spawn, victims) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    people = []
    for number in range(4):
        people.append(spawn(hold, root, log, str(number), 0, 1, go))
        poll(lambda number=number: waiting(root) == number and len(lines(log)) == 1)
    for victim in sorted(victims, reverse=True):  # the holder last, or those who wait would get it
        people[victim].kill()
        people[victim].join(20)
    go.touch()
    expected = ["0"] + [str(number) for number in range(1, 4) if number not in victims]
    poll(lambda: lines(log) == expected)
    poll(lambda: FileLocks(root).list() == ())


def test_a_waiter_whose_time_is_over_leaves_the_queue_and_no_descriptor(root, tmp_path, spawn) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    spawn(hold, root, log, "holder", 0, 1, go)
    poll(lambda: lines(log) == ["holder"])
    before = len(os.listdir("/proc/self/fd"))
    heard = []
    for _ in range(3):
        with pytest.raises(
            LockTimeoutError,
            match=r"lock 'l' was not free within 0.1 s; held by pid \d+ for \d+ s, 0 others waiting",
        ):
            FileLocks(root).acquire(
                "l", timeout_seconds=0.1, on_wait=lambda *said: heard.append(said), wait_interval_seconds=0.03
            )
    assert len(os.listdir("/proc/self/fd")) == before
    assert waiting(root) == 0
    assert len(heard) >= 3
    assert heard[0][0].holders[0].pid != os.getpid()
    go.touch()
    FileLocks(root).acquire("l", timeout_seconds=20).release()


def test_a_holder_that_was_stopped_while_deciding_is_an_error_and_not_an_endless_wait(
    root, monkeypatch
) -> None:
    monkeypatch.setattr(tickets, "GUARD_DEADLINE_SECONDS", 0.2)
    locks = FileLocks(root)
    lease = locks.acquire("l", timeout_seconds=1)
    guard = os.open(lease.path.parent / "guard", os.O_RDONLY)
    fcntl.flock(guard, fcntl.LOCK_EX)
    try:
        with pytest.raises(ActionError, match="lock 'l' is blocked"):
            locks.acquire("l", timeout_seconds=5)
    finally:
        os.close(guard)
        lease.release()


def test_a_lock_whose_folder_was_deleted_knows_that_it_is_lost(root) -> None:
    lease = FileLocks(root).acquire("l", timeout_seconds=1)
    assert lease.is_held()
    shutil.rmtree(root)
    assert not lease.is_held()
    lease.release()
    lease.release()


def test_a_waiter_whose_folder_was_deleted_queues_again(root, tmp_path, spawn) -> None:
    log = tmp_path / "log"
    go = tmp_path / "go"
    spawn(hold, root, log, "holder", 0, 1, go)
    poll(lambda: lines(log) == ["holder"])
    spawn(hold, root, log, "waiter", 0, 1, None)
    poll(lambda: waiting(root) == 1)
    shutil.rmtree(root)
    go.touch()
    poll(lambda: lines(log) == ["holder", "waiter"])


def churn(root: Path, rounds: int) -> None:
    locks = FileLocks(root)
    for _ in range(rounds):
        with locks.acquire("l", timeout_seconds=30) as lease:
            if not lease.is_held():
                os._exit(9)


def test_removing_idle_locks_never_removes_one_in_use(root, spawn) -> None:
    people = [spawn(churn, root, 150) for _ in range(3)]
    while any(one.is_alive() for one in people):
        FileLocks(root).remove_idle()
    for one in people:
        one.join(20)
        assert one.exitcode == 0


def inherit(path: Path, descriptor: int, token: str, go: Path) -> None:
    lease = FileLease(path=path, descriptor=descriptor, token=token)
    lease.adopt()
    while not go.exists():
        time.sleep(0.002)
    lease.release()


def test_a_lock_lives_on_in_the_process_that_inherits_it_which_names_itself(root, tmp_path, spawn) -> None:
    locks, go = FileLocks(root), tmp_path / "go"
    lease = locks.acquire("l", timeout_seconds=1, owner={"job": "build"})
    heir = spawn(inherit, lease.path, lease.fileno(), lease.token, go)
    poll(lambda: locks.inspect("l").holders[0].pid == heir.pid)
    lease.hand_over()
    (holder,) = locks.inspect("l").holders
    assert (holder.pid, holder.token, holder.owner["job"]) == (heir.pid, lease.token, "build")
    os.kill(heir.pid, signal.SIGKILL)
    heir.join(20)
    locks.acquire("l", timeout_seconds=5).release()
