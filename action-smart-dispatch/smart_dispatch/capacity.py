"""How many slots there are, when each is free, and who is ahead: from whichever source knows most.

The runners' list of the API knows slots and which are busy; a fresh heartbeat knows the slots of its host; jobs tell
which runners were seen lately. What no source tells is unknown, and an unknown slot is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smart_dispatch.activity import Activity
from smart_dispatch.durations import Durations
from smart_dispatch.expected_time import Pool
from smart_dispatch.heartbeats import Heartbeat
from smart_dispatch.job_records import SELF_HOSTED, ActiveJob, JobRecord, class_of
from smart_dispatch.runner_labels import RunnerLabels

SEEN_SECONDS = 1800.0  # a runner that ended a job so lately is taken to be there
STUCK_SECONDS = 300.0  # a job that waits so long beside a free slot: nobody takes it
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


def capacity_of(
    labels: RunnerLabels,
    activity: Activity,
    heartbeat: Heartbeat | None,
    records: Sequence[JobRecord],
    durations: Durations,
    *,
    own_run: int,
    now: float,
) -> Capacity:
    """What the slots for these labels are like."""
    mine = [
        one for one in activity.jobs if class_of(one.labels) == SELF_HOSTED and labels.are_met_by(one.labels)
    ]
    running = [one for one in mine if one.runner]
    waiting = sorted((one for one in mine if not one.runner), key=lambda one: one.since)
    online, busy, source, age = _slots(labels, activity, heartbeat, records, running, now=now)
    factor = activity.extrapolation()
    busy = max(busy, min(online or 0, round(len(running) * factor)))
    stuck = bool(online and busy < online and waiting and now - waiting[0].since > STUCK_SECONDS)
    if stuck:
        online = 0
    left = [
        durations.remaining(one.job, one.workflow, SELF_HOSTED, max(0.0, now - one.since)) for one in running
    ]
    middle = _typical(durations, running + waiting)
    # Of a slot that is busy with we know not what, half of a run is left on average.
    times = sorted(left)[:busy] + [middle / 2] * (busy - len(left))
    ahead = [durations.estimate(one.job, one.workflow, SELF_HOSTED).seconds for one in waiting]
    ahead += [middle] * round(len(waiting) * (factor - 1))
    reserved = _reserved(activity, records, mine, own_run=own_run, now=now)
    ahead += [middle] * reserved
    pool = Pool(tuple(times + [0.0] * ((online or 0) - busy)) if online else (), tuple(ahead))
    queued = len(ahead) - reserved
    return Capacity(pool, online, busy, queued, reserved, source, age, stuck=stuck)


def _slots(
    labels: RunnerLabels,
    activity: Activity,
    heartbeat: Heartbeat | None,
    records: Sequence[JobRecord],
    running: Sequence[ActiveJob],
    *,
    now: float,
) -> tuple[int | None, int, str, float]:
    """Slots that are online, those that are busy, who says so, and how long ago that was, in seconds."""
    if activity.runners is not None:
        online = [one for one in activity.runners if one.online]
        return len(online), sum(one.busy for one in online), "runners API", 0.0
    if heartbeat and heartbeat.slots is not None:
        return heartbeat.slots, heartbeat.active_jobs or 0, "heartbeat", heartbeat.age(now)
    seen: dict[str, float] = {}
    for one in records:
        if one.runner and now - one.ended <= SEEN_SECONDS and labels.are_met_by(one.labels):
            seen[one.runner] = max(one.ended, seen.get(one.runner, 0.0))
    busy = {one.runner for one in running}
    names = busy | set(seen)
    if names:
        newest = now if busy else max(seen.values())
        return len(names), len(busy), "jobs that ended or run", max(0.0, now - newest)
    return None, 0, "nothing", 0.0


def _typical(durations: Durations, jobs: Sequence[ActiveJob]) -> float:
    """Seconds of a job like these."""
    seconds = [durations.estimate(one.job, one.workflow, SELF_HOSTED).seconds for one in jobs]
    return sum(seconds) / len(seconds) if seconds else durations.estimate("", "", SELF_HOSTED).seconds


def _reserved(
    activity: Activity, records: Sequence[JobRecord], mine: Sequence[ActiveJob], *, own_run: int, now: float
) -> int:
    """Jobs that young runs will ask the slots for, as the runs of their workflow did before, and have not yet."""
    asked: dict[str, dict[str, int]] = {}
    for one in records:
        of_run = asked.setdefault(one.workflow, {})
        of_run[one.key.partition("/")[0]] = of_run.get(one.key.partition("/")[0], 0) + (
            one.runner_class == SELF_HOSTED
        )
    visible: dict[int, int] = {}
    for job in mine:
        visible[job.run] = visible.get(job.run, 0) + 1
    expected = 0.0
    for number, workflow, begun in activity.young_runs:
        before = asked.get(workflow)
        if number != own_run and before and now - begun <= RESERVED_SECONDS:
            usual = sum(before.values()) / len(before)
            done = sum(
                one.key.startswith(f"{number}/") and one.runner_class == SELF_HOSTED for one in records
            )
            expected += max(0.0, usual - visible.get(number, 0) - done)
    return round(expected)
