from __future__ import annotations

import math
import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf_monitor.series import bucketed, evenly_spaced, sampled_down, seconds_at_least, statistic, total

FINITE = st.floats(-1e9, 1e9)
WEIGHTS = st.floats(0.1, 3600)
POINTS = st.lists(FINITE, min_size=1, max_size=700).map(
    lambda values: [(float(at), value) for at, value in enumerate(values)]
)


@given(st.lists(st.tuples(FINITE | st.just(math.nan), WEIGHTS), max_size=80))
def test_statistics_are_those_of_the_standard_library_and_ignore_what_is_no_number(rows) -> None:
    found = statistic([value for value, _ in rows], [weight for _, weight in rows])
    known = [(value, weight) for value, weight in rows if not math.isnan(value)]
    if not known:
        assert found is None
        return
    values = [value for value, _ in known]
    assert found is not None
    assert (found.minimum, found.peak, found.last) == (min(values), max(values), values[-1])
    mean = statistics.fmean(values, weights=[weight for _, weight in known])
    assert found.mean == pytest.approx(mean, rel=1e-6, abs=1e-3)
    assert sum(value <= found.p95 for value in values) >= 0.95 * len(values)
    assert sum(value < found.p95 for value in values) < 0.95 * len(values)


def test_the_mean_is_weighted_by_the_interval() -> None:
    found = statistic([10, 40], [30, 10])
    assert found is not None
    assert found.mean == 17.5


def test_the_percentile_is_the_nearest_rank() -> None:
    found = statistic([float(value) for value in range(1, 101)], [1.0] * 100)
    assert found is not None
    assert found.p95 == 95


def test_a_sum_of_nothing_is_not_zero() -> None:
    assert total([math.nan]) is None
    assert total([1, math.nan, 2]) == 3


def test_time_at_a_limit_counts_whole_intervals() -> None:
    assert seconds_at_least([1, 2, 3, math.nan], [5, 5, 7, 5], 2) == 12


@given(POINTS, st.integers(2, 60))
def test_sampling_down_keeps_every_extreme_in_order_and_never_exceeds_the_limit(points, limit) -> None:
    kept = sampled_down(points, limit=limit)
    assert len(kept) <= limit
    assert [at for at, _ in kept] == sorted({at for at, _ in kept})
    assert set(kept) <= set(points)
    values = [value for _, value in points]
    assert {min(values), max(values)} <= {value for _, value in kept}


@given(st.integers(0, 21_599))
def test_a_spike_of_one_sample_in_six_hours_survives_every_way_of_drawing(place: int) -> None:
    points = [(float(at), 1.0) for at in range(21_600)]
    points[place] = (float(place), 99.0)
    assert (float(place), 99.0) in sampled_down(points)
    assert max(bucket.high for bucket in bucketed(points, limit=150)) == 99
    assert 99.0 in evenly_spaced(points, end=21_600)
    assert 99.0 in evenly_spaced(sampled_down(points), end=21_600)


@given(POINTS, st.integers(1, 150))
def test_buckets_hold_all_samples_between_their_bounds(points, limit) -> None:
    buckets = bucketed(points, limit=limit)
    assert len(buckets) <= limit
    assert (buckets[0].begin, buckets[-1].end) == (points[0][0], points[-1][0])
    for one, after in pairwise(buckets):
        assert one.end < after.begin
    for one in buckets:
        inside = [value for at, value in points if one.begin <= at <= one.end]
        assert (one.low, one.high) == (min(inside), max(inside))
        assert one.low <= one.mean <= one.high


@given(POINTS)
def test_evenly_spaced_values_are_at_most_sixty(points) -> None:
    spaced = evenly_spaced(points, end=points[-1][0])
    assert 1 <= len(spaced) <= 60


def test_a_gap_in_time_repeats_the_value_before_it() -> None:
    assert evenly_spaced([(0, 1), (1, 2), (2, 3), (98, 4), (99, 5), (100, 6)], end=100) == [1, 3, 3, 3, 4, 6]
