"""One process, told apart from any later one with the same pid."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Stat:
    """What /proc/PID/stat says about a process (proc(5)); times in clock ticks since boot."""

    pid: int
    comm: str
    state: str
    parent: int
    group: int
    session: int
    start_ticks: int

    @property
    def is_running(self) -> bool:
        """Whether the process still runs: a zombie holds a pid, but nothing else."""
        return self.state not in "ZXx"


def read_stat(pid: int, *, proc: Path = PROC) -> Stat:
    """Read /proc/PID/stat. Raises ProcessLookupError when there is no such process."""
    try:
        text = (proc / str(pid) / "stat").read_bytes().decode("utf-8", "replace")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EPERM):
            raise ProcessLookupError(errno.ESRCH, f"there is no process {pid}") from error
        raise
    # The command's name is in parentheses and may itself hold spaces, parentheses and line breaks.
    head, _, tail = text.rpartition(")")
    rest = tail.split()
    return Stat(
        pid=pid,
        comm=head.partition("(")[2],
        state=rest[0],
        parent=int(rest[1]),
        group=int(rest[2]),
        session=int(rest[3]),
        start_ticks=int(rest[19]),
    )


@dataclass(frozen=True, slots=True)
class Process:
    """One process for good: a pid alone is used again, together with the start time it is not."""

    pid: int
    start_ticks: int

    @classmethod
    def of(cls, pid: int, *, proc: Path = PROC) -> Process:
        """The process that now has this pid. Raises ProcessLookupError when there is none."""
        return cls(pid, read_stat(pid, proc=proc).start_ticks)

    def age_seconds(self) -> float:
        """Seconds since it began, by the clock that neither jumps nor stops in suspend."""
        began = self.start_ticks / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - began)

    def is_alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        try:
            stat = read_stat(self.pid)
        except ProcessLookupError:
            return False
        return stat.start_ticks == self.start_ticks and stat.is_running


def open_pidfd(process: Process) -> int | None:
    """A pidfd of exactly this process, or None where the kernel or this Python has none.

    Raises ProcessLookupError when the process is gone.
    """
    descriptor = None
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        raise
    except (AttributeError, OSError):
        pass  # before Linux 5.3, a Python built there, a strict seccomp filter
    if process.is_alive():
        return descriptor
    if descriptor is not None:
        os.close(descriptor)
    raise ProcessLookupError(errno.ESRCH, f"process {process.pid} has ended")
