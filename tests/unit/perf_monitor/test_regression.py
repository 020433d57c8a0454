"""The rule that tells a regression from noise."""

from __future__ import annotations

import random

import pytest

from perf_monitor.regression import FIGURES, LEAST_RUNS, compare, judge

DURATION = FIGURES["duration_seconds"]
BASE = {name: 1e12 if name.endswith("bytes") else 1e5 for name in FIGURES}


def noisy(source: random.Random, noise: float, *, factor: float = 1.0) -> dict[str, float]:
    return {name: value * factor * (1 + source.gauss(0, noise)) for name, value in BASE.items()}


def test_with_ten_runs_of_5_percent_noise_at_most_1_of_100_runs_is_a_false_alarm_in_any_figure():
    source = random.Random(7)
    histories = 1000
    alarms = sum(
        any(one.is_worse for one in compare(noisy(source, 0.05), [noisy(source, 0.05) for _ in range(10)]))
        for _ in range(histories)
    )
    assert alarms <= histories * 0.01


@pytest.mark.parametrize("runs", [10, 20, 30])
def test_30_percent_more_is_found_in_nine_of_ten_runs(runs):
    source = random.Random(11)
    found = sum(
        judge(
            DURATION,
            130 * (1 + source.gauss(0, 0.05)),
            [100 * (1 + source.gauss(0, 0.05)) for _ in range(runs)],
        ).is_worse
        for _ in range(1000)
    )
    assert found >= 900


@pytest.mark.parametrize(
    ("value", "earlier", "is_worse"),
    [
        (117, [100] * 5, False),  # within what a job's own noise is taken to be
        (118, [100] * 5, True),
        (130, [100, 110, 90, 120, 80], False),  # noisy
        (70, [100] * 30, False),  # better
        (4, [1] * 30, False),  # four times as long, and nobody waits for 3 s
        (7, [1] * 30, True),
        (130, [100] * 16 + [200] * 14, True),  # a few slow runs do not move the median
    ],
)
def test_a_value_is_judged_by_the_median_and_the_deviation(value, earlier, is_worse):
    assert judge(DURATION, value, earlier).is_worse == is_worse


def test_a_lasting_change_becomes_the_new_normal():
    history = [100.0] * 30
    flagged = 0
    for _ in range(60):
        verdict = judge(DURATION, 140, history)
        flagged += verdict.is_worse
        history = [140.0, *history][:30]
    assert 5 <= flagged <= 16


def test_too_few_runs_are_not_judged_and_that_is_said():
    verdict = judge(DURATION, 1000, [1.0] * (LEAST_RUNS - 1))
    assert not verdict.is_worse
    assert verdict.reason == "4 earlier runs are known, 5 are needed"


def test_only_the_latest_thirty_runs_count_and_only_figures_that_are_known():
    (verdict,) = compare(
        {"duration_seconds": 150, "invented": 3},
        [{"duration_seconds": 100.0}] * 30 + [{"duration_seconds": 1e6}] * 70,
    )
    assert verdict.median == 100
    assert verdict.runs == 30
    assert verdict.change_percent == pytest.approx(50)
