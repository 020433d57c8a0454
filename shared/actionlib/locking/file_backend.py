"""Locks for the processes of one host, held by the kernel: they are free the moment their holder dies.

A ticket is a named pipe that its owner keeps open, waiting or holding. Its rank among the living tickets
decides: with N slots the first N hold. A waiter polls the N tickets directly ahead of it, for as long as all
of them live it cannot be its turn. So a release wakes only those next in line, nothing is asked again and
again, and there is no heartbeat, pid file or age rule that could be wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import select
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from actionlib.errors import ActionError
from actionlib.locking.backend import LockStatus, LockTimeoutError, OnWait
from actionlib.locking.tickets import HELD, WAIT, LockFolder, TicketName, let_go, note_of

PRIORITY_RANGE = (-100, 100)


class FileLease:
    """A lock held through the open pipe of its ticket. Whoever inherits the descriptor holds it too."""

    def __init__(self, *, path: Path, descriptor: int, token: str, waited_seconds: float = 0.0) -> None:
        self.path = path
        self.token = token
        self.waited_seconds = waited_seconds
        self._descriptor: int | None = descriptor

    def fileno(self) -> int:
        """The descriptor that holds the lock."""
        if self._descriptor is None:
            raise ValueError("the lease has been released")
        return self._descriptor

    def is_held(self) -> bool:
        """Whether the ticket is still in its place: someone may have deleted the lock's folder."""
        try:
            return self._descriptor is not None and os.path.samestat(
                os.fstat(self._descriptor), os.stat(self.path)
            )
        except FileNotFoundError:
            return False

    def adopt(self) -> None:
        """Write into the ticket's note that this process holds the lock now, which it inherited."""
        with contextlib.suppress(FileNotFoundError):  # deleted: `is_held` tells
            note = Path(note_of(str(self.path)))
            fields = json.loads(note.read_bytes()) | {"pid": os.getpid()}
            with note.open("r+b") as file:  # in place, padded: a reader never finds an empty or a cut one
                file.write(json.dumps(fields).encode().ljust(os.fstat(file.fileno()).st_size))

    def release(self) -> None:
        """Remove the ticket and let go, which wakes the next one in the queue."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            let_go(str(self.path), descriptor)
            os.sched_yield()  # the next one wakes on our processor: let it begin, instead of finishing first

    def hand_over(self) -> None:
        """Close our descriptor only: the process that inherited it goes on holding the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class FileLocks:
    """The `file` backend: all locks below one folder of a local file system."""

    def __init__(self, root: Path, *, shared_by_group: bool = False) -> None:
        self._root = root
        self._shared_by_group = shared_by_group

    def acquire(
        self,
        name: str,
        *,
        timeout_seconds: float,
        slots: int = 1,
        priority: int = 0,
        owner: Mapping[str, str] | None = None,
        on_wait: OnWait | None = None,
        wait_interval_seconds: float = 10.0,
    ) -> FileLease:
        """See LockBackend.acquire."""
        queue = _Queue(self._folder(name), slots=slots, priority=priority, owner=owner or {})
        started = time.monotonic()
        try:
            lease = queue.join()
            while lease is None:
                waited = time.monotonic() - started
                if waited >= timeout_seconds:
                    queue.leave()  # before the queue is told: we no longer wait
                    raise LockTimeoutError(self.inspect(name), timeout_seconds)
                woken = queue.sleep(min(wait_interval_seconds, timeout_seconds - waited))
                if woken:
                    lease = queue.advance()
                elif on_wait and time.monotonic() - started < timeout_seconds:
                    on_wait(self.inspect(name), time.monotonic() - started)
        finally:
            queue.leave()
        lease.waited_seconds = time.monotonic() - started
        return lease

    def inspect(self, name: str) -> LockStatus:
        """See LockBackend.inspect."""
        return _status(self._folder(name))

    def list(self) -> tuple[LockStatus, ...]:
        """See LockBackend.list."""
        found = (_status(folder) for folder in self._folders())
        return tuple(status for status in found if status.holders or status.waiting)

    def remove_idle(self) -> int:
        """Remove the folders of locks that are not in use; returns how many."""
        return sum(folder.remove_if_idle() for folder in self._folders())

    def _folder(self, name: str) -> LockFolder:
        slug = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40].strip("-")
        path = self._root / f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:24]}"
        return LockFolder(path, name=name, shared_by_group=self._shared_by_group)

    def _folders(self) -> Sequence[LockFolder]:
        if not self._root.is_dir():
            return ()
        return [
            LockFolder(path, name=path.name, shared_by_group=self._shared_by_group)
            for path in sorted(self._root.iterdir())
            if (path / "guard").exists()
        ]


