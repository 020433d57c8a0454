"""What a report says, whatever its form: built once from a monitor's files, then shown as Markdown, HTML or JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Statistic:
    """A column over the whole run; empty cells do not count."""

    minimum: float
    mean: float
    p95: float
    peak: float
    last: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What one step, or all processes of one program's name, used. Memory is the highest sum of resident sets."""

    name: str
    cpu_seconds: float
    peak_memory_mb: float
    processes: int
    first_seconds: float = 0.0
    last_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time in which one step ran, by what the samples say."""

    step: str
    first_seconds: float
    last_seconds: float


@dataclass(frozen=True, slots=True)
class Alert:
    """A limit that was crossed, once per crossing."""

    elapsed_seconds: float
    metric: str
    level: str  # concerning or critical
    value: float
    limit: float
    text: str


@dataclass(frozen=True, slots=True)
class Insight:
    """One sentence about what the figures mean."""

    level: str  # good, note or warning
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """A stretch of a line: the lowest, mean and highest of its samples, and the elapsed seconds it spans."""

    begin: float
    end: float
    low: float
    mean: float
    high: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over time; points are (elapsed seconds, value)."""

    title: str
    unit: str
    lines: Mapping[str, Sequence[tuple[float, float]]]  # at most 60 points, every extreme among them
    buckets: Mapping[str, Sequence[Bucket]] = field(default_factory=dict)  # the same lines, finer
    top: float | None = None  # where the axis ends, if that is known (100 %)
    mark: tuple[str, float] | None = None  # a level that matters: the number of cores, the memory there is


@dataclass(frozen=True, slots=True)
class Report:
    """All that is known about a run. `statistics` is by column of the metrics file, `totals` by metric.

    `statistics` has besides: disk_read_rate, disk_write_rate, network_rx_rate, network_tx_rate (bytes a second) and
    job_cpu_percent (of all cores).
    `totals`: network_rx_bytes, network_tx_bytes, disk_read_bytes, disk_write_bytes, job_cpu_seconds, oom_kills,
    cpu_seconds (of the host, all cores). Only what was measured is there.
    """

    meta: Mapping[str, Any]
    duration_seconds: float
    samples: int
    statistics: Mapping[str, Statistic]
    totals: Mapping[str, float]
    caches_mb: Mapping[str, tuple[float, float]]  # first and last size
    partial_caches: Sequence[str]
    steps: Sequence[Usage]
    unseen_cpu_seconds: float
    other_cpu_seconds: float
    programs: Sequence[Usage]
    alerts: Sequence[Alert]
    insights: Sequence[Insight]
    charts: Sequence[Chart]
    notes: Sequence[str]  # what was wrong with the files: a sampler that was killed, rows left out
    sampler: Mapping[str, float]  # cpu_seconds, peak_memory_mb, samples
    ended: str  # stop, job-end, max-runtime, failed; empty when the sampler was killed
    phases: Sequence[Phase] = ()
    seconds_over: Mapping[str, float] = field(
        default_factory=dict
    )  # by metric: time at its warning limit or above
    bottleneck: str = "unknown"  # cpu, memory, io, none; unknown where nothing was measured that could tell
    headline: str = ""  # one plain sentence: what the job took and what limited it
