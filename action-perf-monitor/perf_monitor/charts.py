"""Which lines a report draws, from the columns that there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from perf_monitor.report import Chart
from perf_monitor.samples import cache_column
from perf_monitor.series import Points, bucketed, is_number, sampled_down
from perf_monitor.timeline import Timeline
from perf_monitor.wording import printable

COARSE_POINTS = 60  # of a line in the job summary and the JSON
FINE_BUCKETS = 150  # of a line in the HTML file
MOST_LINES = 4
_GIBIBYTE_IN_MB = 1 / 1024
_MEBIBYTE_IN_BYTES = 1 / (1 << 20)


def build_charts(timeline: Timeline, *, meta: Mapping[str, Any], caches: Sequence[str]) -> list[Chart]:
    """All charts with at least one line of two points, the most telling first."""
    return [chart for chart in _charts(timeline, meta, caches) if chart.lines]


def _charts(timeline: Timeline, meta: Mapping[str, Any], caches: Sequence[str]) -> Iterator[Chart]:
    def lines(names: Mapping[str, str], *, scale: float = 1.0) -> dict[str, Points]:
        return {name: timeline.points(column, scale=scale) for name, column in names.items()}

    cores, installed = meta.get("cores"), meta.get("memory_mb")
    busy = {"host": "cpu_percent", "this job": "job_cpu_percent"}
    yield _chart("CPU", "%", lines(busy), top=100)
    mark = (f"{cores:g} core{'' if cores == 1 else 's'}", float(cores)) if cores else None
    yield _chart("Load", "", lines({"1 min": "load_avg"}), mark=mark)
    used = {"host": "memory_mb", "this job": "job_memory_mb"}
    mark = ("installed", installed * _GIBIBYTE_IN_MB) if installed else None
    yield _chart("Memory", "GiB", lines(used, scale=_GIBIBYTE_IN_MB), mark=mark)
    waits = {
        "CPU": "pressure_cpu_percent",
        "memory (all tasks)": "pressure_memory_full_percent",
        "I/O (all tasks)": "pressure_io_full_percent",
    }
    yield _chart("Waiting", "%", lines(waits), top=100)
    disk = {"written": "disk_write_rate", "read": "disk_read_rate"}
    yield _chart("Disk", "MiB/s", lines(disk, scale=_MEBIBYTE_IN_BYTES))
    network = {"received": "network_rx_rate", "sent": "network_tx_rate"}
    yield _chart("Network", "MiB/s", lines(network, scale=_MEBIBYTE_IN_BYTES))
    largest = sorted(caches, key=lambda name: -_last(timeline.series(cache_column(name))))[:MOST_LINES]
    sizes = {name: cache_column(name) for name in largest}
    drawn = lines(sizes, scale=_GIBIBYTE_IN_MB)
    yield _chart("Caches", "GiB", {printable(name, limit=24): points for name, points in drawn.items()})


def _last(values: Sequence[float]) -> float:
    return next((value for value in reversed(values) if is_number(value)), 0.0)


def _chart(
    title: str,
    unit: str,
    lines: Mapping[str, Points],
    *,
    top: float | None = None,
    mark: tuple[str, float] | None = None,
) -> Chart:
    known = {
        name: points for name, points in lines.items() if sum(is_number(value) for _, value in points) >= 2
    }
    return Chart(
        title=title,
        unit=unit,
        lines={name: sampled_down(points, limit=COARSE_POINTS) for name, points in known.items()},
        buckets={name: bucketed(points, limit=FINE_BUCKETS) for name, points in known.items()},
        top=top,
        mark=mark,
    )
