"""Slots, queue and reservations, from what different sources show."""

from __future__ import annotations

import pytest

from smart_dispatch.activity import Activity, RunnerState
from smart_dispatch.capacity import capacity_of
from smart_dispatch.durations import Durations
from smart_dispatch.heartbeats import Heartbeat, Pulse
from smart_dispatch.job_records import CLOUD, INFRASTRUCTURE, SELF_HOSTED, SUCCESS, ActiveJob, JobRecord
from smart_dispatch.runner_labels import RunnerLabels

NOW = 1_764_000_000.0
LABELS = RunnerLabels(("self-hosted", "linux"))
NO_PULSE = Pulse(None, "there is none")


def runner(name="r1", *more: str, online=True, busy=False) -> RunnerState:
    return RunnerState(name, online, busy, ("self-hosted", "Linux", *more))


def job(age=60.0, *, labels=("self-hosted", "linux"), run=1, on="", kind=SELF_HOSTED) -> ActiveJob:
    return ActiveJob("build", "CI", tuple(labels), NOW - age, run, on, kind)


def ended(
    age,
    *,
    runner="r1",
    seconds=300.0,
    labels=LABELS.labels,
    outcome=SUCCESS,
    kind=SELF_HOSTED,
    run=0,
    name="build",
):
    key = f"{run or age}/1/{name}"
    return JobRecord(key, name, "CI", kind, outcome, seconds, NOW - age, None, runner, tuple(labels))


def seen(activity: Activity, *, pulse=NO_PULSE, records=(), labels=LABELS, own_run=0):
    activity.asked, activity.runs_active = True, max(activity.runs_active, len(activity.runs_read))
    return capacity_of(labels, activity, pulse, records, Durations(records), own_run=own_run, now=NOW)


def test_the_runners_list_says_what_is_online_and_busy():
    found = seen(Activity(runners=[runner("a", busy=True), runner("b"), runner("c", online=False)]))
    assert (found.online, found.busy, found.source) == (2, 1, "runners API")
    assert found.pool.free_in == (150, 0)  # of a run that nobody knows, half is left


def test_jobs_that_our_runners_cannot_take_are_not_ahead_and_those_that_ask_for_less_are():
    activity = Activity(runners=[runner()])
    activity.jobs = [job(9000, labels=("self-hosted", "linux", "gpu")), job(60, labels=("self-hosted",))]
    found = seen(activity)
    assert (found.queued, found.stuck) == (1, False)
    activity.runners = [runner("r1", "GPU")]
    assert seen(activity).queued == 2


def test_without_the_list_what_a_runner_ran_tells_what_it_takes():
    activity = Activity(jobs=[job(60, labels=("self-hosted", "linux", "gpu"))])
    assert seen(activity, records=[ended(60)]).queued == 0
    both = [ended(60), ended(120, labels=("self-hosted", "gpu"))]  # the same runner
    assert seen(activity, records=both).queued == 1


def test_a_job_that_waits_beside_a_free_slot_while_nothing_begins_means_that_nobody_takes_it():
    waiting = [job(700)]
    assert seen(Activity(runners=[runner()], jobs=waiting)).stuck
    assert not seen(Activity(runners=[runner(busy=True)], jobs=waiting)).stuck
    # A queue that moves: something has begun meanwhile.
    assert not seen(Activity(runners=[runner()], jobs=waiting), records=[ended(7, seconds=100)]).stuck
    # Not all was read: what runs may be what was not.
    assert not seen(Activity(jobs=waiting, runs_active=4, runs_read={1}), records=[ended(900)]).stuck


def test_a_heartbeats_slots_are_all_there_are():
    pulse = Pulse(Heartbeat(NOW - 30, 100, slots=1, active_jobs=3), "", NOW - 30)
    found = seen(Activity(), pulse=pulse)
    assert (found.online, found.busy, len(found.pool.free_in)) == (1, 1, 1)
    assert found.age_seconds == 30


@pytest.mark.parametrize(
    ("records", "online"),
    [
        ([], None),
        ([ended(60)], 1),
        ([ended(1900)], None),  # too long ago
        ([ended(60, outcome=INFRASTRUCTURE)], None),  # lost with its runner
        ([ended(60, kind=CLOUD)], None),
        ([ended(60, labels=("self-hosted", "windows"))], None),
        ([ended(60), ended(100, runner="r2")], 2),  # at the same time
        ([ended(60 + 310 * n, runner=f"made for {n}") for n in range(5)], 1),  # one after the other
    ],
)
def test_jobs_that_ran_lately_tell_of_as_many_runners_as_were_at_work_at_once(records, online):
    assert seen(Activity(), records=records).online == online


def test_what_was_seen_before_a_heartbeat_stopped_says_nothing_of_now():
    stopped = Pulse(None, "it is 25 minutes old", NOW - 1500)
    assert seen(Activity(), pulse=stopped, records=[ended(1560)]).online is None
    assert seen(Activity(), pulse=stopped, records=[ended(60)]).online == 1


def test_what_is_known_exactly_is_not_extrapolated():
    activity = Activity(
        runners=[runner(f"r{n}", busy=n < 3) for n in range(10)], runs_active=15, runs_read={1, 2, 3}
    )
    activity.jobs = [job(60, on=f"r{n}", run=1) for n in range(3)]
    assert seen(activity).busy == 3


def test_young_runs_ask_for_what_such_runs_asked_for_and_have_not_yet():
    before = [ended(9000 + n, run=100 + n, name=name) for n in range(3) for name in ("build", "test")]
    young = [(7, "CI", NOW - 30)]
    activity = Activity(runners=[runner()], young_runs=young, runs_read={7})
    assert seen(activity, records=before).reserved == 2
    activity.jobs = [job(run=7)]
    assert seen(activity, records=before).reserved == 1
    activity.jobs = [job(run=7, kind=CLOUD), job(run=7, kind=CLOUD)]  # decided already
    assert seen(activity, records=before).reserved == 0
    activity.jobs = []
    assert seen(activity, records=before, own_run=7).reserved == 0
    activity.runs_read = set()  # extrapolated instead
    assert seen(activity, records=before).reserved == 0
    activity.runs_read, activity.young_runs = {7}, [(7, "CI", NOW - 1000)]
    assert seen(activity, records=before).reserved == 0
