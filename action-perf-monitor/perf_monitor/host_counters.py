"""The host's figures for one sample, by column of the metrics file: psutil, pressure and control groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from perf_monitor.cgroups import MIB, ControlGroup
from perf_monitor.devices import Disks, Interfaces, Traffic
from perf_monitor.kernel_files import try_read
from perf_monitor.pressure import Pressure

SECTOR_BYTES = 512  # of /proc/diskstats, whatever the disk's own are (Documentation/admin-guide/iostats.rst)
# Below this the kernel's clock ticks (10 ms) are too coarse for shares: two looks so close would show false peaks.
MIN_SHARE_SECONDS = 0.2

_CPU_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")

Values = dict[str, float | None]


class HostCounters:
    """Reads all there is about the host; what is about time is about that between two looks.

    Times are differences of a monotonic clock that the caller reads, so a wall clock that jumps changes nothing.
    """

    def __init__(
        self,
        *,
        cores: int,
        disk_path: str,
        proc: str = "/proc",
        sys_root: str = "/sys",
    ) -> None:
        self._cores, self._disk_path, self._proc = max(1, cores), disk_path, proc
        with _proc_at(proc):
            total = int(psutil.virtual_memory().total)
        self._pressure = Pressure(proc)
        self._group = ControlGroup(
            total_bytes=total, cores=cores, proc=proc, cgroup_root=f"{sys_root}/fs/cgroup"
        )
        self._interfaces, self._network = Interfaces(sys_root), Traffic()
        self._disks, self._disk = Disks(sys_root), Traffic()
        self._cpu: Sequence[float] = ()
        self._oom_kills: int | None = None

    def read(self, interval_seconds: float | None) -> Values:
        """The columns about the host. `interval_seconds` is the time since the look before, None at the first."""
        share_seconds = (
            interval_seconds if interval_seconds and interval_seconds >= MIN_SHARE_SECONDS else None
        )
        with _proc_at(self._proc):
            values = {
                **self._load(),
                **self._cpu_shares(share_seconds),
                **self._memory(),
                **self._network_traffic(),
                **self._disk_traffic(),
            }
        return {
            **values,
            **self._disk_usage(),
            **self._pressure.read(share_seconds),
            **self._group.read(share_seconds),
            "oom_kills": self._killed(),
        }

    def _load(self) -> Values:
        words = try_read(f"{self._proc}/loadavg").split()
        try:
            one, five, fifteen = (float(word) for word in words[:3])
        except ValueError:
            return dict.fromkeys(("load_avg", "load_5", "load_15", "load_per_core"))
        return {"load_avg": one, "load_5": five, "load_15": fifteen, "load_per_core": one / self._cores}

    def _cpu_shares(self, share_seconds: float | None) -> Values:
        """Guest time is part of user time; the kernel's iowait may fall, and is then taken for 0."""
        names = ("cpu_percent", *(f"cpu_{kind}_percent" for kind in ("user", "system", "iowait", "steal")))
        values: Values = dict.fromkeys(names)
        with suppress(OSError, ValueError, IndexError):
            times = psutil.cpu_times()
            now = [float(getattr(times, name, 0.0)) for name in _CPU_FIELDS]
            before, self._cpu = self._cpu, now
            spent = [max(0.0, new - old) for new, old in zip(now, before, strict=False)]
            total = sum(spent)
            if share_seconds and total > 0:
                user, nice, system, idle, iowait, irq, softirq, steal = (100 * part / total for part in spent)
                shares = (100 - idle - iowait, user + nice, system + irq + softirq, iowait, steal)
                values.update(zip(names, shares, strict=True))
        return values

    def _memory(self) -> Values:
        names = ("memory_mb", "memory_available_mb", "memory_percent", "swap_used_mb", "swap_percent")
        values: Values = dict.fromkeys(names)
        with suppress(OSError, ValueError, KeyError, ZeroDivisionError):
            memory = psutil.virtual_memory()
            used = memory.total - memory.available
            values["memory_mb"], values["memory_available_mb"] = used / MIB, memory.available / MIB
            values["memory_percent"] = 100 * used / memory.total
            swap = psutil.swap_memory()
            values["swap_used_mb"], values["swap_percent"] = swap.used / MIB, float(swap.percent)
        return values

    def _disk_usage(self) -> Values:
        try:
            usage = psutil.disk_usage(self._disk_path)
        except OSError:
            return {"disk_pct": None, "disk_free_mb": None}
        return {"disk_pct": float(usage.percent), "disk_free_mb": usage.free / MIB}

    def _network_traffic(self) -> Values:
        """psutil's own correction of wrapped counters is off: it keeps a history, and adds 2**32 at the wrong time."""
        names = ("network_rx", "network_tx", "network_rx_bytes", "network_tx_bytes")
        values: Values = dict.fromkeys(names)
        with suppress(OSError, ValueError):
            seen: dict[str, Any] = psutil.net_io_counters(pernic=True, nowrap=False)
            chosen = {
                name: (seen[name].bytes_recv, seen[name].bytes_sent) for name in self._interfaces.choose(seen)
            }
            growth = self._network.grow(chosen)
            if chosen:
                values["network_rx"] = sum(received for received, _ in chosen.values())
                values["network_tx"] = sum(sent for _, sent in chosen.values())
                values["network_rx_bytes"], values["network_tx_bytes"] = growth or (None, None)
        return values

    def _disk_traffic(self) -> Values:
        names = ("disk_read", "disk_write", "disk_read_bytes", "disk_write_bytes")
        values: Values = dict.fromkeys(names)
        with suppress(OSError, ValueError, NotImplementedError):
            seen: dict[str, Any] = psutil.disk_io_counters(perdisk=True, nowrap=False)
            chosen = {
                name: (seen[name].read_bytes, seen[name].write_bytes) for name in self._disks.choose(seen)
            }
            growth = self._disk.grow(chosen)
            if chosen:
                values["disk_read"] = sum(read for read, _ in chosen.values()) // SECTOR_BYTES
                values["disk_write"] = sum(written for _, written in chosen.values()) // SECTOR_BYTES
                values["disk_read_bytes"], values["disk_write_bytes"] = growth or (None, None)
        return values

    def _killed(self) -> float | None:
        """Processes that the kernel killed for want of memory since the look before (Linux 4.13 and later)."""
        number = try_read(f"{self._proc}/vmstat").partition(b"\noom_kill ")[2].partition(b"\n")[0]
        before, self._oom_kills = self._oom_kills, int(number) if number.isdigit() else None
        if before is None or self._oom_kills is None:
            return None
        return max(0, self._oom_kills - before)


@contextmanager
def _proc_at(proc: str) -> Iterator[None]:
    """psutil has one root for all."""
    before = psutil.PROCFS_PATH
    psutil.PROCFS_PATH = proc
    try:
        yield
    finally:
        psutil.PROCFS_PATH = before
