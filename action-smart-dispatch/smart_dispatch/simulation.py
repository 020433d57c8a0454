"""Replays a trace under a policy: slots that take the oldest job, a cloud without end, outages that are seen late.

A policy sees what a dispatcher can see, never a duration before the job has ended. The clairvoyant sees all.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from smart_dispatch.durations import Durations
from smart_dispatch.job_records import CLOUD, INFRASTRUCTURE, SELF_HOSTED, SUCCESS, JobRecord
from smart_dispatch.traces import Trace, TraceJob

SEEN_AFTER_SECONDS = (
    120.0  # until the API, or a heartbeat that is missing, tells that the host is away or back
)
LOST_AFTER_SECONDS = 600.0  # until GitHub gives a job up whose runner is gone, and it is asked for again
START_SECONDS = 30.0  # of a cloud runner
WORKFLOW = "trace"
ENDED_SEEN = 50


@dataclass(slots=True)
class SimulatedJob:
    """A job on its way. `began`: on what it runs now."""

    of: TraceJob
    runner_class: str = ""
    decided: float = 0.0
    began: float = 0.0
    wait: float = 0.0  # the longest, for a slot
    outage_was_seen: bool = False  # when it was sent to the slots


@dataclass(frozen=True, slots=True)
class View:
    """What a dispatcher sees at one moment. `running` has names and the seconds since their begin."""

    now: float
    online: int
    running: tuple[tuple[str, float], ...]
    queued: tuple[str, ...]
    durations: Durations
    ended: tuple[JobRecord, ...]  # the last ones


@dataclass(slots=True)
class Outcome:
    """What became of the jobs: seconds from submit to end, waits for a slot, and what the cloud was used."""

    completions: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    cloud_seconds: float = 0.0
    cloud_jobs: int = 0
    waits_in_seen_outage: int = 0  # over an hour, although the outage was seen when it was decided

    @property
    def waits_over_an_hour(self) -> int:
        """Jobs that waited longer than an hour for a slot."""
        return sum(wait > 3600 for wait in self.waits)

    def percentile(self, share: float) -> float:
        """Seconds that this share of the jobs did not exceed."""
        ordered = sorted(self.completions)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


# Chooses a class for a job.
Policy = Callable[["Simulation", SimulatedJob, View], str]


class Simulation:
    """One replay. Events of one moment happen in the order in which they were planned."""

    def __init__(self, trace: Trace, *, slots: int, policy: Policy) -> None:
        self.trace, self.slots = trace, slots
        self._policy = policy
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._now = 0.0
        self.running: list[SimulatedJob] = []
        self.queue: deque[SimulatedJob] = deque()
        self._durations = Durations([])
        self._ended: deque[JobRecord] = deque(maxlen=ENDED_SEEN)
        self._outcome = Outcome()

    def run(self) -> Outcome:
        """Replay the whole trace."""
        for job in self.trace.jobs:
            self._at(job.submit, partial(self._decide, SimulatedJob(job)))
        for outage in self.trace.outages:
            self._at(outage.begin, self._go_away)
            self._at(outage.end, self._start_waiting)
        while self._events:
            self._now, _, happen = heapq.heappop(self._events)
            happen()
        return self._outcome

    def is_away(self, when: float) -> bool:
        """Whether the host is away."""
        return any(one.begin <= when < one.end for one in self.trace.outages)

    def seen_away(self, when: float) -> bool:
        """Whether the host is away as far as anybody knows."""
        return self.is_away(max(0.0, when - SEEN_AFTER_SECONDS))

    def view(self) -> View:
        """What is seen now."""
        return View(
            now=self._now,
            online=0 if self.seen_away(self._now) else self.slots,
            running=tuple((one.of.name, self._now - one.began) for one in self.running),
            queued=tuple(one.of.name for one in self.queue),
            durations=self._durations,
            ended=tuple(self._ended),
        )

    def _decide(self, job: SimulatedJob) -> None:
        job.decided = self._now
        job.outage_was_seen = self.seen_away(self._now)
        job.runner_class = self._policy(self, job, self.view())
        if job.runner_class == SELF_HOSTED:
            self.queue.append(job)
            self._start_waiting()
            return
        job.began = self._now + START_SECONDS
        self._outcome.cloud_seconds += job.of.cloud
        self._outcome.cloud_jobs += 1
        self._at(job.began + job.of.cloud, partial(self._end, job))

    def _start_waiting(self) -> None:
        while self.queue and len(self.running) < self.slots and not self.is_away(self._now):
            job = self.queue.popleft()
            wait = self._now - job.decided
            job.wait = max(job.wait, wait)
            self._outcome.waits_in_seen_outage += wait > 3600 and job.outage_was_seen
            job.began = self._now
            self.running.append(job)
            self._at(self._now + job.of.self_hosted, partial(self._end_on_slot, job, self._now))

    def _end_on_slot(self, job: SimulatedJob, began: float) -> None:
        if job in self.running and job.began == began:  # else it was lost
            self.running.remove(job)
            self._end(job)
            self._start_waiting()

    def _end(self, job: SimulatedJob) -> None:
        self._outcome.completions.append(self._now - job.of.submit)
        self._outcome.waits.append(job.wait)
        seconds = job.of.self_hosted if job.runner_class == SELF_HOSTED else job.of.cloud
        self._learn(job, SUCCESS, seconds)

    def _go_away(self) -> None:
        for job in self.running:
            self._at(self._now + LOST_AFTER_SECONDS, partial(self._give_up, job))
        self.running.clear()

    def _give_up(self, job: SimulatedJob) -> None:
        self._learn(job, INFRASTRUCTURE, self._now - job.began)
        self._decide(job)

    def _learn(self, job: SimulatedJob, outcome: str, seconds: float) -> None:
        record = JobRecord("", job.of.name, WORKFLOW, job.runner_class, outcome, seconds, self._now)
        self._durations.add(record)
        self._ended.append(record)

    def _at(self, when: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, self._count, happen))
        self._count += 1


def clairvoyant(simulation: Simulation, job: SimulatedJob, view: View) -> str:
    """The class on which the job ends first, with all durations and outages known."""
    free = [one.began + one.of.self_hosted for one in simulation.running]
    free += [view.now] * (simulation.slots - len(free))
    heapq.heapify(free)
    for waiting in [*simulation.queue, job]:
        begin = _when_back(simulation, max(free[0], view.now))
        end = begin + waiting.of.self_hosted
        heapq.heapreplace(free, end)
    lost = any(begin < one.begin < end for one in simulation.trace.outages)
    return SELF_HOSTED if not lost and end <= view.now + START_SECONDS + job.of.cloud else CLOUD


def _when_back(simulation: Simulation, when: float) -> float:
    return next((one.end for one in simulation.trace.outages if one.begin <= when < one.end), when)
