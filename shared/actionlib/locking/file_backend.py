"""Locks for the processes of one host, held by the kernel: flock frees them the moment their holder dies.

A waiter's ticket file stays flock'ed while it waits, and a second file while it holds. The next in the queue
blocks in the kernel on the ticket directly ahead of it, and the first in the queue on all holders: a release
wakes exactly one waiter, nothing polls, and there is no heartbeat, pid file or age rule that could be wrong.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import re
import select
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from actionlib.errors import ActionError
from actionlib.locking.backend import LockStatus, LockTimeoutError, OnWait, Ticket
from actionlib.locking.tickets import HELD, WAIT, LockFolder, TicketName

PRIORITY_RANGE = (-100, 100)


class FileLease:
    """A lock held through an open, flock'ed file. Whoever inherits the descriptor holds it too."""

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
        """Write into the ticket that this process holds the lock now, which it inherited."""
        descriptor = self.fileno()
        fields = json.loads(os.pread(descriptor, 1 << 20, 0))
        content = json.dumps(fields | {"pid": os.getpid()}).encode()
        os.pwrite(descriptor, content.ljust(os.fstat(descriptor).st_size), 0)

    def release(self) -> None:
        """Remove the ticket, then let go: the next one in the queue wakes up."""
        if self._descriptor is None:
            return
        if self.is_held():
            os.unlink(self.path)
        self.hand_over()

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
        self._file_mode = 0o660 if shared_by_group else 0o600
        self._folder_mode = 0o2770 if shared_by_group else 0o700

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
        return LockFolder(path, name=name, file_mode=self._file_mode, folder_mode=self._folder_mode)

    def _folders(self) -> Sequence[LockFolder]:
        if not self._root.is_dir():
            return ()
        return [
            LockFolder(path, name=path.name, file_mode=self._file_mode, folder_mode=self._folder_mode)
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
        self._ticket = Ticket(folder.name, uuid.uuid4().hex, os.getpid(), time.time(), priority, owner)
        self._name: TicketName | None = None
        self._descriptor: int | None = None
        self._ahead: list[int] = []
        self._alarm: _Alarm | None = None  # made outside the guard, because threads take their time to start

    def join(self) -> FileLease | None:
        """Take a ticket; the lease at once if a slot is free and nobody waits ahead."""
        with self._folder.guarded():
            tickets = self._folder.tickets()
            self._check_slots(tickets)
            return self._decide(self._enqueue(tickets), tickets)

    def _enqueue(self, tickets: Sequence[TicketName]) -> TicketName:
        sequence = max((ticket.sequence for ticket in tickets), default=0) + 1
        self._name = TicketName(WAIT, sequence, self._priority, self._slots)
        return self._name

    def advance(self) -> FileLease | None:
        """Somebody ahead let go: the lease if it is our turn, else look at who is ahead now."""
        with self._folder.guarded():
            tickets = self._folder.tickets()
            if self._name is None or self._name not in tickets:  # someone deleted the lock's folder
                self.leave()
                return self._decide(self._enqueue(tickets), tickets)
            return self._decide(self._name, tickets)

    def sleep(self, timeout_seconds: float) -> bool:
        """Block in the kernel until somebody ahead lets go; False when the time is over."""
        if self._alarm is None:
            self._alarm, self._ahead = _Alarm(self._ahead), []
        return self._alarm.wait(timeout_seconds)

    def leave(self) -> None:
        """Give the place in the queue back, if there still is one."""
        if self._descriptor is not None and self._name is not None:
            (self._folder.path / str(self._name)).unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None
        self._silence()

    def _check_slots(self, tickets: Sequence[TicketName]) -> None:
        for ticket in self._folder.alive(one for one in tickets if one.slots != self._slots):
            raise ActionError(
                f"lock '{self._folder.name}' is in use with {ticket.slots} slots, and this step asks for "
                f"{self._slots}",
                hint="A slot count belongs to the lock's name: use one count everywhere, or another name",
            )

    def _decide(self, name: TicketName, tickets: Sequence[TicketName]) -> FileLease | None:
        """Take a slot if it is our turn; else watch whoever is ahead. Only inside `guarded`."""
        self._silence()
        while True:
            holders = self._folder.alive(one for one in tickets if one.state == HELD)
            better = self._folder.alive(
                one for one in tickets if one.state == WAIT and one.service_order() < name.service_order()
            )
            if len(better) < self._slots - len(holders):
                return self._grant(name)
            if self._descriptor is None:
                self._descriptor = self._folder.create(name, self._ticket)
            ahead = [max(better, key=TicketName.service_order)] if better else holders
            if descriptors := self._folder.open_for_wait(ahead):
                self._ahead = descriptors
                return None
            tickets = self._folder.tickets()  # one of them let go since we looked

    def _grant(self, name: TicketName) -> FileLease:
        held = TicketName(HELD, name.sequence, name.priority, name.slots)
        ticket = dataclasses.replace(self._ticket, since=time.time())
        descriptor = self._folder.create(held, ticket)
        return FileLease(path=self._folder.path / str(held), descriptor=descriptor, token=ticket.token)

    def _silence(self) -> None:
        for descriptor in self._ahead:
            os.close(descriptor)
        self._ahead = []
        if self._alarm is not None:
            self._alarm.close()
            self._alarm = None


class _Alarm:
    """Tells when the owner of one of several files lets go of it.

    Each file has a thread that blocks in flock, because flock has neither a deadline nor a poll. A thread
    that is left behind keeps a descriptor of its own and ends with its file's owner, or with us.
    """

    def __init__(self, descriptors: Sequence[int]) -> None:
        """Takes the descriptors over."""
        self._reader, self._writer = os.pipe()  # close-on-exec, as all descriptors of Python are
        self._left = len(descriptors)
        self._mutex = threading.Lock()
        for descriptor in descriptors:
            threading.Thread(target=self._watch, args=(descriptor,), daemon=True).start()

    def wait(self, timeout_seconds: float) -> bool:
        ready, _, _ = select.select([self._reader], [], [], max(timeout_seconds, 0.0))
        return bool(ready)

    def close(self) -> None:
        os.close(self._reader)

    def _watch(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)
            with self._mutex, contextlib.suppress(BrokenPipeError):  # nobody may be waiting any more
                self._left -= 1
                try:
                    os.write(self._writer, b"!")
                finally:
                    if self._left == 0:
                        os.close(self._writer)


def _status(folder: LockFolder) -> LockStatus:
    if not folder.path.is_dir():
        return LockStatus(folder.name, 0, (), ())
    with folder.guarded():
        names = folder.alive(folder.tickets())
        held = sorted((name for name in names if name.state == HELD), key=lambda name: name.sequence)
        queue = sorted((name for name in names if name.state == WAIT), key=TicketName.service_order)
        tickets = [folder.read(name) for name in (*held, *queue)]
    return LockStatus(
        name=tickets[0].lock if tickets else folder.name,
        slots=names[0].slots if names else 0,
        holders=tuple(tickets[: len(held)]),
        waiting=tuple(tickets[len(held) :]),
    )
