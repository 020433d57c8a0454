"""The metrics of `actionlib.metrics`, read from the host at one moment."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable
from pathlib import Path

import psutil

PROC = Path("/proc")
NETWORK_SECONDS = 5.0
JOB_PATTERN = r"(^|/)Runner\.Worker spawnclient\b"  # a job that runs
RUNNER_PATTERN = r"(^|/)Runner\.Listener run\b"  # a runner service that takes jobs
_AVERAGE = re.compile(r"^(some|full) avg10=([\d.]+)", re.MULTILINE)


def read_host_metrics(
    disk_path: Path, *, job_pattern: str = JOB_PATTERN, proc: Path = PROC
) -> dict[str, float | None]:
    """Values by metric name; None where this host does not tell. Pressure is that of the last ten seconds.

    `job_pattern` is searched in the first two words of each process's command line.
    """
    one_minute = os.getloadavg()[0]
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    try:
        disk = psutil.disk_usage(str(disk_path)).percent
    except OSError:
        disk = None
    return {
        "load": one_minute,
        "load-per-core": one_minute / (psutil.cpu_count() or 1),
        "memory-percent": (1 - memory.available / memory.total) * 100,
        "memory-mb": (memory.total - memory.available) / 2**20,
        "swap-percent": swap.percent if swap.total else 0.0,
        "disk-percent": disk,
        "pressure-cpu-percent": _pressure(proc, "cpu", "some"),
        "pressure-memory-percent": _pressure(proc, "memory", "full"),
        "pressure-io-percent": _pressure(proc, "io", "full"),
        "active-jobs": float(count_processes(job_pattern, proc=proc)),
    }


def caches_missing(paths: Iterable[Path]) -> float:
    """How many of these folders are not there."""
    return float(sum(not path.is_dir() for path in paths))


def network_unreachable(host: str) -> float:
    """1.0 unless `host` (a name, or `name:port`; the port is 443) takes a connection within 5 seconds, else 0.0."""
    name, _, port = host.partition(":")
    try:
        socket.create_connection((name, int(port or 443)), timeout=NETWORK_SECONDS).close()
    except OSError:
        return 1.0
    return 0.0


def _pressure(proc: Path, resource: str, kind: str) -> float | None:
    try:
        found = _AVERAGE.findall((proc / "pressure" / resource).read_text(encoding="ascii"))
    except OSError:
        return None
    return next((float(value) for name, value in found if name == kind), None)


def count_processes(pattern: str, *, proc: Path = PROC) -> int:
    """Processes in the first two words of whose command lines the regular expression is found."""
    compiled, found = re.compile(pattern), 0
    for path in proc.glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0", 2)[:2]
        except OSError:
            continue
        found += bool(compiled.search(b" ".join(words).decode("utf-8", "replace")))
    return found
