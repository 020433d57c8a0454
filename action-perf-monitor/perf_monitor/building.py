"""Builds the report of a monitor from its files, whatever is left of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from actionlib.errors import ActionError
from perf_monitor.bottleneck import find_bottleneck, headline
from perf_monitor.charts import build_charts
from perf_monitor.insights import find_insights
from perf_monitor.limits import BUSY_PERCENT, METRIC_COLUMNS, limit_of
from perf_monitor.monitor_files import MonitorFiles
from perf_monitor.report import Report
from perf_monitor.samples import Samples, cache_column, read_samples
from perf_monitor.series import is_number, seconds_at_least, statistic, total
from perf_monitor.timeline import Timeline, build_timeline, phases
from perf_monitor.wording import span

# Counters and clocks: a mean of them says nothing.
_NO_STATISTICS = frozenset(
    (
        "network_rx",
        "network_tx",
        "disk_read",
        "disk_write",
        "unix_seconds",
        "elapsed_seconds",
        "interval_seconds",
    )
)
_SUMS = (
    *("network_rx_bytes", "network_tx_bytes", "disk_read_bytes", "disk_write_bytes"),
    *("oom_kills", "job_cpu_seconds"),
)


def build_report(files: MonitorFiles, *, running: bool = False) -> Report:
    """Read what there is and work out the rest. `running`: the sampler is still at work, so it need not have an end.

    Raises ActionError when the metrics file cannot be read or holds no sample.
    """
    samples = read_samples(files.csv)
    if not len(samples):
        reason = f" ({' '.join(samples.notes)})" if samples.notes else ""
        raise ActionError(
            f"the metrics file {files.csv} holds no samples{reason}",
            hint="The sampler ended before its first one; its log may say why",
        )
    meta, meta_notes = files.read_meta()
    attribution, steps_notes = files.read_steps()
    alerts, alert_notes = files.read_alerts()
    timeline = build_timeline(samples, meta)
    if not meta and not attribution.present and "elapsed_seconds" not in samples.numbers:
        meta_notes, steps_notes = (
            ["A file of the earlier script: it has load, memory, disk, network and caches."],
            [],
        )
    ending = "" if running or attribution.ended or not meta else _ending(timeline.duration)
    report = Report(
        meta=meta or _meta_of(samples),
        duration_seconds=timeline.duration,
        samples=len(samples),
        statistics={
            name: found
            for name, values in timeline.columns.items()
            if name not in _NO_STATISTICS and (found := statistic(values, timeline.intervals)) is not None
        },
        totals=_totals(timeline, meta),
        caches_mb={name: _first_and_last(samples, name) for name in samples.caches},
        partial_caches=_partial(samples),
        steps=attribution.steps,
        unseen_cpu_seconds=attribution.unseen_cpu_seconds,
        other_cpu_seconds=attribution.other_cpu_seconds,
        programs=attribution.programs,
        alerts=alerts,
        insights=(),
        charts=build_charts(timeline, meta=meta, caches=samples.caches),
        notes=[note for note in (ending, *samples.notes, *meta_notes, *steps_notes, *alert_notes) if note],
        sampler=attribution.sampler,
        ended=attribution.ended,
        phases=phases(samples, timeline),
        seconds_over=_seconds_over(timeline, meta),
    )
    bottleneck = find_bottleneck(report)
    return replace(
        report,
        bottleneck=bottleneck.kind,
        headline=headline(report, bottleneck),
        insights=find_insights(report, bottleneck),
    )


def _ending(duration: float) -> str:
    return f"The sampler was killed at about {span(duration)}; what follows is up to then."


def _meta_of(samples: Samples) -> dict[str, Any]:
    """What the rows themselves say about the job, for a file that stands alone."""
    found = {}
    for key, column in (("job", "job_name"), ("run_id", "workflow_id"), ("run_attempt", "run_attempt")):
        if (values := samples.texts.get(column)) and values[0] not in ("", "unknown"):
            found[key] = values[0]
    return found


def _totals(timeline: Timeline, meta: Mapping[str, Any]) -> dict[str, float]:
    found = {name: sum_ for name in _SUMS if (sum_ := total(timeline.series(name))) is not None}
    if cores := meta.get("cores"):
        busy = (
            share / 100 * cores * seconds
            for share, seconds in zip(timeline.series("cpu_percent"), timeline.intervals, strict=True)
        )
        if (whole := total(list(busy))) is not None:
            found["cpu_seconds"] = whole
    return found


def _seconds_over(timeline: Timeline, meta: Mapping[str, Any]) -> dict[str, float]:
    """By metric, and `cpu-busy`; `measured` is the time that all samples stand for together."""
    found = {"measured": sum(timeline.intervals)}
    for metric, column in METRIC_COLUMNS.items():
        limit = limit_of(meta, metric)
        if limit is not None and column in timeline.columns:
            found[metric] = seconds_at_least(timeline.series(column), timeline.intervals, limit)
    if "cpu_percent" in timeline.columns:
        found["cpu-busy"] = seconds_at_least(timeline.series("cpu_percent"), timeline.intervals, BUSY_PERCENT)
    return found


def _first_and_last(samples: Samples, name: str) -> tuple[float, float]:
    sizes = [value for value in samples.series(cache_column(name)) if is_number(value)]
    return (sizes[0], sizes[-1]) if sizes else (0.0, 0.0)


def _partial(samples: Samples) -> list[str]:
    """Caches that the newest measurement did not count to the end."""
    cells = samples.texts.get("cache_partial") or ("",)
    named = set(cells[-1].replace(";", " ").replace(",", " ").split())
    return [name for name in samples.caches if name in named]
