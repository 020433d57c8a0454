"""The source document's dispatch in a replayed trace: a health job on the host itself, then a choice by its score.

Source document, lines 1812-2041. Faithful with its defects: the health job waits in the host's own queue, so that it
can say nothing while the host is away or full; what is lost is not asked for again by anything in the workflow.
"""

from __future__ import annotations

from functools import partial

from smart_dispatch.job_records import CLOUD, SELF_HOSTED
from smart_dispatch.simulation import START_SECONDS, SimulatedJob, Simulation, View
from smart_dispatch.traces import Trace, TraceJob

HEALTH_SECONDS = 5.0
DISPATCH_SECONDS = START_SECONDS + 5.0  # the dispatcher is a job in the cloud; lines 1956-2002
QUEUED_AT_MOST_SECONDS = (
    24 * 3600.0
)  # GitHub then cancels a queued job; `timeout-minutes: 3` counts from its start
CORES_PER_SLOT = 2


def health_score(
    *,
    load: float,
    memory_percent: float,
    disk_percent: float,
    active_jobs: int,
    cache_available: bool = True,
    network_ok: bool = True,
) -> int:
    """From 0 to 100. Source document, lines 1890-1928."""
    score = 100
    score -= 40 if load > 8 else 20 if load > 4 else 0
    score -= 30 if memory_percent > 85 else 15 if memory_percent > 70 else 0
    score -= 20 if disk_percent > 90 else 10 if disk_percent > 80 else 0
    score -= 25 if active_jobs > 3 else 10 if active_jobs > 1 else 0
    return score - (0 if cache_available else 15) - (0 if network_ok else 20)


def runner_class(score: int | None) -> str:
    """Source document, lines 1940-1953 and 1981-1994; None: the health job did not succeed."""
    return SELF_HOSTED if score is not None and score >= 50 else CLOUD


class DocumentSimulation(Simulation):
    """A replay in which each job is preceded by its health job on the host and the dispatcher in the cloud."""

    def __init__(self, trace: Trace, *, slots: int) -> None:
        super().__init__(trace, slots=slots, policy=self._as_chosen)
        self._asks_for: dict[int, SimulatedJob] = {}  # by the health job's identity
        self._checks: list[SimulatedJob] = []
        self._chosen: dict[int, str] = {}

    def _decide(self, job: SimulatedJob) -> None:
        check = SimulatedJob(TraceJob("health", self._now, HEALTH_SECONDS, HEALTH_SECONDS))
        check.decided, check.runner_class = self._now, SELF_HOSTED
        self._checks.append(check)
        self._asks_for[id(check)] = job
        self.queue.append(check)
        self._queued["health"] += 1
        self._at(self._now + QUEUED_AT_MOST_SECONDS, partial(self._cancel, check))
        self._start_waiting()

    def _end(self, job: SimulatedJob) -> None:
        if id(job) in self._asks_for:
            self._answer(job, self._score(self.view()))
        else:
            super()._end(job)

    def _give_up(self, job: SimulatedJob) -> None:
        if id(job) in self._asks_for:
            self._answer(job, None)
        else:
            super()._give_up(job)

    def _cancel(self, check: SimulatedJob) -> None:
        if check in self.queue:
            self.queue.remove(check)
            self._queued["health"] -= 1
            self._answer(check, None)

    def _answer(self, check: SimulatedJob, score: int | None) -> None:
        job = self._asks_for.pop(id(check))
        self._chosen[id(job)] = runner_class(score)
        self._at(self._now + DISPATCH_SECONDS, partial(super()._decide, job))

    def _as_chosen(self, _simulation: Simulation, job: SimulatedJob, _view: View) -> str:
        return self._chosen.pop(id(job))

    def _score(self, view: View) -> int:
        """Of a host with two cores a slot, of which a job takes its share, as in the policies' own simulation."""
        share = len(view.running) / self.slots
        # Lines 1872-1873 look for `dotnet.*Runner.Worker`, which no runner's worker is called: never a job.
        return health_score(
            load=CORES_PER_SLOT * self.slots * share,
            memory_percent=20 + 60 * share,
            disk_percent=50,
            active_jobs=0,
        )
