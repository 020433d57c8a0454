"""A circuit breaker for each class: after repeated failures of its runners it is not used for a while.

Nygard, Release It!, "Circuit Breaker": closed, open, and half-open, in which one trial decides. Its state is derived
from the jobs that anybody can see: nothing is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smart_dispatch.job_records import FAILURE, INFRASTRUCTURE, SUCCESS, JobRecord

OPENS_AFTER = 3  # failures in a row
WITHIN_SECONDS = 3600.0  # of each other
OPEN_SECONDS = 600.0  # doubled with each further failure
MOST_OPEN_SECONDS = 4 * 3600.0
CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state of one class's breaker, and why."""

    state: str
    reason: str = ""

    def admits(self, jobs: int) -> bool:
        """Whether one more job may go there while so many are there: half-open, only the first."""
        return self.state == CLOSED or (self.state == HALF_OPEN and jobs == 0)

    def most_jobs(self) -> int | None:
        """How many of several jobs may go there; None: all."""
        return {CLOSED: None, HALF_OPEN: 1, OPEN: 0}[self.state]


def breaker_of(records: Sequence[JobRecord], runner_class: str, *, now: float) -> Breaker:
    """Of a class, from its jobs that ended. A job that ran to its end, good or bad, closes it."""
    mine = sorted((one for one in records if one.runner_class == runner_class), key=lambda one: one.ended)
    failures: list[float] = []
    for one in mine:
        far = bool(failures) and one.ended - failures[-1] > WITHIN_SECONDS
        if far or one.outcome in (SUCCESS, FAILURE):
            failures.clear()
        if one.outcome == INFRASTRUCTURE:
            failures.append(one.ended)
    if len(failures) < OPENS_AFTER:
        return Breaker(CLOSED)
    told = f"the last {len(failures)} jobs on {runner_class} failed with their runner"
    pause = min(MOST_OPEN_SECONDS, OPEN_SECONDS * 2 ** min(10, len(failures) - OPENS_AFTER))
    left = failures[-1] + pause - now
    if left > 0:
        return Breaker(OPEN, f"{told}; tried again in {left / 60:.0f} minutes")
    return Breaker(HALF_OPEN, f"{told}; one job tries it again")
