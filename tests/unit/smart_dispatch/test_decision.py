"""The order of the questions: trust, what is forced, the state of the host, the policy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smart_dispatch.breaker import CLOSED, HALF_OPEN, OPEN, Breaker
from smart_dispatch.capacity import Capacity
from smart_dispatch.decision import Rules, Situation, decide
from smart_dispatch.durations import Estimate
from smart_dispatch.expected_time import Leg, Pool, Weights
from smart_dispatch.job_records import CLOUD, SELF_HOSTED
from smart_dispatch.trust import Trust

CAPACITY = Capacity(Pool((0.0, 0.0)), 2, 0, 0, 0, "runners API", 0.0)
WELL = Situation(
    trust=Trust(trusted=True, reasons=("a push",)),
    health="healthy",
    capacity=CAPACITY,
    breakers={SELF_HOSTED: Breaker(CLOSED), CLOUD: Breaker(CLOSED)},
)
RULES = Rules("expected-time", enable_fallback=True, untrusted="fallback", weights=Weights())
UNTRUSTED = replace(WELL, trust=Trust(trusted=False, reasons=("a fork",)))


def legs(count=1):
    return [Leg(f"leg {n}", Estimate(300, 5, "runs"), Estimate(480, 5, "runs")) for n in range(count)]


def outcome(situation=WELL, rules=RULES, count=1) -> tuple[str, str]:
    found = decide(legs(count), situation, rules)
    return found.strategy, "".join(
        "S" if one.runner_class == SELF_HOSTED else "C" for one in found.placements
    )


def test_a_healthy_host_that_is_sooner_gets_the_job():
    assert outcome() == ("self-hosted-primary", "S")
    assert outcome(replace(WELL, health="unknown")) == ("self-hosted-monitored", "S")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ("cloud-fallback", "C")),
        ({"untrusted": "refuse"}, ("refused", "C")),
        ({"untrusted": "primary"}, ("self-hosted-primary", "S")),
        ({"enable_fallback": False}, ("refused", "C")),
        ({"enable_fallback": False, "untrusted": "primary"}, ("self-hosted-primary", "S")),
    ],
)
def test_untrusted_code_reaches_the_host_only_if_that_is_asked_for(changed, expected):
    assert outcome(UNTRUSTED, replace(RULES, **changed)) == expected


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"unfit": True}, "the host is unhealthy"),
        (
            {"capacity": replace(CAPACITY, online=0, pool=Pool(()))},
            "no self-hosted runner with these labels is online",
        ),
        ({"capacity": replace(CAPACITY, online=None, pool=Pool(()))}, "nothing tells"),
        ({"capacity": replace(CAPACITY, online=0, pool=Pool(()), stuck=True)}, "nobody takes them"),
        ({"breakers": {SELF_HOSTED: Breaker(OPEN, "lost"), CLOUD: Breaker(CLOSED)}}, "lost"),
    ],
)
@pytest.mark.parametrize("policy", ["expected-time", "online", "idle"])
def test_slots_that_cannot_be_used_are_not(changed, said, policy):
    found = decide(legs(), replace(WELL, **changed), replace(RULES, policy=policy))
    assert found.strategy == "cloud-fallback"
    assert said in found.reason
    forced = decide(legs(), replace(WELL, health="unknown", **changed), replace(RULES, enable_fallback=False))
    assert forced.strategy == "force-self-hosted"


def test_half_open_admits_one_leg_and_none_while_there_is_a_job():
    half = replace(WELL, breakers={SELF_HOSTED: Breaker(HALF_OPEN, "tried"), CLOUD: Breaker(CLOSED)})
    assert outcome(half, count=3) == ("self-hosted-primary", "SCC")
    assert outcome(replace(half, jobs=1), count=3) == ("cloud-fallback", "CCC")
    assert outcome(WELL, count=3)[1] == "SSC"  # without it two slots take two


def test_a_cloud_that_fails_is_left_alone_while_the_wait_is_bearable():
    broken = replace(WELL, breakers={SELF_HOSTED: Breaker(CLOSED), CLOUD: Breaker(OPEN, "lost in the cloud")})
    long = replace(broken, capacity=replace(CAPACITY, pool=Pool((3000.0,)), online=1))
    assert outcome(long) == ("self-hosted-primary", "S")
    assert outcome(long, replace(RULES, weights=Weights(max_wait_seconds=600))) == ("cloud-fallback", "C")


BROKEN_CLOUD = {SELF_HOSTED: Breaker(CLOSED), CLOUD: Breaker(OPEN, "lost in the cloud")}


@pytest.mark.parametrize(
    "breakers", [BROKEN_CLOUD, {**BROKEN_CLOUD, SELF_HOSTED: Breaker(OPEN, "lost here, too")}]
)
def test_a_cloud_that_fails_gets_the_legs_that_would_wait_too_long(breakers):
    """Two slots of 300 s: within 15 minutes of waiting they take four rounds, and the rest goes to the cloud."""
    rules = replace(RULES, weights=Weights(max_wait_seconds=900))
    situation = replace(WELL, breakers=breakers)
    assert outcome(situation, rules, 10)[1] == "SSSSSSSSCC"
    found = decide(legs(10), situation, rules)
    assert [one.wait_seconds for one in found.placements][::2] == [0, 300, 600, 900, 1200]
    assert "lost in the cloud" in found.reason
    assert "8 of 10 legs are self-hosted" in found.reason


def test_a_cloud_that_is_tried_again_gets_one_leg_of_many():
    half = replace(WELL, breakers={**BROKEN_CLOUD, CLOUD: Breaker(HALF_OPEN, "tried")})
    assert outcome(half, count=5)[1] == "SSCSS"
    assert outcome(replace(half, capacity=replace(CAPACITY, online=0, pool=Pool(()))), count=2)[1] == "CC"


def test_a_first_leg_that_waits_too_long_says_so_and_not_that_the_cloud_is_sooner():
    late = replace(WELL, breakers=BROKEN_CLOUD, capacity=replace(CAPACITY, pool=Pool((3000.0,)), online=1))
    found = decide(legs(), late, replace(RULES, weights=Weights(max_wait_seconds=600)))
    assert "longer than max-wait-minutes; lost in the cloud" in found.reason


def test_a_runner_that_is_offline_has_no_health_for_the_score():
    gone = replace(WELL, capacity=replace(CAPACITY, online=0, pool=Pool(())))
    score = replace(RULES, policy="score")
    assert outcome(gone, score) == ("cloud-fallback", "C")
    assert outcome(WELL, score) == ("self-hosted-primary", "S")


def test_the_host_is_watched_if_any_leg_runs_on_it_and_it_is_not_known_to_be_well():
    first_away = [Leg("a", Estimate(900, 5, "runs"), Estimate(60, 5, "runs")), *legs(1)]
    assert decide(first_away, replace(WELL, health="degraded"), RULES).monitor
    assert decide(first_away, replace(WELL, health="degraded"), RULES).strategy == "cloud-fallback"
    assert not decide(first_away, WELL, RULES).monitor


def test_idle_counts_what_is_spoken_for():
    idle = replace(RULES, policy="idle")
    assert outcome(WELL, idle, 3)[1] == "SSC"
    assert outcome(replace(WELL, capacity=replace(CAPACITY, reserved=1)), idle, 3)[1] == "SCC"
    assert outcome(replace(WELL, capacity=replace(CAPACITY, busy=1, queued=1)), idle, 3)[1] == "CCC"
    assert (
        outcome(replace(WELL, capacity=replace(CAPACITY, busy=2)), replace(RULES, policy="online"), 3)[1]
        == "SSS"
    )
