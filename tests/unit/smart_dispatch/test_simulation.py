"""The replay: slots, queue, outages; and that the default policy is as good as it is said to be."""

from __future__ import annotations

import pytest

from smart_dispatch.job_records import CLOUD, SELF_HOSTED
from smart_dispatch.simulated_policies import CLAIRVOYANT, policies, weights_of
from smart_dispatch.simulation import LOST_AFTER_SECONDS, START_SECONDS, Simulation
from smart_dispatch.traces import Outage, Trace, TraceJob, synthetic_trace

SLOTS = 4
SEEDS = range(100, 108)  # others than those that the policy was tuned with


def replay(jobs, outages=(), *, slots=1, policy=lambda *_: SELF_HOSTED):
    trace = Trace(tuple(TraceJob("job", *one) for one in jobs), tuple(Outage(*one) for one in outages))
    return Simulation(trace, slots=slots, policy=policy).run()


def test_slots_take_the_oldest_job():
    outcome = replay([(0, 100, 1), (10, 100, 1), (20, 100, 1)])
    assert sorted(outcome.completions) == [100, 190, 280]
    assert sorted(outcome.waits) == [0, 90, 180]
    assert sorted(replay([(0, 100, 1), (10, 100, 1), (20, 100, 1)], slots=2).completions) == [100, 100, 180]


def test_the_cloud_has_room_for_all_and_is_paid_for():
    outcome = replay([(0, 100, 50), (0, 100, 50)], policy=lambda *_: CLOUD)
    assert outcome.completions == [START_SECONDS + 50] * 2
    assert (outcome.cloud_seconds, outcome.cloud_jobs) == (100, 2)


def test_an_outage_loses_what_runs_and_keeps_what_waits():
    outcome = replay([(0, 100, 1), (10, 100, 1)], [(50, 5000)])
    # The waiting one runs first when the host is back; the lost one was asked for again meanwhile.
    assert sorted(outcome.completions) == [5000 + 100 - 10, 5000 + 200]
    assert LOST_AFTER_SECONDS < 5000


def test_every_job_ends_once_under_every_policy():
    trace = synthetic_trace(7, jobs=300)
    for choose in policies(weights_of(1.0, 60)).values():
        assert len(Simulation(trace, slots=SLOTS, policy=choose).run().completions) == 300


@pytest.mark.parametrize("speed", [2.5, 2.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_expected_time_is_near_the_clairvoyant_and_far_below_idle(seed, speed):
    trace = synthetic_trace(seed, jobs=1500, slots=SLOTS, speed=speed)
    chosen = policies(weights_of(1.0, 60))
    played = {
        name: Simulation(trace, slots=SLOTS, policy=chosen[name]).run()
        for name in (CLAIRVOYANT, "idle", "expected-time")
    }
    ours, best, idle = (played[name] for name in ("expected-time", CLAIRVOYANT, "idle"))
    assert ours.percentile(0.95) <= 1.08 * best.percentile(0.95)
    assert ours.percentile(0.95) <= 0.92 * idle.percentile(0.95)
    assert ours.cloud_seconds <= 0.65 * idle.cloud_seconds
    assert ours.waits_in_seen_outage == 0
