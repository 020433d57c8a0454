"""The source document's arithmetic, number by number."""

from __future__ import annotations

import pytest

from actionlib.metrics import parse_thresholds, score
from smart_dispatch.source_score import (
    engine_recommendation,
    engine_score,
    penalties_with,
    recommendation_of,
    score_without_jobs,
    status_of,
)

# The document's host has 8 cores: 8.0 and 4.0 of load are 1.0 and 0.5 per core.
ABSOLUTE = {
    name: metric
    for name, metric in parse_thresholds(["load=4,8"], name="thresholds").items()
    if name == "load"
}


def health(
    load: float, memory: float, disk: float, jobs: int, *, cache: bool = True, network: bool = True
) -> int:
    """As section 8's health job counts, in its own words."""
    points = 100
    points -= 40 if load > 8.0 else 20 if load > 4.0 else 0
    points -= 30 if memory > 85.0 else 15 if memory > 70.0 else 0
    points -= 20 if disk > 90 else 10 if disk > 80 else 0
    points -= 25 if jobs > 3 else 10 if jobs > 1 else 0
    points -= 0 if cache else 15
    return points - (0 if network else 20)


@pytest.mark.parametrize("load", [0.0, 4.0, 4.01, 8.0, 8.01])
@pytest.mark.parametrize("memory", [70.0, 70.1, 85.0, 85.1])
@pytest.mark.parametrize("disk", [80, 81, 90, 91])
@pytest.mark.parametrize("jobs", [1, 2, 3, 4])
@pytest.mark.parametrize(("cache", "network"), [(True, True), (False, True), (True, False), (False, False)])
def test_the_health_score_is_the_health_jobs(load, memory, disk, jobs, cache, network):
    values = {
        "load": load, "load-per-core": load / 8, "memory-percent": memory, "disk-percent": float(disk),
        "active-jobs": float(jobs), "caches-missing": float(not cache), "network-unreachable": float(not network),
    }  # fmt: skip
    expected = max(0, health(load, memory, disk, jobs, cache=cache, network=network))
    assert score(values, penalties_with({})) == expected  # limits per core, the default
    assert score(values, penalties_with(ABSOLUTE)) == expected


@pytest.mark.parametrize(
    ("points", "status", "recommendation"),
    [
        (100, "healthy", "use-self-hosted"),
        (75, "healthy", "use-self-hosted"),
        (74, "degraded", "use-self-hosted-with-caution"),
        (50, "degraded", "use-self-hosted-with-caution"),
        (49, "unhealthy", "use-fallback"),
        (0, "unhealthy", "use-fallback"),
        (None, "unknown", "use-fallback"),
    ],
)
def test_the_score_has_the_health_jobs_words(points, status, recommendation):
    assert status_of(points) == status
    assert recommendation_of(status) == recommendation


@pytest.mark.parametrize(
    ("success", "seconds", "load", "memory", "jobs", "peak", "expected"),
    [
        # What `bash` prints for the document's own script, worked out by hand: 5*40/100 = 2, 180*30/480 = 11.
        ((100, 95), (300, 480), 0.5, 40.0, 0, False, 2 + 11 + 20 + 10),
        ((100, 95), (300, 480), 0.5, 40.0, 0, True, 33),
        ((100, 95), (300, 480), 3.0, 60.0, 0, False, 13),
        ((100, 95), (300, 480), 6.1, 80.1, 3, True, 2 + 11 - 20 - 10 - 15 - 10),
        ((100, 95), (300, 480), 2.0, 50.0, 2, False, 13),  # limits themselves count for neither side
        ((100, 95), (300, 480), 6.0, 80.0, 2, False, 13),
        ((80, 95), (300, 480), 3.0, 60.0, 0, False, -6 + 11),
        ((94, 95), (480, 480), 3.0, 60.0, 0, False, 0),  # -40/100 is cut towards zero
        ((90, 97), (480, 480), 3.0, 60.0, 0, False, -2),  # -280/100 too
        ((100, 100), (480, 300), 3.0, 60.0, 0, False, -11),  # 180*30/480
        ((100, 100), (300, 300), 3.0, 60.0, 0, False, 0),
        ((0, 100), (1000, 1), 7.0, 90.0, 9, True, -40 - 29 - 20 - 10 - 15 - 10),
        ((100, 95), (0, 0), None, None, None, False, 2),
    ],
)
def test_the_engines_score(success, seconds, load, memory, jobs, peak, expected):
    found = engine_score(
        success_percent=success,
        mean_seconds=seconds,
        load=load,
        memory_percent=memory,
        active_jobs=jobs,
        peak_hours=peak,
    )
    assert found == expected


@pytest.mark.parametrize(
    ("points", "told"),
    [
        (26, "use-self-hosted"),
        (25, "use-self-hosted-with-monitoring"),
        (1, "use-self-hosted-with-monitoring"),
        (0, "use-cloud-fallback"),
        (-24, "use-cloud-fallback"),
        (-25, "force-cloud-fallback"),
    ],
)
def test_the_engines_recommendation(points, told):
    assert engine_recommendation(points) == told


def test_limits_of_ones_own_change_when_a_metric_costs_and_not_how_much():
    given = parse_thresholds(["memory-percent=50,60", "disk-percent=off"], name="thresholds")
    chosen = {name: given[name] for name in ("memory-percent", "disk-percent")}
    penalties = penalties_with(chosen)
    assert score({"memory-percent": 55.0}, penalties) == 85
    assert score({"memory-percent": 61.0}, penalties) == 70
    assert score({"disk-percent": 99.0}, penalties) == 100
    assert score({"load-per-core": 2.0}, penalties) == 60


def test_a_score_without_jobs_leaves_the_hosts_own_troubles():
    busy = {"load": 8.0, "load-per-core": 1.0, "active-jobs": 4.0}
    assert score_without_jobs(100 - 20 - 25, busy, penalties_with({})) == 100
    assert score_without_jobs(100 - 20 - 25 - 30 - 20, busy, penalties_with({})) == 50
