"""Whether a run is worse than the earlier runs of the same job, and not just unlucky.

A figure is worse only if it lies beyond 3.5 median absolute deviations above the median (Iglewicz and Hoaglin, "How to
Detect and Handle Outliers", 1993), more than a tenth above it, and by an amount that somebody would notice. Few runs
that happen to be alike would make the deviation too small: it is taken to be at least 5 % of the median. What follows
from this, by simulation, is in the README; tests/bench/bench_regression.py makes the table.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DEVIATIONS = 3.5
SHARE = 0.10
LEAST_RUNS = 5
WINDOW = 30
CONSISTENCY = 1.4826  # makes the MAD of a normal distribution its standard deviation
LEAST_SPREAD = 0.05  # of the median

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that is compared. A change below `floor` (in its own unit) is nobody's trouble."""

    name: str
    unit: str
    floor: float


FIGURES: Mapping[str, Figure] = {
    one.name: one
    for one in (
        Figure("duration_seconds", "s", 5),
        Figure("job_cpu_seconds", "s", 5),
        Figure("peak_memory_mb", "MiB", 100),
        Figure("disk_read_bytes", "B", 200 * MIB),
        Figure("disk_write_bytes", "B", 200 * MIB),
        Figure("network_rx_bytes", "B", 100 * MIB),
        Figure("network_tx_bytes", "B", 100 * MIB),
    )
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure against its past. `median` and `limit` are None where it was not judged; `reason` says why."""

    figure: Figure
    value: float
    median: float | None
    limit: float | None
    runs: int
    reason: str = ""

    @property
    def is_worse(self) -> bool:
        """Whether it lies above its limit."""
        return self.limit is not None and self.value > self.limit

    @property
    def change_percent(self) -> float | None:
        """Above the median; negative when better."""
        return None if not self.median else (self.value / self.median - 1) * 100


def compare(values: Mapping[str, float], earlier: Sequence[Mapping[str, float]]) -> list[Verdict]:
    """Judge the figures that `values` has by those of `earlier` successful runs, newest first."""
    return [
        judge(FIGURES[name], value, [one[name] for one in earlier if name in one][:WINDOW])
        for name, value in values.items()
        if name in FIGURES
    ]


def judge(figure: Figure, value: float, earlier: Sequence[float]) -> Verdict:
    """Judge one value."""
    count = len(earlier)
    if count < LEAST_RUNS:
        return Verdict(
            figure, value, None, None, count, f"{count} earlier runs are known, {LEAST_RUNS} are needed"
        )
    median = statistics.median(earlier)
    deviation = statistics.median(abs(one - median) for one in earlier) * CONSISTENCY
    spread = max(deviation, LEAST_SPREAD * median)
    limit = max(median + DEVIATIONS * spread, median * (1 + SHARE), median + figure.floor)
    return Verdict(figure, value, median, limit, count)
