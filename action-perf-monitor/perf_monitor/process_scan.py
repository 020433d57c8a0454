"""One look at all processes: /proc/PID/stat of each (proc(5)), nothing else."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import NamedTuple

from perf_monitor.kernel_files import read_once


class ProcessStat(NamedTuple):
    """A process at one moment; times in clock ticks. A named tuple, because hundreds are made for each sample."""

    pid: int
    comm: str
    parent: int
    utime: int
    stime: int
    cutime: int  # of children that it has waited for, and of those that these had waited for
    cstime: int
    start_ticks: int  # since boot
    resident_pages: int

    @property
    def own_ticks(self) -> int:
        """CPU time of the process itself, all its threads."""
        return self.utime + self.stime

    @property
    def reaped_ticks(self) -> int:
        """CPU time that came to it from children that have ended."""
        return self.cutime + self.cstime


Key = tuple[int, int]


def key_of(stat: ProcessStat) -> Key:
    """A process for good: a pid alone is used again, together with the start it is not."""
    return (stat.pid, stat.start_ticks)


def scan(proc: str = "/proc", *, skip: Collection[int] = ()) -> dict[int, ProcessStat]:
    """All processes by pid but those to `skip`; zombies and kernel threads included, what vanishes meanwhile left out.

    The kernel lists pids in ascending order, so that a parent is mostly read before its children: what a child hands
    over in between then arrives a sample late, and is never counted with the child and its parent at once.
    """
    found = {}
    for pid in list_pids(proc):
        if pid not in skip:
            try:
                found[pid] = parse_stat(pid, read_once(f"{proc}/{pid}/stat"))
            except (OSError, ValueError, IndexError):  # gone, or cut off while it went
                continue
    return found


def list_pids(proc: str = "/proc") -> list[int]:
    """All pids, in the kernel's order."""
    return [int(name) for name in os.listdir(proc) if name.isdigit()]


def parse_stat(pid: int, text: bytes) -> ProcessStat:
    """Parse /proc/PID/stat. Raises ValueError or IndexError when it is none.

    The command's name stands in parentheses and may itself hold parentheses, spaces and line breaks.
    """
    head, _, tail = text.rpartition(b")")
    # Field 3 of proc(5), the state, is rest[0].
    rest = tail.split(None, 22)
    return ProcessStat(
        pid,
        head.partition(b"(")[2].decode("utf-8", "replace"),
        int(rest[1]),
        int(rest[11]),
        int(rest[12]),
        int(rest[13]),
        int(rest[14]),
        int(rest[19]),
        max(0, int(rest[21])),
    )
