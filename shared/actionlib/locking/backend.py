"""What every lock backend offers, so that a host-wide one and a network one can stand in for each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from actionlib.errors import ActionError


@dataclass(frozen=True, slots=True)
class Ticket:
    """One holder of a lock, or one that waits for it."""

    lock: str
    token: str
    pid: int
    since: float
    """Wall time (seconds since the epoch), a label for people: nothing is decided by it."""
    priority: int
    owner: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> str:
        """Who that is, in a few words."""
        place = " ".join(
            self.owner[part] for part in ("repository", "workflow", "job", "runner") if self.owner.get(part)
        )
        return f"{place} (pid {self.pid})" if place else f"pid {self.pid}"


@dataclass(frozen=True, slots=True)
class LockStatus:
    """A lock at one moment: its slots, its holders in order of arrival, its queue in order of service."""

    name: str
    slots: int
    holders: tuple[Ticket, ...]
    waiting: tuple[Ticket, ...]


class LockTimeoutError(ActionError):
    """The lock was not free before the deadline. `status` tells who held it then."""

    def __init__(self, status: LockStatus, timeout_seconds: float) -> None:
        holders = ", ".join(
            f"{ticket.describe()} for {max(0.0, time.time() - ticket.since):.0f} s"
            for ticket in status.holders
        )
        holders = holders or "nobody any more"
        super().__init__(
            f"lock '{status.name}' was not free within {timeout_seconds:g} s; held by {holders}, "
            f"{len(status.waiting)} others waiting",
            hint="Raise timeout-seconds, or look at `coldvox-actions cache-lock --mode status`",
        )
        self.status = status


OnWait = Callable[[LockStatus, float], None]
"""Called now and then while waiting, with the lock's status and the seconds waited so far."""


class Lease(Protocol):
    """A held lock. It ends with `release`, or when every process that holds its descriptor is gone."""

    @property
    def token(self) -> str:
        """Names this holding, for `release` from elsewhere."""

    @property
    def waited_seconds(self) -> float:
        """Time spent in the queue."""

    def is_held(self) -> bool:
        """Whether the lock is still ours."""

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LockBackend(Protocol):
    """First come, first served within a priority; higher priorities first; at most `slots` holders at once."""

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
    ) -> Lease:
        """Wait for a slot. Raises LockTimeoutError, or ActionError when the lock is in use with other `slots`."""

    def inspect(self, name: str) -> LockStatus:
        """The lock's holders and queue now."""

    def list(self) -> tuple[LockStatus, ...]:
        """Every lock that somebody holds or waits for."""
