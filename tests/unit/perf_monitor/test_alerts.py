"""Limits are told once a crossing."""

from __future__ import annotations

import pytest

from actionlib.metrics import parse_thresholds
from perf_monitor.alerts import Watch


def alerts_of(
    values: list[float | None], *lines: str, column: str = "memory_percent"
) -> list[tuple[int, str]]:
    watch = Watch(parse_thresholds(lines, name="thresholds"))
    return [
        (second, alert.level)
        for second, value in enumerate(values)
        for alert in watch.feed({column: value}, elapsed_seconds=second)
    ]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([10, 85, 85, 86], [(1, "concerning")]),
        ([10, 85, 95, 95], [(1, "concerning"), (2, "critical")]),
        ([95, 85, 95], [(0, "critical")]),
        ([85, 79, 85], [(0, "concerning")]),  # hovers at its limit
        ([85, 60, 85], [(0, "concerning")]),  # one sample below is no release
        ([85, 60, 60, 85], [(0, "concerning"), (3, "concerning")]),
        ([85, None, None, 85], [(0, "concerning")]),
        ([79.9, 80.0], [(1, "concerning")]),
    ],
)
def test_a_limit_is_told_once_a_crossing(values, told):
    assert alerts_of(values) == told


def test_an_absolute_limit_is_told_only_if_it_was_set():
    assert alerts_of([30], column="load_avg") == []
    assert alerts_of([7, 8], "load=8", column="load_avg") == [(1, "concerning")]


def test_a_limit_that_is_off_is_never_told():
    assert alerts_of([99], "memory-percent=off") == []


def test_a_killed_process_is_told_each_time_after_a_calm():
    assert alerts_of([0, 1, 0, 0, 2], column="oom_kills") == [(1, "critical"), (4, "critical")]


def test_the_text_names_metric_value_and_limit():
    (alert,) = Watch(parse_thresholds([], name="thresholds")).feed({"disk_pct": 91.5}, elapsed_seconds=3)
    assert alert.text == "disk-percent 91.5 % (limit 90 %)"
