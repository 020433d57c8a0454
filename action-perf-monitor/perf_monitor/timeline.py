"""A metrics file with the columns that the reports need, whoever wrote it.

The script that this action replaces wrote counters since boot and the local time; rates, shares and elapsed seconds are
worked out from these here, so that everything after this module knows one form.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from perf_monitor.report import Phase
from perf_monitor.samples import Samples
from perf_monitor.series import is_number, typical

SECTOR_BYTES = 512  # of /proc/diskstats, whatever the device has
_NAMELESS = ("", "unknown")  # what stands for "no step" in old and new files


@dataclass(frozen=True, slots=True)
class Timeline:
    """Columns of equal length. `intervals` are positive; `elapsed` never decreases."""

    elapsed: Sequence[float]
    intervals: Sequence[float]
    columns: Mapping[str, Sequence[float]]

    def series(self, name: str) -> Sequence[float]:
        """A column; NaN throughout where there is none."""
        return self.columns.get(name) or [math.nan] * len(self.elapsed)

    def points(self, name: str, *, scale: float = 1.0) -> list[tuple[float, float]]:
        """(elapsed seconds, value times `scale`), also where the value is NaN."""
        return [(at, value * scale) for at, value in zip(self.elapsed, self.series(name), strict=True)]

    @property
    def duration(self) -> float:
        """Seconds from the sampler's start to the last sample."""
        return self.elapsed[-1] if self.elapsed else 0.0


def build_timeline(samples: Samples, meta: Mapping[str, Any]) -> Timeline:
    """All columns of the samples and what follows from them. Takes the number of cores from `meta`, if it is there."""
    columns: dict[str, Sequence[float]] = dict(samples.numbers)
    own = any(map(is_number, samples.series("elapsed_seconds")))
    elapsed = _rising(samples.series("elapsed_seconds") if own else _seconds(samples.texts["timestamp"]))
    known = [now - before for before, now in pairwise(elapsed)]
    given = samples.series("interval_seconds") if own else [math.nan, *known]
    usual = typical(given)
    intervals = [value if is_number(value) and value > 0 else usual for value in given]
    for name, source, factor in (
        ("network_rx", "network_rx", 1),
        ("network_tx", "network_tx", 1),
        ("disk_read", "disk_read", SECTOR_BYTES),
        ("disk_write", "disk_write", SECTOR_BYTES),
    ):
        if not own:
            columns[f"{name}_bytes"] = _deltas(samples.series(source), factor=factor)
        columns[f"{name}_rate"] = _divided(columns.get(f"{name}_bytes", ()), intervals)
    if "memory_percent" not in columns:
        pairs = zip(samples.series("memory_mb"), samples.series("memory_available_mb"), strict=True)
        columns["memory_percent"] = [
            100 * used / (used + free) if used + free > 0 else math.nan for used, free in pairs
        ]
    cores = meta.get("cores", 0)
    if cores > 0:
        if "load_per_core" not in columns:
            columns["load_per_core"] = [load / cores for load in samples.series("load_avg")]
        busy = _divided(columns.get("job_cpu_seconds", ()), intervals)
        columns["job_cpu_percent"] = [100 * value / cores for value in busy]
    return Timeline(elapsed, intervals, columns)


def phases(samples: Samples, timeline: Timeline, *, limit: int = 200) -> list[Phase]:
    """The steps that ran one after another; a phase reaches from the sample before its first to its last.

    Where there are more than `limit` the rest is left out.
    """
    found: list[Phase] = []
    names = samples.texts.get("step_name") or ()
    before = 0.0
    for name, at in zip(names, timeline.elapsed, strict=False):
        if found and found[-1].step == name:
            found[-1] = Phase(name, found[-1].first_seconds, at)
        elif len(found) <= 2 * limit:
            found.append(Phase(name, before, at))
        before = at
    return [phase for phase in found if phase.step not in _NAMELESS][:limit]


def _seconds(stamps: Sequence[str]) -> list[float]:
    """Local times as seconds since the first; NaN where one is no time."""
    from datetime import datetime  # only for files of the old script

    def parse() -> Iterator[float]:
        for stamp in stamps:
            try:
                yield (
                    datetime.fromisoformat(stamp).replace(tzinfo=None) - datetime(1970, 1, 1)
                ).total_seconds()
            except ValueError:
                yield math.nan

    times = list(parse())
    first = next(filter(is_number, times), 0.0)
    return [time - first for time in times]


def _rising(times: Sequence[float]) -> list[float]:
    """The same, but where the clock is unreadable or goes back, the usual interval is assumed and the rest shifted."""
    usual = typical([now - before for before, now in pairwise(times)])
    rising: list[float] = []
    shift = 0.0
    for time in times:
        if not is_number(time):
            rising.append(rising[-1] + usual if rising else 0.0)
            continue
        if rising and time + shift < rising[-1]:
            shift = rising[-1] + usual - time
        rising.append(time + shift if rising or time >= 0 else 0.0)
    return rising


def _deltas(counts: Sequence[float], *, factor: int) -> list[float]:
    """Growth of a counter between samples; NaN at the first, and where it went back (a reboot, a device that left)."""
    grown = [math.nan]
    for before, now in pairwise(counts):
        grown.append((now - before) * factor if now >= before else math.nan)
    return grown[: len(counts)]


def _divided(amounts: Sequence[float], seconds: Sequence[float]) -> list[float]:
    if not amounts:
        return [math.nan] * len(seconds)
    return [amount / time for amount, time in zip(amounts, seconds, strict=True)]
