"""The host's locks under real processes: who comes next, how many hold at once, also under kill -9."""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import time
from pathlib import Path

import pytest

from actionlib.errors import ActionError
from actionlib.locking import FileLocks, LockTimeoutError
from fakes.steps import poll
from integration.locking.lock_users import append, hold, lines, waiting

SOAK = os.environ.get("SOAK") == "1"


def test_first_come_first_served_within_a_priority_and_higher_ones_first(root, tmp_path, spawn) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    spawn(hold, root, log, "holder", -9, 1, go)
    poll(lambda: lines(log) == ["holder"])
    for number, (label, priority) in enumerate([("a", 0), ("b", -5), ("c", 0), ("d", 5), ("e", 5)], 1):
        spawn(hold, root, log, label, priority, 1, None)
        poll(lambda number=number: waiting(root) == number)
    assert lines(log) == ["holder"]  # nobody took the lock from its holder
    go.touch()
    poll(lambda: len(lines(log)) == 6)
    assert lines(log) == ["holder", "d", "e", "a", "c", "b"]


def race(root: Path, log: Path, rounds: int) -> None:
    locks = FileLocks(root)
    for _ in range(rounds):
        with locks.acquire("l", timeout_seconds=120) as lease:
            # The ticket's number is the place in the queue; it begins anew only when nobody is left.
            append(log, lease.path.name.split(".")[1])


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_no_hand_over_among_eight_processes_is_out_of_order(root, tmp_path, spawn) -> None:
    hand_overs = 10_000 if SOAK else 500
    racers = [spawn(race, root, tmp_path / "log", hand_overs // 8) for _ in range(8)]
    for racer in racers:
        racer.join(500)
        assert racer.exitcode == 0
    numbers = [int(line) for line in lines(tmp_path / "log")]
    assert len(numbers) == hand_overs // 8 * 8
    inversions = [
        (before, after) for before, after in itertools.pairwise(numbers) if after <= before and after != 1
    ]
    assert inversions == []


def crowd(root: Path, presence: Path, violations: Path, slots: int, seed: int) -> None:
    """Hold again and again; while holding, count the others that hold. Only kill -9 ends it."""
    chance = random.Random(seed)
    locks = FileLocks(root)
    generation = 0
    mine = os.open(presence / str(os.getpid()), os.O_RDWR | os.O_CREAT)
    while True:
        with locks.acquire("l", timeout_seconds=60, slots=slots):
            generation += 1
            os.pwrite(mine, f"{generation:9}".encode(), 0)
            fcntl.flock(mine, fcntl.LOCK_EX)
            # Who is there in both looks, for the same turn, was there all the time between them.
            together = present(presence) & present(presence)
            if len(together) > slots:
                append(violations, f"{together} hold {slots} slots")
            append(violations.with_name("rounds"), "x")
            time.sleep(chance.random() * 0.002)
            fcntl.flock(mine, fcntl.LOCK_UN)


def present(folder: Path) -> set[tuple[str, bytes]]:
    """Name and turn of all that hold their file locked just now, one after the other."""
    found = set()
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            generation = os.read(descriptor, 9)
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            if not is_exiting(int(path.name)):  # the kernel may close its lock before this file
                found.add((path.name, generation))
        finally:
            os.close(descriptor)
    return found


def is_exiting(pid: int) -> bool:
    try:
        flags = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[6]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return bool(int(flags) & 0x4)  # PF_EXITING (include/linux/sched.h)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("slots", [1, 3])
def test_slots_are_never_exceeded_by_fifty_processes_of_which_many_are_killed(
    root, tmp_path, spawn, slots: int
) -> None:
    seed = int(os.environ.get("SOAK_SEED", random.randrange(1 << 30)))
    print(f"SOAK_SEED={seed}")
    chance = random.Random(seed)
    presence, violations, rounds = tmp_path / "presence", tmp_path / "violations", tmp_path / "rounds"
    presence.mkdir()
    arguments = (crowd, root, presence, violations, slots)
    people = [spawn(*arguments, number) for number in range(50)]
    kills = 200 if SOAK else 20
    for kill in range(kills):
        before = len(lines(rounds))
        poll(lambda before=before: len(lines(rounds)) > before + chance.randrange(20), timeout_seconds=60)
        victim = chance.randrange(50)
        people[victim].kill()
        people[victim].join(20)
        people[victim] = spawn(*arguments, 1000 + kill)
    for one in people:
        one.kill()
    for one in people:
        one.join(20)
    assert lines(violations) == []
    status = FileLocks(root).inspect("l")
    assert (status.holders, status.waiting) == ((), ())
    assert FileLocks(root).remove_idle() == 1
    assert list(root.iterdir()) == []


def test_several_hold_at_once_up_to_the_slots(root, tmp_path, spawn) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    for number in range(5):
        spawn(hold, root, log, str(number), 0, 3, go)
    poll(lambda: len(lines(log)) == 3 and waiting(root) == 2)
    go.touch()
    poll(lambda: len(lines(log)) == 5)


def test_another_slot_count_is_an_error_that_names_both_and_fine_when_nobody_holds(root) -> None:
    locks = FileLocks(root)
    with (
        locks.acquire("l", timeout_seconds=1, slots=2),
        pytest.raises(ActionError, match="in use with 2 slots, and this step asks for 3"),
    ):
        locks.acquire("l", timeout_seconds=1, slots=3)
    locks.acquire("l", timeout_seconds=1, slots=3).release()


@pytest.mark.parametrize("name", ["a/b", "..", "ünïcode ✓", "x" * 512, "with\ttab", "-", "A:B*?"])
def test_any_name_is_a_lock_of_its_own(root, name: str) -> None:
    locks = FileLocks(root)
    with locks.acquire(name, timeout_seconds=1), locks.acquire("other", timeout_seconds=1):
        assert {status.name for status in locks.list()} == {name, "other"}
        with pytest.raises(LockTimeoutError):
            locks.acquire(name, timeout_seconds=0.01)
    assert sorted(path.parent for path in root.iterdir()) == [root, root]


@pytest.mark.parametrize(("slots", "priority"), [(0, 0), (-1, 0), (1, 101), (1, -101)])
def test_numbers_out_of_range_are_refused(root, slots: int, priority: int) -> None:
    with pytest.raises(ActionError, match="allowed:"):
        FileLocks(root).acquire("l", timeout_seconds=1, slots=slots, priority=priority)
    assert FileLocks(root).list() == ()
