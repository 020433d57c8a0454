"""Limits that are crossed while a job runs: told once a crossing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from actionlib.metrics import CONCERNING, EXCELLENT, LEVELS, Metric
from perf_monitor.limits import METRIC_COLUMNS
from perf_monitor.report import Alert

# A value that hovers at its limit must not tell again and again: it counts as gone below this share of the limit, for
# this many samples in a row.
RELEASE_SHARE = 0.9
RELEASE_SAMPLES = 2
COLUMNS = {**METRIC_COLUMNS, "oom-kills": "oom_kills"}


@dataclass(slots=True)
class _State:
    level: int = EXCELLENT
    calm_samples: int = 0


@dataclass(slots=True)
class Watch:
    """Watches samples of one run. `metrics` as `actionlib.metrics.parse_thresholds` returns them."""

    metrics: Mapping[str, Metric]
    _states: dict[str, _State] = field(default_factory=dict)

    def feed(self, row: Mapping[str, float | str | None], *, elapsed_seconds: float) -> list[Alert]:
        """The alerts of this sample: a limit crossed, or a critical one after that. Empty cells change nothing."""
        found = []
        for name, column in COLUMNS.items():
            metric, value = self.metrics[name], row.get(column)
            if metric.warning is None or not isinstance(value, int | float):
                continue
            state = self._states.setdefault(name, _State())
            level = metric.level(value)
            if level > state.level:
                state.level = level
                found.append(_alert(metric, level, value, elapsed_seconds))
            calm = value < metric.warning * RELEASE_SHARE
            state.calm_samples = state.calm_samples + 1 if calm else 0
            if state.calm_samples >= RELEASE_SAMPLES:
                state.level = EXCELLENT
        return found


def _alert(metric: Metric, level: int, value: float, elapsed_seconds: float) -> Alert:
    limit = metric.warning if level == CONCERNING else metric.critical
    assert limit is not None  # noqa: S101  (a level is only reached by its limit)
    text = f"{metric.name} {metric.show(value)} (limit {metric.show(limit)})"
    return Alert(elapsed_seconds, metric.name, LEVELS[level], value, limit, text)
