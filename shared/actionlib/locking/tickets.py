"""Ticket files: named pipes that their owners keep open, so that the kernel tells who is alive.

A pipe rather than a flock'ed file, because its end can be polled: a waiter needs neither a thread nor a timer
to wait with a deadline, and it hears of a release within one wake-up.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from actionlib.errors import ActionError
from actionlib.locking.backend import Ticket

GUARD_DEADLINE_SECONDS = 30.0
HELD, WAIT = "held", "wait"
_GUARD, _NOTE = "guard", "note."
_LET_GO = bytes(
    4096
)  # written into a ticket's pipe by its owner; each look at the ticket takes one byte of it


class TicketName(NamedTuple):
    """A ticket's file name says all that deciding needs: `state.sequence.priority.slots.token`."""

    state: str
    sequence: int
    priority: int
    slots: int
    token: str

    @classmethod
    def parse(cls, name: str) -> TicketName | None:
        """None for a file that is no ticket."""
        state, *rest = name.split(".")
        if state not in (HELD, WAIT) or len(rest) != 4:
            return None
        try:
            return cls(state, int(rest[0]), int(rest[1]), int(rest[2]), rest[3])
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.state}.{self.sequence}.{self.priority}.{self.slots}.{self.token}"

    def service_order(self) -> tuple[bool, int, int]:
        """Holders first, then higher priorities, then first come, first served."""
        return (self.state == WAIT, -self.priority if self.state == WAIT else 0, self.sequence)


