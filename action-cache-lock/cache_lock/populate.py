"""Single flight: of all jobs that miss a key at once, one makes the files and the others wait for its entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actionlib.locking import LockBackend, LockTimeoutError
from actionlib.locking.backend import OnWait
from actionlib.scripts import ScriptResult


@dataclass(frozen=True, slots=True)
class Populated:
    """How the files came to be: `hit`, `waited`, `ran` or `ran-unlocked`; and the command's result if it ran."""

    outcome: str
    waited_seconds: float = 0.0
    script: ScriptResult | None = None


@dataclass(frozen=True, slots=True)
class SingleFlight:
    """What `populate` is made of; each part is one of the action's other abilities."""

    restore_exact: Callable[[], bool]
    restore_similar: Callable[[], None]
    run: Callable[[], ScriptResult]
    save: Callable[[], None]
    run_after_timeout: bool
    on_timeout: Callable[[LockTimeoutError], None]


def populate(
    parts: SingleFlight,
    locks: LockBackend,
    *,
    lock_name: str,
    timeout_seconds: float,
    priority: int,
    owner: dict[str, str],
    on_wait: OnWait,
) -> Populated:
    """Restore; on a miss take the key's lock, look again, run, save, release.

    The lock is the kernel's: when the populating job fails or is killed, the next one in the queue looks,
    misses, and populates. Raises LockTimeoutError when the wait is over and `run_after_timeout` is not set.
    """
    if parts.restore_exact():
        return Populated("hit")
    try:
        lease = locks.acquire(
            lock_name, timeout_seconds=timeout_seconds, priority=priority, owner=owner, on_wait=on_wait
        )
    except LockTimeoutError as error:
        if not parts.run_after_timeout:
            raise
        parts.on_timeout(error)
        return Populated("ran-unlocked", timeout_seconds, _run_and_save(parts))
    with lease:
        if parts.restore_exact():
            return Populated("waited", lease.waited_seconds)
        return Populated("ran", lease.waited_seconds, _run_and_save(parts))


def _run_and_save(parts: SingleFlight) -> ScriptResult:
    parts.restore_similar()
    result = parts.run()
    if result.exit_code == 0 and result.interrupted_by is None:
        parts.save()
    return result
