"""The limits that a run was watched with, and the columns of the metrics file that they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actionlib.metrics import METRICS

# Metric of actionlib.metrics to column. oom-kills is a count of events and is looked at by itself.
METRIC_COLUMNS: Mapping[str, str] = {
    "load": "load_avg",
    "load-per-core": "load_per_core",
    "memory-percent": "memory_percent",
    "memory-mb": "memory_mb",
    "swap-percent": "swap_percent",
    "disk-percent": "disk_pct",
    "pressure-cpu-percent": "pressure_cpu_percent",
    "pressure-memory-percent": "pressure_memory_full_percent",
    "pressure-io-percent": "pressure_io_full_percent",
    "active-jobs": "active_jobs",
}
# From here on a host counts as busy; no limit of a metric, since a busy host is what a build is for.
BUSY_PERCENT = 90.0


def limit_of(meta: Mapping[str, Any], metric: str, level: str = "warning") -> float | None:
    """The limit that the monitor was started with, or else the default; None for no limit."""
    chosen = meta.get("thresholds", {}).get(metric)
    if isinstance(chosen, dict) and level in chosen:
        value = chosen[level]
        return float(value) if isinstance(value, int | float) else None
    known = METRICS[metric]
    return known.warning if level == "warning" else known.critical
