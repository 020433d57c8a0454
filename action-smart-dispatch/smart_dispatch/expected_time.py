"""Which class finishes a job first: the wait for a slot and the run there, against the cloud's start and run.

Slots are filled in the order in which GitHub does it: a free runner takes the oldest job that it can run.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from smart_dispatch.durations import Estimate
from smart_dispatch.job_records import CLOUD, SELF_HOSTED


@dataclass(frozen=True, slots=True)
class Pool:
    """The self-hosted slots: seconds until each is free, and the seconds of each job that is ahead in the queue."""

    free_in: tuple[float, ...]
    ahead: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Weights:
    """What bends the comparison.

    `cost_factor`: a minute in the cloud counts so many. `slow_down`: how much longer a run takes on the host as it is
    now. `cloud_start_seconds`: until a cloud runner begins. `max_wait_seconds`: never wait longer for a slot.
    """

    cost_factor: float = 1.0
    slow_down: float = 1.0
    cloud_start_seconds: float = 30.0
    max_wait_seconds: float = float("inf")


@dataclass(frozen=True, slots=True)
class Leg:
    """One job to place, with its estimates on both classes."""

    name: str
    self_hosted: Estimate
    cloud: Estimate


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a leg goes, and what was expected of both classes, in seconds from now; without a slot it is infinite."""

    leg: Leg
    runner_class: str
    wait_seconds: float
    self_hosted_seconds: float
    cloud_seconds: float


def place_legs(
    legs: Sequence[Leg], pool: Pool, weights: Weights, *, cloud_legs: int | None = None
) -> list[Placement]:
    """Place legs one after the other: each that goes to a slot makes the next one wait longer.

    `cloud_legs`: after so many in the cloud the others count it as endless, and go there only where no slot is free
    within `max_wait_seconds`. None: any number.
    """
    free = list(pool.free_in)
    heapq.heapify(free)
    for seconds in pool.ahead:
        if free:
            heapq.heapreplace(free, free[0] + seconds)
    placements: list[Placement] = []
    for leg in legs:
        wait = free[0] if free else float("inf")
        there = with_retry(leg.cloud, weights.cloud_start_seconds, other_seconds=leg.cloud.seconds)
        run = with_retry(leg.self_hosted, 0.0, other_seconds=weights.cloud_start_seconds + leg.cloud.seconds)
        here = wait + run * weights.slow_down
        in_cloud = sum(one.runner_class == CLOUD for one in placements)
        spared = cloud_legs is not None and in_cloud >= cloud_legs
        sooner = spared or here <= there * weights.cost_factor
        worth = bool(free) and sooner and wait <= weights.max_wait_seconds
        if worth:
            heapq.heapreplace(free, free[0] + leg.self_hosted.seconds * weights.slow_down)
        placements.append(Placement(leg, SELF_HOSTED if worth else CLOUD, wait, here, there))
    return placements


def with_retry(estimate: Estimate, start_seconds: float, *, other_seconds: float) -> float:
    """Seconds until a run ends, with the share of runs that the class spoils made good by a second one."""
    lost = 1 - estimate.reliable_share
    return start_seconds + estimate.seconds + lost * other_seconds
