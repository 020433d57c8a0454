"""The decision: who may run where, whether the slots can be used at all, and what each policy makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from smart_dispatch.breaker import HALF_OPEN, OPEN, Breaker
from smart_dispatch.capacity import Capacity
from smart_dispatch.durations import Estimate
from smart_dispatch.expected_time import Leg, Placement, Weights, place_legs
from smart_dispatch.job_records import CLOUD, SELF_HOSTED
from smart_dispatch.trust import Trust

PRIMARY, MONITORED, FALLBACK = "self-hosted-primary", "self-hosted-monitored", "cloud-fallback"
IN_CLOUD = "the cloud"
FORCED, REFUSED = "force-self-hosted", "refused"
POLICIES = ("expected-time", "score", "online", "idle")


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a decision is made from. `health` is `healthy`, `degraded`, `unhealthy` or `unknown`.

    `unfit`: unhealthy even if its jobs are left aside, whose wait and load the policies count themselves.
    """

    trust: Trust
    health: str
    capacity: Capacity
    breakers: Mapping[str, Breaker]
    unfit: bool = False
    jobs: int = 0  # on the slots or on their way to them


@dataclass(frozen=True, slots=True)
class Rules:
    """What the inputs ask for."""

    policy: str
    enable_fallback: bool
    untrusted: str  # fallback, primary or refuse
    weights: Weights
    elsewhere: str = IN_CLOUD  # what the fallback is
    clash: str = ""  # why the fallback keeps nobody from the host


@dataclass(frozen=True, slots=True)
class Decision:
    """The placements of all legs, the strategy of the first, why, and what would have changed it.

    `monitor`: whether the host should be watched while legs run there.
    """

    strategy: str
    placements: tuple[Placement, ...]
    reason: str
    otherwise: str
    monitor: bool = False

    @property
    def runner_class(self) -> str:
        """Of the first leg."""
        return self.placements[0].runner_class


def decide(legs: Sequence[Leg], situation: Situation, rules: Rules) -> Decision:
    """Trust first, then what the inputs force, then the state of the host, then the policy."""
    if situation.breakers[SELF_HOSTED].state == HALF_OPEN:  # what was lost before is what is tried again
        legs = [replace(one, self_hosted=replace(one.self_hosted, reliable_share=1.0)) for one in legs]
    cloud = situation.breakers[CLOUD]
    timed = place_legs(legs, situation.capacity.pool, rules.weights, cloud_legs=cloud.most_jobs())
    trust = situation.trust
    if not trust.trusted and rules.untrusted != "primary":
        told = "; ".join(trust.reasons)
        if rules.untrusted == "refuse" or not rules.enable_fallback:
            return _all(timed, CLOUD, REFUSED, f"untrusted: {told}", "An approval for this commit")
        if rules.clash:
            reason = f"untrusted: {told}; {rules.clash}"
            return _all(timed, CLOUD, REFUSED, reason, "A fallback that is not the primary")
        where = "in the cloud" if rules.elsewhere == IN_CLOUD else f"on the fallback, {rules.elsewhere}"
        reason = f"untrusted code runs {where}: {told}"
        return _all(timed, CLOUD, FALLBACK, reason, "An approval for this commit")
    if not rules.enable_fallback:
        return _all(timed, SELF_HOSTED, *_forced(situation))
    if rules.policy == "score":
        # In the source document the health job runs on the runner, and fails with it.
        gone = situation.capacity.online == 0
        return _by_score(timed, "unknown, for no runner is online" if gone else situation.health)
    why_not = _unusable(situation)
    if why_not:
        if situation.capacity.online and not situation.unfit and cloud.state == OPEN:
            watched = replace(situation, health="unknown")
            return _placed(timed, watched, f"{why_not}; but {cloud.reason}", "A cloud that works")
        return _all(timed, CLOUD, FALLBACK, why_not, "Runners that are known to be online and well")
    if rules.policy == "expected-time":
        return _by_time(timed, situation, rules)
    return _by_slots(timed, situation, rules.policy)


def _forced(situation: Situation) -> tuple[str, str, str]:
    if situation.health == "healthy":
        return PRIMARY, "the fallback is off, and the host is healthy", "enable-fallback: true"
    if situation.health == "degraded":
        return MONITORED, "the fallback is off, and the host is degraded", "enable-fallback: true"
    return FORCED, f"the fallback is off; the host's health is {situation.health}", "enable-fallback: true"


def _by_score(timed: Sequence[Placement], health: str) -> Decision:
    """The source document's decision matrix; a host that is not known is one whose health job has failed."""
    if health == "healthy":
        return _all(timed, SELF_HOSTED, PRIMARY, "the host is healthy", "A health score below 75")
    if health == "degraded":
        return _all(timed, SELF_HOSTED, MONITORED, "the host is degraded", "A health score below 50")
    return _all(timed, CLOUD, FALLBACK, f"the host's health is {health}", "A fresh heartbeat with 50 points")


