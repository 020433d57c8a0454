"""Arithmetic on columns: statistics, totals and down-sampling. NaN, a value that was not read, never counts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from perf_monitor.report import Bucket, Statistic

Points = Sequence[tuple[float, float]]


def is_number(value: float) -> bool:
    """Neither NaN nor infinite."""
    return -math.inf < value < math.inf


def typical(intervals: Sequence[float]) -> float:
    """The median of the positive ones; 1 where there is none."""
    known = sorted(value for value in intervals if is_number(value) and value > 0)
    return known[len(known) // 2] if known else 1.0


def statistic(values: Sequence[float], weights: Sequence[float]) -> Statistic | None:
    """Of the values that are numbers; None when there is none.

    The mean is weighted, normally by the interval that a sample stands for; weights are positive. The percentile is
    the nearest rank: the smallest value that at least 95 % of the values do not exceed.
    """
    known = [value for value in values if is_number(value)]
    if not known:
        return None
    if len(known) == len(values):
        pairs = zip(values, weights, strict=True)
    else:
        pairs = zip(known, (w for v, w in zip(values, weights, strict=True) if is_number(v)), strict=True)
    total = weight = 0.0
    for value, share in pairs:
        total += value * share
        weight += share
    ranked = sorted(known)
    # Rounding must not put the mean outside of what it is the mean of.
    mean = min(max(total / weight, ranked[0]), ranked[-1]) if weight > 0 else math.fsum(known) / len(known)
    p95 = ranked[-(-95 * len(ranked) // 100) - 1]
    return Statistic(ranked[0], mean, p95, ranked[-1], known[-1])


def total(values: Sequence[float]) -> float | None:
    """The sum; None when no value is known."""
    known = [value for value in values if is_number(value)]
    return math.fsum(known) if known else None


def seconds_at_least(values: Sequence[float], intervals: Sequence[float], limit: float) -> float:
    """Time in which the value was at `limit` or above."""
    return math.fsum(share for value, share in zip(values, intervals, strict=True) if value >= limit)


def sampled_down(points: Points, *, limit: int = 60) -> list[tuple[float, float]]:
    """At most `limit` (at least 2) of the points, in their order, such that no extreme is lost.

    The points are cut into equal parts; each keeps its lowest and its highest. NaN values are left out first.
    """
    known = [point for point in points if is_number(point[1])]
    if len(known) <= limit:
        return known
    kept: list[tuple[float, float]] = []
    for part in _parts(known, limit // 2):
        low = min(range(len(part)), key=lambda index: part[index][1])
        high = max(range(len(part)), key=lambda index: part[index][1])
        kept += [part[index] for index in sorted({low, high})]
    return kept


def bucketed(points: Points, *, limit: int) -> list[Bucket]:
    """At most `limit` stretches of equal numbers of samples, each with its lowest, mean and highest value."""
    known = [point for point in points if is_number(point[1])]
    buckets = []
    for part in _parts(known, min(limit, len(known))):
        values = [value for _, value in part]
        low, high = min(values), max(values)
        mean = min(max(math.fsum(values) / len(values), low), high)
        buckets.append(Bucket(part[0][0], part[-1][0], low, mean, high))
    return buckets


def _parts(points: Points, count: int) -> Iterator[Points]:
    for index in range(count):
        part = points[index * len(points) // count : (index + 1) * len(points) // count]
        if part:
            yield part


def evenly_spaced(points: Points, *, end: float, limit: int = 60) -> list[float]:
    """Values at equal distances from 0 to `end`, for charts that know no other; at most `limit`.

    Time is cut into equal slices; each gives its lowest and highest value in their order, an empty one the one before.
    """
    known = [point for point in points if is_number(point[1])]
    if not known:
        return []
    count = max(1, min(limit, len(known)) // 2)
    slices: list[list[tuple[float, float]]] = [[] for _ in range(count)]
    for elapsed, value in known:
        slices[min(count - 1, max(0, int(elapsed / end * count))) if end > 0 else 0].append((elapsed, value))
    values: list[float] = []
    before = known[0][1]
    for part in slices:
        if part:
            low, high = min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])
            first, second = sorted((low, high))
            values += [first[1], second[1]]
            before = part[-1][1]
        else:
            values += [before, before]
    return values
