"""Locks that outlive their step: a record for each, and a supervisor that keeps the lock's descriptor open."""

from __future__ import annotations

import dataclasses
import json
import os
import select
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from actionlib.errors import ActionError
from actionlib.jobs import Job
from actionlib.locking import FileLocks
from actionlib.locking.backend import OnWait
from actionlib.locking.file_backend import FileLease
from actionlib.process_tree import send_signal
from actionlib.processes import Process, open_pidfd
from actionlib.state import StateRoot
from actionlib.supervise import spawn_detached

HELD, RELEASING, RELEASED = "held", "releasing", "released"
EXPIRED, GONE, ENDED, REPORTED = "expired", "gone", "ended", "reported"
_RELEASE_DEADLINE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class LockRecord:
    """One lock that this job acquired, and what became of it."""

    name: str
    token: str
    pid: int
    start_ticks: int
    state: str
    max_hold_seconds: float

    @property
    def supervisor(self) -> Process:
        """The process that holds the lock."""
        return Process(self.pid, self.start_ticks)

    def is_held(self) -> bool:
        """Whether the job still has the lock."""
        return self.state == HELD and self.supervisor.is_alive()


def records_folder(state: StateRoot, job: Job) -> Path:
    """Where the records of a job's locks lie."""
    return state.job_folder(job, "locks")


def write_record(path: Path, record: LockRecord) -> None:
    """Replace the record at once, so that no reader sees half of it."""
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(asdict(record)), encoding="utf-8")
    temporary.replace(path)


def read_records(folder: Path) -> list[tuple[Path, LockRecord]]:
    """The records of a job, oldest first."""
    paths = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return [(path, read_record(path)) for path in paths]


def read_record(path: Path) -> LockRecord:
    """One record. Raises ActionError when somebody damaged it."""
    try:
        return LockRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ActionError(
            f"the record {path} of a lock that this job acquired cannot be read: {error}",
            hint="The lock is free when the job ends; remove the file if it is in the way",
        ) from error


@dataclass(frozen=True, slots=True)
class AcquireRequest:
    """What to acquire."""

    name: str
    slots: int
    priority: int
    timeout_seconds: float
    max_hold_seconds: float
    owner: Mapping[str, str]


class HeldLocks:
    """The locks of one job."""

    def __init__(self, locks: FileLocks, state: StateRoot, job: Job) -> None:
        self._locks = locks
        self._folder = records_folder(state, job)
        self._job = job

    def wait_for(self, request: AcquireRequest, on_wait: OnWait) -> FileLease:
        """Wait for the lock. Raises ActionError when this job would wait for itself."""
        own = [record for _, record in self._of_name(request.name) if record.is_held()]
        if len(own) >= request.slots:
            raise ActionError(
                f"this job already holds lock '{request.name}' (token {own[0].token}) and would wait for itself",
                hint="Release it before acquiring it again",
            )
        return self._locks.acquire(
            request.name,
            timeout_seconds=request.timeout_seconds,
            slots=request.slots,
            priority=request.priority,
            owner=request.owner,
            on_wait=on_wait,
        )

    def keep(
        self, lease: FileLease, request: AcquireRequest, *, action_path: Path, environ: Mapping[str, str]
    ) -> None:
        """Hand a lease over to a supervisor, which holds it until release, the job's end or the maximum age."""
        order = {
            "name": request.name,
            "token": lease.token,
            "descriptor": lease.fileno(),
            "ticket": str(lease.path),
            "record": str(self._folder / f"{lease.token}.json"),
            "max_hold_seconds": request.max_hold_seconds,
            "job": self._job.to_json(),
        }
        spawn_detached(
            "cache_lock.holder",
            [json.dumps(order)],
            action_path=action_path,
            environ=environ,
            log=self._folder / f"{lease.token}.log",
            pass_fds=(lease.fileno(),),
        )
        lease.hand_over()

    def release(self, *, name: str, token: str) -> list[LockRecord]:
        """Release by token, or all of this job's locks of a name.

        Releasing twice is fine. Raises ActionError for a lock that this job never acquired, and for one that
        was lost meanwhile, because what ran since then was not protected.
        """
        chosen = self._of_token(name, token) if token else self._of_name(name)
        if not chosen:
            raise ActionError(
                f"lock '{name}' was not acquired by this job",
                hint="Use `mode: acquire` in an earlier step of the same job, with the same lock-name",
            )
        ended = [(path, self._end(path, record)) for path, record in chosen]
        lost = [(path, record) for path, record in ended if record.state not in (RELEASED, REPORTED)]
        for path, record in lost:
            write_record(path, dataclasses.replace(record, state=REPORTED))
        if lost:
            reasons = "; ".join(_why_lost(record) for _, record in lost)
            raise ActionError(
                f"lock '{lost[0][1].name}' was lost before its release: {reasons}",
                hint="What ran since then was not protected by it; check its result",
            )
        return [record for _, record in ended]

    def _of_name(self, name: str) -> list[tuple[Path, LockRecord]]:
        return [(path, record) for path, record in read_records(self._folder) if record.name == name]

    def _of_token(self, name: str, token: str) -> list[tuple[Path, LockRecord]]:
        found = [(path, record) for path, record in read_records(self._folder) if record.token == token]
        if not found or (name and found[0][1].name != name):
            raise ActionError(
                f"lock-token '{token}' is not one that this job got for "
                f"{f'lock {name!r}' if name else 'any lock'}",
                hint="Pass the output `lock-token` of the acquiring step",
            )
        return found

    def _end(self, path: Path, record: LockRecord) -> LockRecord:
        """Let the supervisor end, if it still holds the lock; returns what became of it."""
        if not record.is_held():
            return record
        # Noted before the signal: a supervisor that anybody else signals has lost its lock.
        write_record(path, dataclasses.replace(record, state=RELEASING))
        send_signal(record.supervisor, signal.SIGTERM)
        _await_end(record)
        return read_record(path)


def _why_lost(record: LockRecord) -> str:
    if record.state == EXPIRED:
        return f"it had been held for max-hold-seconds ({record.max_hold_seconds:g} s)"
    if record.state == ENDED:
        return f"its supervisor (pid {record.pid}) was told to end by somebody else"
    if record.state == GONE:
        return "its ticket was removed from the state root"
    return f"its supervisor (pid {record.pid}) was killed"


def _await_end(record: LockRecord) -> None:
    try:
        descriptor = open_pidfd(record.supervisor)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + _RELEASE_DEADLINE_SECONDS
    if descriptor is None:  # a kernel without pidfd
        while record.supervisor.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        return
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    ended = poller.poll(_RELEASE_DEADLINE_SECONDS * 1000)
    os.close(descriptor)
    if not ended:
        raise ActionError(
            f"the supervisor of lock '{record.name}' (pid {record.pid}) does not end",
            hint=f"See its log in the state root, and end it with `kill {record.pid}`",
        )
