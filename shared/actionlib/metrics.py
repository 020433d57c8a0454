"""What is known about a host's load, in one vocabulary: names, limits, checks and the score of health.

A metric is a kebab-case name; its value is a float, or None where it cannot be read here. More is always worse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from actionlib.errors import ActionError

EXCELLENT, CONCERNING, CRITICAL, NO_DATA = range(4)
LEVELS = ("excellent", "concerning", "critical", "no-data")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with its limits: from `warning` on it is concerning, from `critical` on critical. None: no limit."""

    name: str
    unit: str
    meaning: str
    warning: float | None = None
    critical: float | None = None

    def level(self, value: float) -> int:
        """EXCELLENT, CONCERNING or CRITICAL."""
        if self.critical is not None and value >= self.critical:
            return CRITICAL
        return CONCERNING if self.warning is not None and value >= self.warning else EXCELLENT

    def show(self, value: float) -> str:
        """The value with its unit."""
        digits = f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
        return f"{digits}{' ' if self.unit else ''}{self.unit}"


# Relative ones have limits by default, because a host's size is not known. The absolute ones are there to be set: the
# source of the absolute limits that teams already use is a script with 8.0 of load and 25000 MB.
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("load", "", "load average of one minute"),
        Metric("load-per-core", "", "load average of one minute per core", 1.5, 3.0),
        Metric("memory-percent", "%", "memory that is not available", 80, 90),
        Metric("memory-mb", "MB", "memory in use"),
        Metric("swap-percent", "%", "swap in use", 50, 90),
        Metric("disk-percent", "%", "disk in use", 80, 90),
        Metric("pressure-cpu-percent", "%", "time in which a task waited for a CPU (PSI some)", 80, 95),
        Metric("pressure-memory-percent", "%", "time in which all tasks waited for memory (PSI full)", 5, 20),
        Metric("pressure-io-percent", "%", "time in which all tasks waited for I/O (PSI full)", 20, 50),
        Metric("oom-kills", "", "processes killed for want of memory", 1, 1),
        Metric("active-jobs", "", "jobs that run on the host"),
        Metric("caches-missing", "", "named cache folders that are not there", 1),
        Metric("network-unreachable", "", "1 when the named host does not answer", 1, 1),
    )
}


def parse_thresholds(lines: Iterable[str], *, name: str) -> dict[str, Metric]:
    """All metrics, with the limits of lines `metric=warning` or `metric=warning,critical`; `metric=off` for none.

    `name` is the input's. Raises ActionError for an unknown metric or a value that is no limit.
    """
    metrics = dict(METRICS)
    for line in lines:
        key, _, value = (part.strip() for part in line.partition("="))
        if key not in metrics:
            import difflib

            close = difflib.get_close_matches(key, metrics, n=1)
            raise ActionError(
                f"input '{name}' holds '{line}': there is no metric '{key}'; allowed: {', '.join(metrics)}",
                hint=f"Did you mean '{close[0]}'?" if close else "",
            )
        warning, critical = _limits(value, line=line, name=name)
        metrics[key] = replace(metrics[key], warning=warning, critical=critical)
    return metrics


def _limits(value: str, *, line: str, name: str) -> tuple[float | None, float | None]:
    if value == "off":
        return None, None
    numbers = re.fullmatch(r"(\d+(?:\.\d+)?)(?:\s*,\s*(\d+(?:\.\d+)?))?", value)
    if numbers:
        warning, critical = float(numbers[1]), float(numbers[2]) if numbers[2] else None
        if critical is None or warning <= critical:
            return warning, critical
    raise ActionError(
        f"input '{name}' holds '{line}'; allowed: METRIC=WARNING, METRIC=WARNING,CRITICAL (not below the warning) or "
        "METRIC=off, with numbers from 0",
        hint="For example load-per-core=1.5,3",
    )


@dataclass(frozen=True, slots=True)
class Check:
    """One metric, looked at."""

    metric: Metric
    value: float | None
    level: int


def check(values: Mapping[str, float | None], metrics: Mapping[str, Metric]) -> list[Check]:
    """Each of `values` that has a limit; NO_DATA where the value is None."""
    return [
        Check(metric, value, NO_DATA if value is None else metric.level(value))
        for name, metric in metrics.items()
        if metric.warning is not None and name in values
        for value in (values[name],)
    ]


def overall(checks: Sequence[Check]) -> int:
    """CRITICAL for one critical check or more than two concerning ones, CONCERNING for any of these, else EXCELLENT.

    NO_DATA when not one could be read.
    """
    levels = [one.level for one in checks if one.level != NO_DATA]
    if not levels:
        return NO_DATA
    concerning = sum(level != EXCELLENT for level in levels)
    if CRITICAL in levels or concerning > 2:
        return CRITICAL
    return CONCERNING if concerning else EXCELLENT


@dataclass(frozen=True, slots=True)
class Penalty:
    """What a value above `limit` costs of 100 points; of several about one metric the dearest counts."""

    metric: str
    limit: float
    points: int


PENALTIES = (
    Penalty("load-per-core", 1.0, 40),
    Penalty("load-per-core", 0.5, 20),
    Penalty("memory-percent", 85, 30),
    Penalty("memory-percent", 70, 15),
    Penalty("disk-percent", 90, 20),
    Penalty("disk-percent", 80, 10),
    Penalty("active-jobs", 3, 25),
    Penalty("active-jobs", 1, 10),
    Penalty("caches-missing", 0, 15),
    Penalty("network-unreachable", 0, 20),
)


def incurred(values: Mapping[str, float | None], penalties: Sequence[Penalty] = PENALTIES) -> list[Penalty]:
    """The penalties that these values bring, one a metric. Unknown values bring none."""
    worst: dict[str, Penalty] = {}
    for penalty in penalties:
        value = values.get(penalty.metric)
        if value is not None and value > penalty.limit:
            earlier = worst.get(penalty.metric)
            if earlier is None or penalty.points > earlier.points:
                worst[penalty.metric] = penalty
    return list(worst.values())


def score(values: Mapping[str, float | None], penalties: Sequence[Penalty] = PENALTIES) -> int:
    """100 less the penalties, at least 0."""
    return max(0, 100 - sum(penalty.points for penalty in incurred(values, penalties)))
