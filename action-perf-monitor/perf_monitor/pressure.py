"""Pressure stall information: the share of time in which tasks waited for CPU, memory or I/O.

Source: Documentation/accounting/psi.rst. `total=` is in microseconds; the kernel's own averages are over 10 s and
more, so they cannot be had for our interval. Kernels without it (and those started with psi=0) have no such files.
"""

from __future__ import annotations

from collections.abc import Mapping

from perf_monitor.kernel_files import try_read

# Column of the metrics file, by file and line.
_COLUMNS = {
    ("cpu", b"some"): "pressure_cpu_percent",
    ("memory", b"some"): "pressure_memory_percent",
    ("memory", b"full"): "pressure_memory_full_percent",
    ("io", b"some"): "pressure_io_percent",
    ("io", b"full"): "pressure_io_full_percent",
}


class Pressure:
    """Shares between two looks."""

    def __init__(self, proc: str = "/proc") -> None:
        self._folder = f"{proc}/pressure"
        self._last: Mapping[str, int] = {}

    def read(self, interval_seconds: float | None) -> dict[str, float | None]:
        """Per cent of the interval since the look before, by column; None where unknown."""
        before, self._last = self._last, self._totals()
        shares: dict[str, float | None] = dict.fromkeys(_COLUMNS.values())
        if interval_seconds:
            for column, total in self._last.items():
                if column in before:
                    waited = (total - before[column]) / 1e6
                    shares[column] = min(100.0, max(0.0, 100 * waited / interval_seconds))
        return shares

    def _totals(self) -> dict[str, int]:
        totals = {}
        for resource in ("cpu", "memory", "io"):
            for line in try_read(f"{self._folder}/{resource}").splitlines():
                kind, _, rest = line.partition(b" ")
                column = _COLUMNS.get((resource, kind))
                number = rest.rpartition(b"total=")[2]
                if column and number.isdigit():
                    totals[column] = int(number)
        return totals
