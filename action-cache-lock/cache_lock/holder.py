"""The supervisor of one acquired lock: keeps the inherited descriptor open until there is a reason to let go."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from actionlib.jobs import Job, JobWatch
from actionlib.locking.file_backend import FileLease
from actionlib.processes import Process
from actionlib.state import leave_job_folder
from actionlib.supervise import announce_ready
from cache_lock.held_locks import (
    ENDED,
    EXPIRED,
    GONE,
    HELD,
    RELEASED,
    RELEASING,
    LockRecord,
    read_record,
    write_record,
)


def hold(order: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Hold the lock that `order` (see HeldLocks.keep) describes."""
    record_path = Path(order["record"])
    lease = FileLease(path=Path(order["ticket"]), descriptor=order["descriptor"], token=order["token"])
    os.set_inheritable(lease.fileno(), False)  # noqa: FBT003  (os takes no keyword here)
    lease.adopt()
    wake_reader, wake_writer = os.pipe()
    for end in (wake_reader, wake_writer):
        os.set_blocking(end, False)
    signal.signal(signal.SIGTERM, _note)
    signal.set_wakeup_fd(wake_writer)
    me = Process.of(os.getpid())

    def record(state: str) -> LockRecord:
        return LockRecord(
            name=order["name"],
            token=order["token"],
            pid=me.pid,
            start_ticks=me.start_ticks,
            state=state,
            max_hold_seconds=order["max_hold_seconds"],
        )

    write_record(record_path, record(HELD))
    with JobWatch(Job.from_json(order["job"])) as watch:
        announce_ready(environ)
        wake = watch.wait(timeout_seconds=order["max_hold_seconds"], also=(wake_reader,))
    outcome = _outcome(lease, record_path, signalled=bool(wake.readable))
    # Recorded before the lock is free: whoever reads `held` beside a dead supervisor knows that it was killed.
    write_record(record_path, record(outcome))
    lease.release()
    if wake.job_ended and not wake.readable:
        _forget(record_path)


def _outcome(lease: FileLease, record_path: Path, *, signalled: bool) -> str:
    if not lease.is_held():
        return GONE
    if not signalled:
        return EXPIRED
    return RELEASED if read_record(record_path).state == RELEASING else ENDED


def _note(_number: int, _frame: FrameType | None) -> None:
    """The wake-up descriptor does the work."""


def _forget(record_path: Path) -> None:
    """Nobody will ask for the lock of an ended job."""
    record_path.unlink(missing_ok=True)
    record_path.with_suffix(".log").unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # another lock of the job
        record_path.parent.rmdir()
    leave_job_folder(record_path.parent.parent)


if __name__ == "__main__":
    hold(json.loads(sys.argv[1]), os.environ)
