"""Ending a process together with everything that it started, however well that hides."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from actionlib.processes import PROC, Process, Stat, open_pidfd, read_stat

KILL_SECONDS = 5.0  # after SIGKILL only a process in uninterruptible sleep is left
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37

_prctl = ctypes.CDLL(None, use_errno=True).prctl


def _call_prctl(option: int, value: int) -> None:
    if _prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def set_parent_death_signal(number: signal.Signals) -> None:
    """Have the kernel send us `number` when the thread that started us ends. Kept across exec."""
    _call_prctl(_PR_SET_PDEATHSIG, number)


def become_subreaper() -> None:
    """Become the parent of all descendants whose own parent dies, in place of PID 1."""
    _call_prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _is_subreaper() -> bool:
    answer = ctypes.c_int(0)
    return _prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0) == 0 and answer.value != 0


@contextmanager
def adopting_orphans() -> Iterator[None]:
    """Be a subreaper for a while."""
    before = _is_subreaper()
    become_subreaper()
    try:
        yield
    finally:
        _call_prctl(_PR_SET_CHILD_SUBREAPER, before)


@dataclass(frozen=True, slots=True)
class Survivor:
    """A process that was still running when the grace was over. `ended` is False if even SIGKILL left it."""

    pid: int
    comm: str
    ended: bool = True


def snapshot() -> dict[int, Stat]:
    """All processes that /proc shows, zombies included, by pid."""
    found = {}
    for name in os.listdir(PROC):
        if name.isdigit():
            with suppress(ProcessLookupError):
                found[int(name)] = read_stat(int(name))
    return found


def _running(world: dict[int, Stat]) -> dict[int, Stat]:
    return {pid: stat for pid, stat in world.items() if stat.is_running}


def descendants(root: Process) -> tuple[Process, ...]:
    """Children, grandchildren and so on of `root`, parents before their children; zombies are left out."""
    world = _running(snapshot())
    found = _below({root.pid}, world) if root.is_alive() else []
    return tuple(Process(pid, world[pid].start_ticks) for pid in found)


def children(pid: int) -> frozenset[Process]:
    """The direct children of process `pid`, zombies included."""
    return frozenset(Process(one.pid, one.start_ticks) for one in snapshot().values() if one.parent == pid)


def _below(roots: Collection[int], world: dict[int, Stat]) -> list[int]:
    by_parent: dict[int, list[int]] = {}
    for stat in world.values():
        by_parent.setdefault(stat.parent, []).append(stat.pid)
    found: list[int] = []
    seen = set(roots)
    queue = list(roots)
    for pid in queue:
        fresh = [child for child in by_parent.get(pid, ()) if child not in seen]
        seen.update(fresh)
        found += fresh
        queue += fresh
    return found


def send_signal(process: Process, number: signal.Signals) -> bool:
    """Signal exactly this process, never a later one with its pid. False when it is gone or we may not."""
    try:
        descriptor = open_pidfd(process)
    except ProcessLookupError:
        return False
    try:
        if descriptor is not None:
            signal.pidfd_send_signal(descriptor, number)
        else:
            os.kill(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return True


class _Hunt:
    """Finds what belongs to a tree, also when its members come and go meanwhile."""

    def __init__(self, root: Process, spare: Collection[Process] | None) -> None:
        self._root = root
        self._spared = children(os.getpid()) - {root} if spare is None else frozenset(spare)
        self._known = {root: None}  # a set that keeps its order: parents are signalled before their children
        # Its own session, if it leads one, is known by the pid only as long as that cannot be used again:
        # while the leader lives, is an unreaped zombie, or has members left.
        try:
            stat = read_stat(root.pid)
            leads = stat.session == root.pid and stat.start_ticks == root.start_ticks
        except ProcessLookupError:
            leads = False
        self._session = root.pid if leads else None
        self._adopts = _is_subreaper() or os.getpid() == 1
        self.restless = False

    def scan(self) -> dict[Process, str]:
        """The tree's running members and their names, root included; reaps what died after it came to us.

        A look at /proc takes so long that a chain of short-lived processes can hide from it; but each leaves
        us a zombie. So the tree is empty only when a look finds neither.
        """
        everything = snapshot()
        self.restless = self._reap(everything)
        world = _running(everything)
        alive = dict.fromkeys(one.pid for one in self._known if _is_same(one, world))
        alive.update(dict.fromkeys(_below(alive, world)))
        alive.update(dict.fromkeys(stat.pid for stat in world.values() if self._belongs(stat)))
        alive.update(dict.fromkeys(_below(alive, world)))
        alive.pop(os.getpid(), None)
        members = {Process(pid, world[pid].start_ticks): world[pid].comm for pid in alive}
        self._known.update(dict.fromkeys(members))
        return members

    def chase(self) -> None:
        """SIGKILL what has come to us, again and again: quicker than a look at all of /proc, and than a fork.

        No start time needs checking: the pid of our own child cannot be used again before we reap it.
        """
        kept = {one.pid for one in self._spared} | {self._root.pid}
        for _ in range(1000):
            found = [pid for pid in _own_children() if pid not in kept] if self._adopts else []
            kept.update(found)
            for pid in found:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if not found:
                break

    def _belongs(self, stat: Stat) -> bool:
        return self._is_adopted(stat) or (self._session is not None and stat.session == self._session)

    def _is_adopted(self, stat: Stat) -> bool:
        if not self._adopts or stat.parent != os.getpid():
            return False
        process = Process(stat.pid, stat.start_ticks)
        return process != self._root and process not in self._spared

    def _reap(self, world: dict[int, Stat]) -> bool:
        """Collect what died after it had come to us. The root is left to whoever wants its exit code."""
        found = False
        for stat in world.values():
            if not stat.is_running and self._is_adopted(stat):
                with suppress(ChildProcessError):
                    found = os.waitpid(stat.pid, os.WNOHANG)[0] != 0 or found
        return found


def _own_children() -> list[int]:
    """Our children's pids, zombies included; none where the kernel keeps no such lists."""
    found = []
    with suppress(OSError):
        for task in os.listdir(PROC / "self/task"):
            found += (PROC / "self/task" / task / "children").read_text(encoding="ascii").split()
    return [int(pid) for pid in found]


