"""Ticket files: a file that its owner keeps flock'ed, so that the kernel tells who is alive."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actionlib.errors import ActionError
from actionlib.locking.backend import Ticket

GUARD_DEADLINE_SECONDS = 30.0
HELD, WAIT = "held", "wait"


@dataclass(frozen=True, slots=True, order=True)
class TicketName:
    """A ticket's file name says all that deciding needs: `state.sequence.priority.slots`."""

    state: str
    sequence: int
    priority: int
    slots: int

    @classmethod
    def parse(cls, name: str) -> TicketName | None:
        """None for a file that is no ticket."""
        state, *numbers = name.split(".")
        if state not in (HELD, WAIT) or len(numbers) != 3:
            return None
        try:
            return cls(state, *map(int, numbers))
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.state}.{self.sequence}.{self.priority}.{self.slots}"

    def service_order(self) -> tuple[int, int]:
        """Higher priority first, then first come, first served."""
        return (-self.priority, self.sequence)


class LockFolder:
    """The folder of one lock: a guard file for short critical sections and one file per ticket."""

    def __init__(self, path: Path, *, name: str, file_mode: int, folder_mode: int) -> None:
        self.path = path
        self.name = name
        self._path = str(path)  # joining strings, because pathlib would be half the time of a hand-over
        self._file_mode = file_mode
        self._folder_mode = folder_mode

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Exclude every other process from deciding about this lock, for microseconds.

        Retries without blocking, so that a process that was stopped (SIGSTOP) inside its critical section
        ends in an error here, not in an endless wait.
        """
        descriptor = self._enter_guard(time.monotonic() + GUARD_DEADLINE_SECONDS)
        try:
            yield
        finally:
            os.close(descriptor)

    def _enter_guard(self, deadline: float) -> int:
        while True:
            descriptor = self._open_guard()
            pause = 0.0  # sleep(0) yields the processor: the section ahead of us is microseconds long
            while not _try_flock(descriptor, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    raise ActionError(
                        f"lock '{self.name}' is blocked: a process keeps {self.path / 'guard'} for "
                        f"{GUARD_DEADLINE_SECONDS:g} s",
                        hint="Look for a stopped process with `fuser` on that file",
                    )
                time.sleep(pause)
                pause = min(pause + 0.00001, 0.002)
            if self._is_current(descriptor):
                return descriptor
            os.close(descriptor)  # an idle lock's folder was removed between open and flock

    def _open_guard(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        while True:
            try:
                return os.open(f"{self._path}/guard", flags, self._file_mode)
            except FileNotFoundError:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                if self._folder_mode != 0o700:
                    with contextlib.suppress(PermissionError):  # another user of the group made it
                        self.path.chmod(self._folder_mode)

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(f"{self._path}/guard"))
        except FileNotFoundError:
            return False

    def tickets(self) -> list[TicketName]:
        """All tickets in the folder, those of the dead included. Only inside `guarded`."""
        return [name for name in map(TicketName.parse, os.listdir(self._path)) if name]

    def alive(self, names: Iterable[TicketName]) -> list[TicketName]:
        """Those whose owner lives; the files of the others are removed. Only inside `guarded`."""
        return [name for name in names if not self._bury(name)]

    def _bury(self, name: TicketName) -> bool:
        """Remove the ticket if nobody keeps it locked."""
        path = f"{self._path}/{name}"
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            if not _try_flock(descriptor, fcntl.LOCK_SH):
                return False
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return True
        finally:
            os.close(descriptor)

    def create(self, name: TicketName, ticket: Ticket) -> int:
        """Make and lock a ticket file; returns its descriptor. Only inside `guarded`."""
        path = f"{self._path}/{name}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, self._file_mode)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(descriptor, _encode(ticket))
        except BaseException:
            os.unlink(path)
            os.close(descriptor)
            raise
        return descriptor

    def open_for_wait(self, names: Sequence[TicketName]) -> list[int]:
        """Descriptors on which a blocking LOCK_SH returns when the ticket's owner lets go.

        Empty when one of the tickets is gone already.
        """
        descriptors: list[int] = []
        for name in names:
            try:
                descriptors.append(os.open(f"{self._path}/{name}", os.O_RDONLY | os.O_CLOEXEC))
            except FileNotFoundError:
                for descriptor in descriptors:
                    os.close(descriptor)
                return []
        return descriptors

    def read(self, name: TicketName) -> Ticket:
        """What the ticket's owner wrote about itself."""
        try:
            fields = json.loads((self.path / str(name)).read_bytes())
        except (OSError, ValueError):
            fields = {}
        owner = fields.get("owner", {})
        return Ticket(
            lock=str(fields.get("lock", self.name)),
            token=str(fields.get("token", "")),
            pid=int(fields.get("pid", 0)),
            since=float(fields.get("since", 0.0)),
            priority=name.priority,
            owner={str(key): str(value) for key, value in owner.items()},
        )

    def remove_if_idle(self) -> bool:
        """Remove the folder of a lock that nobody holds or waits for."""
        with self.guarded():
            if self.alive(self.tickets()):
                return False
            os.unlink(self.path / "guard")
            with contextlib.suppress(OSError):
                self.path.rmdir()
            return True


def _encode(ticket: Ticket) -> bytes:
    fields: Mapping[str, object] = {
        "lock": ticket.lock,
        "token": ticket.token,
        "pid": ticket.pid,
        "since": ticket.since,
        "owner": dict(ticket.owner),
    }
    return json.dumps(fields).encode()


def _try_flock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