class _Queue:
    """One process's place in the queue of one lock."""

    def __init__(self, folder: LockFolder, *, slots: int, priority: int, owner: Mapping[str, str]) -> None:
        if slots < 1:
            raise ActionError(f"slots is {slots}; allowed: 1 or more")
        if not PRIORITY_RANGE[0] <= priority <= PRIORITY_RANGE[1]:
            raise ActionError(f"priority is {priority}; allowed: {PRIORITY_RANGE[0]} to {PRIORITY_RANGE[1]}")
        self._folder = folder
        self._slots = slots
        self._priority = priority
        self._owner = owner
        self._name: TicketName | None = None
        self._descriptor: int | None = None
        self._ahead: list[int] = []

    def join(self) -> FileLease | None:
        """Take a ticket; the lease at once if a slot is free and nobody waits ahead."""
        with self._folder.guarded():
            tickets = self._folder.tickets()
            self._check_slots(tickets)
            return self._enqueue(tickets)

    def advance(self) -> FileLease | None:
        """Somebody ahead let go: the lease if it is our turn, else look at who is ahead now."""
        with self._folder.guarded():
            tickets = self._folder.tickets()
            if self._name is not None and self._name in tickets:
                return self._decide(self._name, tickets)
            self.leave()  # somebody deleted the lock's folder
            return self._enqueue(tickets)

    def sleep(self, timeout_seconds: float) -> bool:
        """Block in the kernel until somebody ahead lets go; False when the time is over."""
        poller = select.poll()
        for descriptor in self._ahead:
            poller.register(descriptor, select.POLLIN)  # and POLLHUP, which is always reported
        return bool(poller.poll(max(timeout_seconds, 0.0) * 1000))

    def leave(self) -> None:
        """Give the place in the queue back, if there still is one."""
        self._look_away()
        if self._descriptor is not None and self._name is not None:
            descriptor, self._descriptor = self._descriptor, None
            self._folder.end(self._name, descriptor)

    def _check_slots(self, tickets: Sequence[TicketName]) -> None:
        for ticket in self._folder.alive(one for one in tickets if one.slots != self._slots):
            raise ActionError(
                f"lock '{self._folder.name}' is in use with {ticket.slots} slots, and this step asks for "
                f"{self._slots}",
                hint="A slot count belongs to the lock's name: use one count everywhere, or another name",
            )

    def _enqueue(self, tickets: Sequence[TicketName]) -> FileLease | None:
        sequence = max((ticket.sequence for ticket in tickets), default=0) + 1
        name = TicketName(WAIT, sequence, self._priority, self._slots, uuid.uuid4().hex)
        self._descriptor = self._folder.create(name, owner=self._owner)
        self._name = name
        return self._decide(name, tickets)

    def _decide(self, name: TicketName, tickets: Sequence[TicketName]) -> FileLease | None:
        """Take a slot if it is our turn; else watch those directly ahead. Only inside `guarded`."""
        self._look_away()
        ahead = [one for one in tickets if one.service_order() < name.service_order()]
        ahead.sort(key=TicketName.service_order, reverse=True)  # the nearest first
        self._ahead = self._folder.open_alive(ahead, limit=self._slots)
        if len(self._ahead) >= self._slots:
            return None
        assert self._descriptor is not None  # noqa: S101  (every name that is decided about has its ticket)
        path = self._folder.path / str(self._folder.promote(name))
        lease = FileLease(path=path, descriptor=self._descriptor, token=name.token)
        self._descriptor = None
        return lease

    def _look_away(self) -> None:
        for descriptor in self._ahead:
            os.close(descriptor)
        self._ahead = []


def _status(folder: LockFolder) -> LockStatus:
    if not folder.path.is_dir():
        return LockStatus(folder.name, 0, (), ())
    with folder.guarded():
        names = sorted(folder.alive(folder.tickets()), key=TicketName.service_order)
        read = [(name, folder.read(name)) for name in names]
    found = [(name, ticket) for name, ticket in read if ticket is not None]
    return LockStatus(
        name=found[0][1].lock if found else folder.name,
        slots=found[0][0].slots if found else 0,
        holders=tuple(ticket for name, ticket in found if name.state == HELD),
        waiting=tuple(ticket for name, ticket in found if name.state == WAIT),
    )