class LockFolder:
    """The folder of one lock: a guard file for short critical sections, and a pipe and a note per ticket."""

    def __init__(self, path: Path, *, name: str, shared_by_group: bool) -> None:
        self.path = path
        self.name = name
        self._path = str(path)  # joining strings, because pathlib would be half the time of a hand-over
        self._shared = shared_by_group
        self._file_mode = 0o660 if shared_by_group else 0o600

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Exclude every other process from deciding about this lock, for microseconds.

        Retries without blocking, so that a process that was stopped (SIGSTOP) inside its critical section
        ends in an error here, not in an endless wait. Raises ActionError for that, and for a folder that
        cannot be used (full disk, permissions).
        """
        try:
            descriptor = self._enter_guard(time.monotonic() + GUARD_DEADLINE_SECONDS)
            try:
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            raise ActionError(
                f"lock '{self.name}' cannot be used: {error.strerror} ({error.filename or self.path})",
                hint="Check free space, inodes and permissions of the state root",
            ) from error

    def _enter_guard(self, deadline: float) -> int:
        while True:
            descriptor = self._open_guard(deadline)
            pause = 0.0  # the section ahead of us is microseconds long
            while not _try_flock(descriptor):
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    raise ActionError(
                        f"lock '{self.name}' is blocked: a process keeps {self.path / _GUARD} for "
                        f"{GUARD_DEADLINE_SECONDS:g} s",
                        hint="Look for a stopped process with `fuser` on that file",
                    )
                # No sched_yield: beside a compiler it would give a whole time slice away.
                time.sleep(pause)
                pause = min(pause + 0.00001, 0.002)
            if self._is_at(descriptor, f"{self._path}/{_GUARD}"):
                return descriptor
            os.close(descriptor)  # an idle lock's folder was removed between open and flock

    def _open_guard(self, deadline: float) -> int:
        while True:
            try:
                return os.open(f"{self._path}/{_GUARD}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                self._make()
            except PermissionError:  # another user of the group is between making it and opening it to us
                if not self._shared or time.monotonic() > deadline - GUARD_DEADLINE_SECONDS + 1:
                    raise
                time.sleep(0.001)

    def _make(self) -> None:
        """Make folder and guard with exactly our permissions, whatever the umask. Others may do so too."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            self.path.mkdir(mode=0o700)
            if self._shared:
                self.path.chmod(0o2770)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with contextlib.suppress(FileExistsError, FileNotFoundError):  # somebody else made or removed it
            descriptor = os.open(f"{self._path}/{_GUARD}", flags, 0o600)
            try:
                os.fchmod(descriptor, self._file_mode)
            finally:
                os.close(descriptor)

    @staticmethod
    def _is_at(descriptor: int, path: str) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(path))
        except FileNotFoundError:
            return False

    def tickets(self) -> list[TicketName]:
        """All tickets in the folder, those of the dead included. Only inside `guarded`."""
        return [name for name in map(TicketName.parse, os.listdir(self._path)) if name]

    def alive(self, names: Iterable[TicketName]) -> list[TicketName]:
        """Those whose owner lives; the files of the others are removed. Only inside `guarded`."""
        found = []
        for name in names:
            for descriptor in self.open_alive([name], limit=1):
                os.close(descriptor)
                found.append(name)
        return found

    def open_alive(self, names: Iterable[TicketName], *, limit: int) -> list[int]:
        """Descriptors of the first `limit` whose owner lives: each polls as hung up when its owner lets go.

        The files of the dead are removed. Only inside `guarded`.
        """
        found: list[int] = []
        try:
            for name in names:
                if len(found) == limit:
                    break
                if (descriptor := self._open_if_alive(name)) is not None:
                    found.append(descriptor)
        except BaseException:
            for descriptor in found:
                os.close(descriptor)
            raise
        return found

    def _open_if_alive(self, name: TicketName) -> int | None:
        try:
            descriptor = os.open(f"{self._path}/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            os.read(descriptor, 1)  # _LET_GO, or the end of file: nobody has it open for writing
        except BlockingIOError:
            return descriptor
        os.close(descriptor)
        self.remove(name)
        return None

    def create(self, name: TicketName, *, owner: Mapping[str, str]) -> int:
        """Make a ticket; returns the descriptor that keeps it alive. Only inside `guarded`."""
        note = os.open(
            self._note_path(name.token), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, self._file_mode
        )
        try:
            os.write(note, _encode(self.name, owner))
            if self._shared:
                os.fchmod(note, self._file_mode)
            os.mkfifo(f"{self._path}/{name}", self._file_mode)
            if self._shared:
                os.chmod(f"{self._path}/{name}", self._file_mode)
            return os.open(f"{self._path}/{name}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except BaseException:
            self.remove(name)
            raise
        finally:
            os.close(note)

    def promote(self, name: TicketName) -> TicketName:
        """Turn a waiter's ticket into a holder's, from now on. Only inside `guarded`."""
        held = name._replace(state=HELD)
        os.utime(f"{self._path}/{name}")
        os.rename(f"{self._path}/{name}", f"{self._path}/{held}")
        return held

    def end(self, name: TicketName, descriptor: int) -> None:
        """End a ticket of ours."""
        let_go(f"{self._path}/{name}", descriptor)

    def remove(self, name: TicketName) -> None:
        """Remove a ticket's files. They may be gone already; tokens are unique, so nobody else's are hit."""
        remove_ticket(f"{self._path}/{name}")

    def read(self, name: TicketName) -> Ticket | None:
        """What the ticket's owner wrote about itself, and since when it waits or holds; None if it has let go."""
        try:
            fields = json.loads(Path(self._note_path(name.token)).read_bytes())
            since = os.stat(f"{self._path}/{name}").st_mtime
        except FileNotFoundError:
            return None
        except (OSError, ValueError):  # another user's, or just being written
            fields, since = {}, 0.0
        owner = fields.get("owner", {})
        return Ticket(
            lock=str(fields.get("lock", self.name)),
            token=name.token,
            pid=int(fields.get("pid", 0)),
            since=since,
            priority=name.priority,
            owner={str(key): str(value) for key, value in owner.items()},
        )

    def remove_if_idle(self) -> bool:
        """Remove the folder of a lock that nobody holds or waits for."""
        with self.guarded():
            if self.alive(self.tickets()):
                return False
            for name in os.listdir(self._path):
                if name.startswith(_NOTE):  # of a process that was killed between making the two files
                    with contextlib.suppress(FileNotFoundError):  # or of one that is just letting go
                        os.unlink(f"{self._path}/{name}")
            os.unlink(f"{self._path}/{_GUARD}")
            with contextlib.suppress(OSError):  # somebody has made a new guard already
                self.path.rmdir()
            return True

    def _note_path(self, token: str) -> str:
        return f"{self._path}/{_NOTE}{token}"


def note_of(ticket_path: str) -> str:
    """Path of the note that belongs to a ticket."""
    folder, _, name = ticket_path.rpartition("/")
    return f"{folder}/{_NOTE}{name.rpartition('.')[2]}"


def let_go(path: str, descriptor: int) -> None:
    """End a ticket of ours: remove it, tell those who watch it, and close its pipe."""
    remove_ticket(path)
    with contextlib.suppress(OSError):  # closing is not enough: a forked child may have the pipe open still
        os.write(descriptor, _LET_GO)
    os.close(descriptor)


def remove_ticket(path: str) -> None:
    """Remove a ticket and its note, as far as they are there."""
    for one in (path, note_of(path)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(one)


def _encode(lock: str, owner: Mapping[str, str]) -> bytes:
    return json.dumps({"lock": lock, "pid": os.getpid(), "owner": dict(owner)}).encode()


def _try_flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
