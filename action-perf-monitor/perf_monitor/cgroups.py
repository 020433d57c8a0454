"""The control group that we, and so the job, are in: its limits and what it uses of them.

Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst, scheduler/sched-bwc.rst. Of a chain of
groups the one with the tightest limit counts, and the usage is that group's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from perf_monitor.kernel_files import keyed_numbers, try_number, try_read

MIB = 1 << 20
COLUMNS = ("cgroup_memory_mb", "cgroup_memory_percent", "cgroup_cpu_percent", "cgroup_throttled_percent")


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """A group with a memory limit."""

    folder: str
    version: int
    limit_bytes: int

    def used_bytes(self) -> int | None:
        """In use, without file pages that the kernel gives back at once (the working set, as Kubernetes counts it)."""
        usage = "memory.current" if self.version == 2 else "memory.usage_in_bytes"
        idle = b"inactive_file" if self.version == 2 else b"total_inactive_file"
        used = try_number(f"{self.folder}/{usage}")
        if used is None:
            return None
        return max(0, used - keyed_numbers(try_read(f"{self.folder}/memory.stat")).get(idle, 0))


@dataclass(frozen=True, slots=True)
class CpuLimit:
    """A group with a CPU quota, in cores."""

    folder: str
    usage_file: str  # of version 1: cpuacct.usage, in nanoseconds; in version 2 cpu.stat has it
    cores: float

    def counters(self) -> tuple[float, int, int] | None:
        """Seconds of CPU used, periods, and periods in which it was throttled; None where they cannot be read."""
        stat = keyed_numbers(try_read(f"{self.folder}/cpu.stat"))
        if self.usage_file:
            nanoseconds = try_number(self.usage_file)
            used = None if nanoseconds is None else nanoseconds / 1e9
        else:
            used = stat[b"usage_usec"] / 1e6 if b"usage_usec" in stat else None
        if used is None:
            return None
        return used, stat.get(b"nr_periods", 0), stat.get(b"nr_throttled", 0)


def _groups(proc: str) -> dict[str, str]:
    """Our group's path by controller; version 2 is the empty name."""
    groups = {}
    for line in try_read(f"{proc}/self/cgroup").decode("utf-8", "replace").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            groups[controller] = path
    return groups


def _chain(mount: str, path: str, mark: str) -> Iterator[str]:
    """The folders of a group and of those above it that have the file `mark`, innermost first.

    In a container without a cgroup namespace the path is the host's and leads nowhere here: then the mount's top is
    our group.
    """
    parts = [part for part in path.split("/") if part not in ("", "..")]
    while parts and not os.path.isdir("/".join((mount, *parts))):
        parts.pop()
    for depth in range(len(parts), -1, -1):
        folder = "/".join((mount, *parts[:depth]))
        if os.path.exists(f"{folder}/{mark}"):
            yield folder


def find_memory_limit(
    total_bytes: int, *, proc: str = "/proc", cgroup_root: str = "/sys/fs/cgroup"
) -> MemoryLimit | None:
    """The tightest memory limit around us; None when there is none below the host's memory."""
    groups = _groups(proc)
    found: list[MemoryLimit] = []
    if "memory" in groups:
        for folder in _chain(f"{cgroup_root}/memory", groups["memory"], "memory.limit_in_bytes"):
            limit = try_number(f"{folder}/memory.limit_in_bytes")
            if limit is not None:
                found.append(MemoryLimit(folder, 1, limit))
    for folder in _unified(groups, cgroup_root, "memory.max"):
        limit = try_number(f"{folder}/memory.max")  # the word max is no number
        if limit is not None:
            found.append(MemoryLimit(folder, 2, limit))
    real = [one for one in found if 0 < one.limit_bytes < total_bytes]
    return min(real, key=lambda one: one.limit_bytes, default=None)


def find_cpu_limit(
    cores: int, *, proc: str = "/proc", cgroup_root: str = "/sys/fs/cgroup"
) -> CpuLimit | None:
    """The tightest CPU quota around us; None when there is none below the host's cores."""
    groups = _groups(proc)
    found: list[CpuLimit] = []
    if "cpu" in groups:
        for folder in _chain(f"{cgroup_root}/cpu", groups["cpu"], "cpu.cfs_quota_us"):
            quota = try_number(f"{folder}/cpu.cfs_quota_us")
            period = try_number(f"{folder}/cpu.cfs_period_us")
            if quota and quota > 0 and period:
                usage = f"{folder.replace(f'{cgroup_root}/cpu', f'{cgroup_root}/cpuacct', 1)}/cpuacct.usage"
                beside = f"{folder}/cpuacct.usage"  # where both controllers are mounted as one
                found.append(CpuLimit(folder, beside if os.path.exists(beside) else usage, quota / period))
    for folder in _unified(groups, cgroup_root, "cpu.max"):
        words: Sequence[bytes] = try_read(f"{folder}/cpu.max").split()
        if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):
            found.append(CpuLimit(folder, "", int(words[0]) / int(words[1])))
    real = [one for one in found if 0 < one.cores < cores]
    return min(real, key=lambda one: one.cores, default=None)


def _unified(groups: dict[str, str], cgroup_root: str, mark: str) -> list[str]:
    """Folders of our version 2 groups; beside version 1 (hybrid) they are below `unified`."""
    if "" not in groups:
        return []
    mounts = (cgroup_root, f"{cgroup_root}/unified")
    return [folder for mount in mounts for folder in _chain(mount, groups[""], mark)]


class ControlGroup:
    """What is used of our group's limits, between two looks. The limits are those of the start."""

    def __init__(
        self, *, total_bytes: int, cores: int, proc: str = "/proc", cgroup_root: str = "/sys/fs/cgroup"
    ) -> None:
        self.memory = find_memory_limit(total_bytes, proc=proc, cgroup_root=cgroup_root)
        self.cpu = find_cpu_limit(cores, proc=proc, cgroup_root=cgroup_root)
        self._last: tuple[float, int, int] | None = None

    def read(self, interval_seconds: float | None) -> dict[str, float | None]:
        """The columns about the group; None where there is no limit or nothing is known."""
        values: dict[str, float | None] = dict.fromkeys(COLUMNS)
        if self.memory and (used := self.memory.used_bytes()) is not None:
            values["cgroup_memory_mb"] = used / MIB
            values["cgroup_memory_percent"] = 100 * used / self.memory.limit_bytes
        if self.cpu:
            before, self._last = self._last, self.cpu.counters()
            if before and self._last and interval_seconds:
                used_seconds, periods, throttled = (
                    max(0, new - old) for new, old in zip(self._last, before, strict=True)
                )
                values["cgroup_cpu_percent"] = 100 * used_seconds / (self.cpu.cores * interval_seconds)
                values["cgroup_throttled_percent"] = min(100.0, 100 * throttled / periods) if periods else 0.0
        return values
