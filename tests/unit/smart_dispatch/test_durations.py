"""Estimates: from nothing, from little, from much."""

from __future__ import annotations

import pytest

from smart_dispatch.durations import Aggregate, Durations
from smart_dispatch.job_records import CLOUD, INFRASTRUCTURE, SELF_HOSTED, SUCCESS, JobRecord


def record(
    seconds: float, *, job="build", kind=SELF_HOSTED, outcome=SUCCESS, workflow="CI", ended=0.0, queue=None
):
    return JobRecord(f"{job}/{kind}/{ended}/{seconds}", job, workflow, kind, outcome, seconds, ended, queue)


def estimate(records, *, job="build", kind=SELF_HOSTED, workflow="CI", **more):
    return Durations(records, **more).estimate(job, workflow, kind)


def test_nothing_is_known_at_first_but_the_source_documents_figures():
    assert estimate([]).seconds == 300
    assert estimate([], kind=CLOUD).seconds == 480
    assert Durations([]).success_percent("build", "CI", SELF_HOSTED) == 100
    assert Durations([]).success_percent("build", "CI", CLOUD) == 95


def test_each_sample_draws_the_estimate_nearer_and_none_makes_it_jump():
    found = [estimate([record(100, ended=number) for number in range(count)]).seconds for count in range(12)]
    assert found == sorted(found, reverse=True)
    assert found[1] == 200
    assert found[11] < 120


def test_the_other_class_tells_by_the_ratio_of_the_classes():
    both = [record(100, job="other", ended=n) for n in range(20)]
    both += [record(300, job="other", kind=CLOUD, ended=n) for n in range(20)]
    here = [record(200, ended=n) for n in range(20)]
    found = estimate([*both, *here], kind=CLOUD)
    assert found.source == "its 20 runs on self-hosted"
    assert found.seconds == pytest.approx(200 * (3 + 1.6) / 2, rel=0.01)


def test_wider_experience_is_the_workflow_and_then_the_repository():
    other = [record(1000, job=f"job {n}", ended=n) for n in range(9)]
    assert estimate(other).source == "9 other jobs of the workflow"
    assert estimate(other).seconds == pytest.approx((9 * 1000 + 300) / 10)
    assert estimate(other, workflow="Release").source == "9 other jobs of the repository"


def test_a_leg_of_a_matrix_knows_its_other_legs():
    legs = [record(700, job=f"test (os-{n})", ended=n) for n in range(6)]
    assert estimate(legs, job="test (os-9)").seconds == 700
    assert (
        estimate([*legs, *(record(100, job="test (os-9)") for _ in range(9))], job="test (os-9)").seconds
        < 170
    )


def test_lost_and_cancelled_runs_say_nothing_of_the_time_and_lost_ones_make_the_class_unreliable():
    lost = [record(3, outcome=INFRASTRUCTURE, ended=n) for n in range(3)]
    found = estimate([record(400, ended=9), *lost])
    assert found.seconds == 350
    assert found.reliable_share == pytest.approx((1 + 0.25) / 5)


def test_old_samples_make_room():
    records = [record(1000, ended=n) for n in range(30)] + [record(100, ended=100 + n) for n in range(30)]
    assert estimate(records).seconds < 110


def test_sums_that_were_taken_over_count_like_samples():
    known = {("build", SELF_HOSTED): Aggregate(9, 100.0, 0.5)}
    assert estimate([], aggregates=known).seconds == 120
    assert Durations([], aggregates=known).success_percent("build", "CI", SELF_HOSTED) == 50


@pytest.mark.parametrize(("elapsed", "left"), [(0, 250), (150, 150), (350, 50), (1000, None)])
def test_what_is_left_of_a_run_is_what_longer_ones_took_more(elapsed, left):
    known = Durations(
        [record(100, ended=1), record(200, ended=2), record(300, ended=3), record(400, ended=4)]
    )
    found = known.remaining("build", "CI", SELF_HOSTED, elapsed)
    assert found == left if left is not None else 0 < found < 300


def test_the_wait_for_a_cloud_runner_is_the_usual_one():
    records = [record(1, kind=CLOUD, queue=wait, ended=wait) for wait in (10.0, 20.0, 90.0)]
    assert Durations(records).start_seconds(CLOUD, default=30) == 20
    assert Durations([]).start_seconds(CLOUD, default=30) == 30
