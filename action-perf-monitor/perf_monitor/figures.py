"""The table of figures, row by row, that the Markdown and the HTML report share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from actionlib.summary import size
from perf_monitor.report import Report
from perf_monitor.wording import memory, percent, plain, rate

_ROWS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("Load (1 min)", "load_avg", plain),
    ("CPU", "cpu_percent", percent),
    ("CPU, this job", "job_cpu_percent", percent),
    ("Memory", "memory_mb", memory),
    ("Memory, this job", "job_memory_mb", memory),
    ("Disk in use", "disk_pct", percent),
    ("Disk written", "disk_write_rate", rate),
    ("Disk read", "disk_read_rate", rate),
    ("Network received", "network_rx_rate", rate),
    ("Network sent", "network_tx_rate", rate),
)
_IN_ALL: Mapping[str, str] = {
    "disk_write_rate": "disk_write_bytes",
    "disk_read_rate": "disk_read_bytes",
    "network_rx_rate": "network_rx_bytes",
    "network_tx_rate": "network_tx_bytes",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table; `in_all` is the sum over the run, where there is one."""

    name: str
    minimum: str
    mean: str
    p95: str
    peak: str
    in_all: str = ""


def figure_rows(report: Report) -> list[Row]:
    """What was measured, in a fixed order."""
    rows = []
    for name, column, show in _ROWS:
        if found := report.statistics.get(column):
            whole = report.totals.get(_IN_ALL.get(column, ""))
            low, mean, p95, peak = map(show, (found.minimum, found.mean, found.p95, found.peak))
            rows.append(Row(name, low, mean, p95, peak, size(whole) if whole is not None else ""))
    return rows


def growth(first: float, last: float) -> str:
    """How a cache's size changed; nothing for less than a MiB."""
    change = last - first
    if abs(change) < 1:
        return "unchanged"
    return f"{'+' if change > 0 else '−'}{memory(abs(change))}"  # noqa: RUF001 - a real minus sign


def subject(report: Report) -> str:
    """What the report is about: the job's name, or else nothing special."""
    return str(report.meta.get("job") or "") or "this job"
