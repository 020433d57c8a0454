"""The policies as a simulation plays them: with the same code that decides, and what a dispatcher would see."""

from __future__ import annotations

from collections.abc import Mapping

from actionlib.metrics import score
from smart_dispatch.breaker import breaker_of
from smart_dispatch.capacity import Capacity
from smart_dispatch.decision import Rules, Situation, decide
from smart_dispatch.expected_time import Leg, Pool, Weights
from smart_dispatch.job_records import CLASSES, SELF_HOSTED
from smart_dispatch.simulation import (
    START_SECONDS,
    WORKFLOW,
    Policy,
    SimulatedJob,
    Simulation,
    View,
    clairvoyant,
)
from smart_dispatch.source_score import penalties_with, status_of
from smart_dispatch.trust import Trust

CLAIRVOYANT, ALWAYS = "clairvoyant", "always self-hosted"
TRUSTED = Trust(trusted=True, reasons=("a trace",))


def policies(weights: Weights) -> Mapping[str, Policy]:
    """All of them by name; the first two are for comparison."""

    def always(_simulation: Simulation, _job: SimulatedJob, _view: View) -> str:
        return SELF_HOSTED

    def by(policy: str) -> Policy:
        rules = Rules(policy, enable_fallback=True, untrusted="fallback", weights=weights)

        def choose(simulation: Simulation, job: SimulatedJob, view: View) -> str:
            return decide([_leg(job, view)], _situation(simulation, view), rules).runner_class

        return choose

    named = {policy: by(policy) for policy in ("expected-time", "score", "online", "idle")}
    return {ALWAYS: always, CLAIRVOYANT: clairvoyant, **named}


def weights_of(cost_factor: float, max_wait_minutes: float) -> Weights:
    """Of a simulated cloud."""
    return Weights(
        cost_factor=cost_factor, cloud_start_seconds=START_SECONDS, max_wait_seconds=60 * max_wait_minutes
    )


def _leg(job: SimulatedJob, view: View) -> Leg:
    return Leg(job.of.name, *(view.durations.estimate(job.of.name, WORKFLOW, kind) for kind in CLASSES))


def _situation(simulation: Simulation, view: View) -> Situation:
    return Situation(
        trust=TRUSTED,
        health=_health(simulation.slots, view),
        capacity=_capacity(view),
        breakers={kind: breaker_of(view.ended, kind, now=view.now) for kind in CLASSES},
        trials=len(view.running) + len(view.queued),
    )


def _capacity(view: View) -> Capacity:
    known = view.durations
    left = sorted(known.remaining(name, WORKFLOW, SELF_HOSTED, elapsed) for name, elapsed in view.running)
    busy = min(view.online, len(left))
    free = (*left[:busy], *[0.0] * (view.online - busy))
    ahead = tuple(known.estimate(name, WORKFLOW, SELF_HOSTED).seconds for name in view.queued)
    return Capacity(Pool(free, ahead), view.online, busy, len(ahead), 0, "simulation", 0.0)


def _health(slots: int, view: View) -> str:
    """By the source document's points, of a host with two cores a slot, of which a job takes its share."""
    if not view.online:
        return "unknown"
    jobs = len(view.running)
    figures = {
        "load-per-core": jobs / slots,
        "memory-percent": 20.0 + 60.0 * jobs / slots,
        "disk-percent": 50.0,
        "active-jobs": float(jobs),
    }
    return status_of(score(figures, penalties_with({})))