def _is_same(process: Process, world: dict[int, Stat]) -> bool:
    return process.pid in world and world[process.pid].start_ticks == process.start_ticks


def kill_tree(
    root: Process, *, grace_seconds: float, spare: Collection[Process] | None = None
) -> tuple[Survivor, ...]:
    """End `root` and all that it started: SIGTERM, the grace, then SIGSTOP and SIGKILL until none is left.

    Returns what still ran when the grace was over. To the tree belong the root's descendants, its session if
    it leads one, and, where we are a subreaper, orphans that came to us: those that appear meanwhile or, with
    `spare`, all our children but those named. So note `children(os.getpid())` before starting the root, and
    daemons that it left with us are found too. The root itself is not reaped if it is our child.
    """
    hunt = _Hunt(root, spare)
    left = _terminate(hunt, grace_seconds) if grace_seconds > 0 else hunt.scan()
    late = dict(left)
    deadline = time.monotonic() + KILL_SECONDS
    while (left or hunt.restless) and time.monotonic() < deadline:
        _freeze(hunt, left)
        missed = {process for process in left if not send_signal(process, signal.SIGKILL)}
        left = _settle(hunt, min(deadline, time.monotonic() + 0.2))
        if left and missed.issuperset(left):  # what is left belongs to another user, for example below sudo
            break
    return tuple(Survivor(one.pid, comm, one not in left) for one, comm in late.items())


def end_children(*, grace_seconds: float) -> None:
    """End all that we have started, and where we are a subreaper all that came to us."""
    for child in children(os.getpid()):
        kill_tree(child, grace_seconds=grace_seconds, spare=())
        return  # with nothing to spare, all our children belong to the tree of any


def _terminate(hunt: _Hunt, grace_seconds: float) -> dict[Process, str]:
    """SIGTERM to all; what is left after the grace. SIGCONT lets a stopped process see its SIGTERM.

    Parents come first: a script whose command dies before it hears of the end would take that for a failure.
    """
    deadline = time.monotonic() + grace_seconds
    for process in hunt.scan():
        send_signal(process, signal.SIGTERM)
        send_signal(process, signal.SIGCONT)
    return _settle(hunt, deadline)


def _freeze(hunt: _Hunt, left: dict[Process, str]) -> None:
    """Stop all that is left, then what a new look finds, until that is nothing: the stopped cannot fork."""
    fresh = dict(left)
    for _ in range(50):
        hunt.chase()
        for process in fresh:
            send_signal(process, signal.SIGSTOP)
        now = hunt.scan()
        fresh = {process: comm for process, comm in now.items() if process not in left}
        left.update(now)
        if not fresh:
            break


def _settle(hunt: _Hunt, deadline: float) -> dict[Process, str]:
    """Wait until the tree is empty, at most until `deadline` (monotonic); returns what is left."""
    pause = 0.002
    while True:
        left = hunt.scan()
        rest = deadline - time.monotonic()
        if (not left and not hunt.restless) or rest <= 0:
            return left
        time.sleep(min(pause, rest))
        pause = min(pause * 2, 0.1)