def _unusable(situation: Situation) -> str:
    """Why the slots cannot be used; empty when they can."""
    capacity, breaker = situation.capacity, situation.breakers[SELF_HOSTED]
    if situation.unfit:
        return "the host is unhealthy"
    if not breaker.admits(situation.jobs):
        return breaker.reason
    if capacity.stuck:
        return "jobs wait although runners seem to be free: nobody takes them"
    if capacity.online is None:
        return "nothing tells that a self-hosted runner is online"
    if capacity.online == 0:
        return f"no self-hosted runner with these labels is online ({capacity.source})"
    return ""


def _by_time(timed: Sequence[Placement], situation: Situation, rules: Rules) -> Decision:
    first, cloud = timed[0], situation.breakers[CLOUD]
    if first.runner_class == SELF_HOSTED and cloud.state == OPEN:
        return _split(timed, situation, cloud.reason, "A cloud that works")
    here, there = _minutes(first.self_hosted_seconds), _minutes(first.cloud_seconds)
    if first.runner_class == SELF_HOSTED:
        factor = rules.weights.cost_factor
        reason = f"self-hosted ends in about {here}, {rules.elsewhere} in {there}"
        spare = first.cloud_seconds * factor - first.self_hosted_seconds
        otherwise = f"{_minutes(spare)} more to wait"
    elif cloud.state == OPEN or first.self_hosted_seconds <= first.cloud_seconds * rules.weights.cost_factor:
        reason = f"a slot is free in {_minutes(first.wait_seconds)}, which is longer than max-wait-minutes"
        otherwise = "A longer max-wait-minutes"
    else:
        reason = f"{rules.elsewhere} ends in about {there}, self-hosted in {here}"
        spare = first.self_hosted_seconds - first.cloud_seconds * rules.weights.cost_factor
        otherwise = f"{_minutes(spare)} less to wait, or a cost-factor of {_ratio(first):.2g}"
    if cloud.reason:
        reason += f"; {cloud.reason}"
    return _split(timed, situation, reason, otherwise)


def _by_slots(timed: Sequence[Placement], situation: Situation, policy: str) -> Decision:
    """`online`: one online runner is enough; `idle`: as many legs as there are idle ones."""
    capacity = situation.capacity
    free = max(0, (capacity.online or 0) - capacity.busy - capacity.queued - capacity.reserved)
    many = len(timed) if policy == "online" else free
    placed = [
        replace(one, runner_class=SELF_HOSTED if index < many else CLOUD) for index, one in enumerate(timed)
    ]
    reason = f"{capacity.online} runners are online, {free} of them idle and not spoken for"
    otherwise = "No runner online" if policy == "online" else "One runner more or less that is idle"
    return _split(placed, situation, reason, otherwise)


def _split(placed: Sequence[Placement], situation: Situation, reason: str, otherwise: str) -> Decision:
    """After runners that failed again and again, only the first leg tries them."""
    if situation.breakers[SELF_HOSTED].state == HALF_OPEN:  # one job tries it
        placed = [placed[0], *(replace(one, runner_class=CLOUD) for one in placed[1:])]
        reason += f"; {situation.breakers[SELF_HOSTED].reason}"
    return _placed(placed, situation, reason, otherwise)


def _placed(placed: Sequence[Placement], situation: Situation, reason: str, otherwise: str) -> Decision:
    """The strategy is the first leg's; a host that is not known to be healthy is watched."""
    here = sum(one.runner_class == SELF_HOSTED for one in placed)
    if len(placed) > 1:
        reason += f"; {here} of {len(placed)} legs are self-hosted"
    well = situation.health == "healthy"
    strategy = FALLBACK
    if placed[0].runner_class == SELF_HOSTED:
        strategy = PRIMARY if well else MONITORED
    return Decision(strategy, tuple(placed), reason, otherwise, monitor=here > 0 and not well)


def _all(
    timed: Sequence[Placement], runner_class: str, strategy: str, reason: str, otherwise: str
) -> Decision:
    placed = tuple(replace(one, runner_class=runner_class) for one in timed)
    return Decision(strategy, placed, reason, otherwise, monitor=strategy == MONITORED)


def _ratio(one: Placement) -> float:
    return one.self_hosted_seconds / one.cloud_seconds if one.cloud_seconds else float("inf")


def _minutes(seconds: float) -> str:
    if seconds == float("inf"):
        return "no time that is known"
    return f"{seconds / 60:.1f} minutes"


def capped(estimate: Estimate, most_seconds: float) -> Estimate:
    """No run is longer than the job's time-out."""
    return replace(estimate, seconds=min(estimate.seconds, most_seconds))
