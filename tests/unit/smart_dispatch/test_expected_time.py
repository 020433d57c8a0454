"""Placing legs: slots fill one after the other, as a runner takes the oldest job."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_dispatch.durations import Estimate
from smart_dispatch.expected_time import Leg, Pool, Weights, place_legs
from smart_dispatch.job_records import CLOUD, SELF_HOSTED

WEIGHTS = Weights(cloud_start_seconds=30)


def leg(here: float, there: float, *, share: float = 1.0) -> Leg:
    return Leg("job", Estimate(here, 5, "runs", share), Estimate(there, 5, "runs"))


def classes(legs, pool, **changed) -> str:
    weights = Weights(**{"cloud_start_seconds": 30, **changed})
    return "".join("S" if one.runner_class == SELF_HOSTED else "C" for one in place_legs(legs, pool, weights))


def test_the_sooner_end_wins():
    assert classes([leg(300, 480)], Pool((0.0,))) == "S"
    assert classes([leg(300, 480)], Pool((209.0,))) == "S"
    assert classes([leg(300, 480)], Pool((211.0,))) == "C"
    assert classes([leg(300, 100)], Pool((0.0,))) == "C"


def test_without_a_slot_there_is_nothing_to_wait_for():
    (one,) = place_legs([leg(1, 10_000)], Pool(()), WEIGHTS)
    assert (one.runner_class, one.wait_seconds) == (CLOUD, float("inf"))


def test_who_is_ahead_takes_slots_first():
    (one,) = place_legs([leg(300, 480)], Pool((0.0, 100.0), (500.0, 400.0)), WEIGHTS)
    assert one.wait_seconds == 500  # slots: 0+500, 100+400


def test_each_leg_makes_the_next_one_wait():
    assert classes([leg(300, 480)] * 5, Pool((0.0, 0.0))) == "SSCCC"
    assert classes([leg(100, 480)] * 5, Pool((0.0,))) == "SSSSS"


def test_weights_bend_the_comparison():
    assert classes([leg(300, 480)], Pool((400.0,)), cost_factor=1.4) == "S"
    assert classes([leg(300, 480)], Pool((0.0,)), slow_down=1.8) == "C"
    assert classes([leg(10, 480)], Pool((61.0,)), max_wait_seconds=60) == "C"


def test_a_class_that_loses_runs_pays_for_the_second_one():
    assert classes([leg(300, 350)], Pool((0.0,))) == "S"
    assert classes([leg(300, 350, share=0.7)], Pool((0.0,))) == "C"


@given(
    st.lists(st.floats(0, 2000), max_size=4),
    st.lists(st.floats(1, 2000), max_size=6),
    st.lists(st.tuples(st.floats(1, 2000), st.floats(1, 2000)), min_size=1, max_size=6),
)
def test_every_leg_is_placed_where_it_was_expected_to_end_first(free, ahead, seconds):
    placed = place_legs([leg(*one) for one in seconds], Pool(tuple(free), tuple(ahead)), WEIGHTS)
    assert len(placed) == len(seconds)
    for one in placed:
        best = min(one.self_hosted_seconds, one.cloud_seconds)
        mine = one.self_hosted_seconds if one.runner_class == SELF_HOSTED else one.cloud_seconds
        assert mine == best
    waits = [one.wait_seconds for one in placed if one.runner_class == SELF_HOSTED]
    assert waits == sorted(waits)
    assert pytest.approx(placed[0].cloud_seconds) == 30 + seconds[0][1]


def test_a_cloud_that_is_left_alone_gets_only_what_would_wait_too_long():
    legs = [leg(300, 100)] * 5
    spared = place_legs(legs, Pool((0.0,)), Weights(max_wait_seconds=700), cloud_legs=0)
    assert [one.wait_seconds for one in spared] == [0, 300, 600, 900, 900]
    assert [one.runner_class for one in spared] == [SELF_HOSTED] * 3 + [CLOUD] * 2
    assert [one.runner_class for one in place_legs(legs, Pool(()), WEIGHTS, cloud_legs=0)] == [CLOUD] * 5


def test_a_cloud_that_is_tried_again_gets_one_leg():
    placed = place_legs([leg(300, 100)] * 4, Pool((0.0,)), WEIGHTS, cloud_legs=1)
    assert [one.runner_class for one in placed] == [CLOUD, *[SELF_HOSTED] * 3]
