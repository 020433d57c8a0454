"""How many slots there are, when each is free, and who is ahead: from whichever source knows most.

The runners' list of the API knows slots and which are busy; a fresh heartbeat knows the slots of its host; jobs tell
which runners were at work lately. What no source tells is unknown, and an unknown slot is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smart_dispatch.activity import Activity
from smart_dispatch.durations import Durations
from smart_dispatch.expected_time import Pool
from smart_dispatch.heartbeats import Pulse
from smart_dispatch.job_records import INFRASTRUCTURE, SELF_HOSTED, ActiveJob, JobRecord
from smart_dispatch.runner_labels import RunnerLabels

SEEN_SECONDS = 1800.0  # runners that worked so lately are taken to be there
STUCK_SECONDS = 300.0  # a job that waits so long beside a free slot while nothing begins: nobody takes it
RESERVED_SECONDS = 600.0  # a run that began so lately may still ask for its jobs


@dataclass(frozen=True, slots=True)
class Capacity:
    """Slots with their times, as counts and as a pool. `online` None: not known, and the pool is empty."""

    pool: Pool
    online: int | None
    busy: int
    queued: int
    reserved: int
    source: str
    age_seconds: float
    stuck: bool = False


@dataclass(frozen=True, slots=True)
class _Slots:
    """Slots that are online, those that are busy, who says so, and how long ago that was."""

    online: int | None
    busy: int
    source: str
    age_seconds: float = 0.0


def capacity_of(
    labels: RunnerLabels,
    activity: Activity,
    pulse: Pulse,
    records: Sequence[JobRecord],
    durations: Durations,
    *,
    own_run: int,
    now: float,
) -> Capacity:
    """What the slots for these labels are like."""
    mine = _competing(labels, activity, records)
    running = [one for one in mine if one.runner]
    waiting = sorted((one for one in mine if not one.runner), key=lambda one: one.since)
    slots = _slots(labels, activity, pulse, records, running, now=now)
    online = slots.online
    busy = min(slots.busy, online or 0)
    stuck = _is_stuck(activity, online, busy, running, waiting, records, now=now)
    if stuck:
        online, busy = 0, 0
    factor, middle = activity.extrapolation(), _typical(durations, mine)
    left = sorted(
        durations.remaining(one.job, one.workflow, SELF_HOSTED, max(0.0, now - one.since)) for one in running
    )
    # Of a slot that is busy with we know not what, half of a run is left on average.
    times = left[:busy] + [middle / 2] * (busy - len(left)) + [0.0] * ((online or 0) - busy)
    ahead = [durations.estimate(one.job, one.workflow, SELF_HOSTED).seconds for one in waiting]
    ahead += [middle] * round(len(waiting) * (factor - 1))
    queued = len(ahead)
    reserved = _reserved(activity, records, own_run=own_run, now=now)
    pool = Pool(tuple(times) if online else (), (*ahead, *[middle] * reserved))
    return Capacity(pool, online, busy, queued, reserved, slots.source, slots.age_seconds, stuck=stuck)


def _competing(labels: RunnerLabels, activity: Activity, records: Sequence[JobRecord]) -> list[ActiveJob]:
    """Jobs that one of our runners could take, or runs: all that they ask for, such a runner has."""
    if activity.runners is not None:
        known = [one.labels for one in activity.runners]
    else:
        # A runner has at least the labels of every job that it ran, and ours has at least those that we ask for.
        ran: dict[str, set[str]] = {}
        for one in records:
            if labels.may_be_in(one.group):
                ran.setdefault(one.runner, set()).update(one.labels)
        known = [
            labels.labels,
            *(tuple(some) for name, some in ran.items() if name and labels.are_met_by(some)),
        ]
    lower = [{label.lower() for label in some} for some in known]
    names = {one.name for one in activity.runners or ()}
    return [
        one
        for one in activity.jobs
        if one.runner_class == SELF_HOSTED and labels.may_be_in(one.group)
        and (one.runner in names or any({label.lower() for label in one.labels} <= some for some in lower))
    ]  # fmt: skip


def _slots(
    labels: RunnerLabels,
    activity: Activity,
    pulse: Pulse,
    records: Sequence[JobRecord],
    running: Sequence[ActiveJob],
    *,
    now: float,
) -> _Slots:
    if activity.runners is not None:
        online = [one for one in activity.runners if one.online]
        return _Slots(len(online), sum(one.busy for one in online), "runners API")
    beat = pulse.beat
    if beat and beat.slots is not None:
        return _Slots(beat.slots, max(beat.active_jobs or 0, len(running)), "heartbeat", beat.age(now))
    # What was seen before a heartbeat stopped says nothing of now.
    since = max(now - SEEN_SECONDS, pulse.last)
    lately = [
        one
        for one in records
        if one.runner and one.ended >= since and one.outcome != INFRASTRUCTURE
        and one.runner_class == SELF_HOSTED and labels.may_be_in(one.group) and labels.are_met_by(one.labels)
    ]  # fmt: skip
    if not lately and not running:
        return _Slots(None, 0, "nothing")
    # As many as were at work at one moment: a runner that is made for each job has a new name each time.
    spans = [(one.began, one.ended) for one in lately] + [(one.since, now) for one in running]
    newest = now if running else max(one.ended for one in lately)
    return _Slots(_most_at_once(spans), len(running), "jobs that ran lately", max(0.0, now - newest))


def _most_at_once(spans: Sequence[tuple[float, float]]) -> int:
    return max(sum(begin <= moment < max(end, begin + 1) for begin, end in spans) for moment, _ in spans)


def _is_stuck(
    activity: Activity,
    online: int | None,
    busy: int,
    running: Sequence[ActiveJob],
    waiting: Sequence[ActiveJob],
    records: Sequence[JobRecord],
    *,
    now: float,
) -> bool:
    """Whether jobs wait although slots seem to be free. Where not all was read, what runs may be what was not."""
    whole = activity.runners is not None or activity.extrapolation() == 1.0
    if not (online and busy < online and waiting and whole):
        return False
    begins = [one.since for one in running] + [
        one.began for one in records if one.runner_class == SELF_HOSTED
    ]
    quiet_since = max([waiting[0].since, *begins])
    return now - quiet_since > STUCK_SECONDS


def _typical(durations: Durations, jobs: Sequence[ActiveJob]) -> float:
    """Seconds of a job like these."""
    seconds = [durations.estimate(one.job, one.workflow, SELF_HOSTED).seconds for one in jobs]
    return sum(seconds) / len(seconds) if seconds else durations.estimate("", "", SELF_HOSTED).seconds


def _reserved(activity: Activity, records: Sequence[JobRecord], *, own_run: int, now: float) -> int:
    """Jobs that young runs will ask the slots for, as the runs of their workflow did before, and have not yet.

    Of runs whose jobs were not read, the extrapolation counts them.
    """
    runs: dict[str, dict[str, list[JobRecord]]] = {}
    for one in records:
        runs.setdefault(one.workflow, {}).setdefault(one.run, []).append(one)
    expected = 0.0
    for number, workflow, begun in activity.young_runs:
        before = [some for run, some in runs.get(workflow, {}).items() if run != str(number)]
        if (
            number == own_run
            or number not in activity.runs_read
            or not before
            or now - begun > RESERVED_SECONDS
        ):
            continue
        usual = sum(map(len, before)) / len(before)
        ours = sum(one.runner_class == SELF_HOSTED for some in before for one in some) / len(before)
        shown = sum(job.run == number for job in activity.jobs) + len(runs[workflow].get(str(number), ()))
        expected += max(0.0, usual - shown) * ours / usual
    return round(expected)
