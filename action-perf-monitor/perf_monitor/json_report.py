"""The report for programs: all that the others tell, under stable snake_case names."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from perf_monitor.report import Report

FORMAT = 1
_DIGITS = 4


def to_json(report: Report) -> dict[str, Any]:
    """Plain JSON values. Seconds, MiB and bytes as the names say; what was not measured is absent or null.

    `charts[].lines` holds at most 60 points [elapsed seconds, value] a line, every extreme among them.
    """
    return {
        "format": FORMAT,
        "headline": report.headline,
        "bottleneck": report.bottleneck,
        "duration_seconds": _plain(report.duration_seconds),
        "samples": report.samples,
        "ended": report.ended or None,
        "meta": _plain(dict(report.meta)),
        "statistics": {name: _plain(asdict(found)) for name, found in report.statistics.items()},
        "totals": _plain(dict(report.totals)),
        "seconds_over_limit": _plain(dict(report.seconds_over)),
        "caches": {
            name: {
                "first_mb": _plain(first),
                "last_mb": _plain(last),
                "partial": name in report.partial_caches,
            }
            for name, (first, last) in report.caches_mb.items()
        },
        "steps": [_plain(asdict(step)) for step in report.steps],
        "unseen_cpu_seconds": _plain(report.unseen_cpu_seconds),
        "other_cpu_seconds": _plain(report.other_cpu_seconds),
        "programs": [
            {
                "name": program.name,
                "cpu_seconds": _plain(program.cpu_seconds),
                "peak_memory_mb": _plain(program.peak_memory_mb),
                "processes": program.processes,
            }
            for program in report.programs
        ],
        "phases": [_plain(asdict(phase)) for phase in report.phases],
        "alerts": [_plain(asdict(alert)) for alert in report.alerts],
        "insights": [asdict(insight) for insight in report.insights],
        "charts": [
            {
                "title": chart.title,
                "unit": chart.unit,
                "lines": {name: _plain(list(points)) for name, points in chart.lines.items()},
            }
            for chart in report.charts
        ],
        "sampler": _plain(dict(report.sampler)),
        "notes": list(report.notes),
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
    """The same with numbers rounded and with null for those that JSON has not."""
    if isinstance(value, float):
        return round(value, _DIGITS) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value
