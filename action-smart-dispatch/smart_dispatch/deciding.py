"""From settings and environment to a decision: gathers what is known, and decides."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from actionlib.github_api import api_url, connect
from smart_dispatch.breaker import breaker_of
from smart_dispatch.capacity import capacity_of
from smart_dispatch.decision import IN_CLOUD, REFUSED, Decision, Rules, Situation, capped, decide
from smart_dispatch.durations import Durations
from smart_dispatch.event_trust import trust_in
from smart_dispatch.evidence import Evidence, evidence_of
from smart_dispatch.expected_time import Leg, Weights
from smart_dispatch.fallbacks import clash, class_of_fallback
from smart_dispatch.github_requests import Requests
from smart_dispatch.heartbeats import Heartbeat
from smart_dispatch.inputs import Settings
from smart_dispatch.job_records import CLASSES, CLOUD, SELF_HOSTED, leg_name
from smart_dispatch.knowledge import Knowledge, gather, keep
from smart_dispatch.source_score import engine_score, penalties_with, score_without_jobs, status_of

if TYPE_CHECKING:
    from github import Github

MOST_REQUESTS = 10
CLOUD_START_SECONDS = 30.0
MOST_SLOW_DOWN = 4.0
PEAK_FACTOR = 1.25  # how much longer a run may seem while the host is wanted for other things


@dataclass(slots=True)
class Outcome:
    """A decision and all that was known."""

    decision: Decision
    situation: Situation
    known: Knowledge
    evidence: list[Evidence]
    score: int
    requests: int


def reach_decision(
    context: Context, settings: Settings, event: Mapping[str, Any], *, deadline: float
) -> Outcome:
    """Decide with what can be learnt before `deadline`, a moment of time.monotonic()."""
    repository = repository_of(context, settings)
    lacking = []
    try:
        requests = _requests(context, settings, deadline=deadline)
    except ActionError as error:  # what is known without GitHub still counts
        requests, lacking = None, [str(error)]
    trust = trust_in(context, settings, event, requests=requests)
    # Of code that is not let in, nothing else can change the answer.
    asked = requests if trust.trusted or settings.untrusted == "primary" else None
    known = gather(context, settings, asked, event=event, repository=repository)
    known.notes += requests.notes if requests else lacking
    now = time.time()
    durations = Durations(known.records, aggregates=known.aggregates)
    beat = known.pulse.beat
    capacity = capacity_of(
        settings.primary_runner, known.activity, known.pulse, known.records, durations,
        own_run=int(context.environ.get("GITHUB_RUN_ID") or 0), now=now,
    )  # fmt: skip
    situation = Situation(
        trust=trust,
        health=status_of(beat.health_score if beat else None),
        capacity=capacity,
        breakers={kind: breaker_of(known.records, kind, now=now) for kind in CLASSES},
        unfit=beat is not None and _is_unfit(settings, beat),
        jobs=capacity.busy + capacity.queued,
    )
    peak = _is_peak(settings, now)
    legs = _legs(context, settings, durations)
    weights = _weights(settings, beat, durations, peak=peak)
    runners = settings.fallback_runner, settings.primary_runner
    rules = Rules(
        settings.policy, settings.enable_fallback, settings.untrusted, weights,
        elsewhere=IN_CLOUD if class_of_fallback(*runners) == CLOUD else str(settings.fallback_runner),
        clash=clash(*runners),
    )  # fmt: skip
    decision = decide(legs, situation, rules)
    known.notes += _notes_on_the_fallback(settings, rules, decision)
    keep(known)
    evidence = list(evidence_of(settings, situation, known, legs, peak_hours=peak, now=now))
    score = _engine_score(context, settings, beat, durations, peak=peak)
    return Outcome(decision, situation, known, evidence, score, requests.count if requests else 0)


def _notes_on_the_fallback(settings: Settings, rules: Rules, decision: Decision) -> list[str]:
    if not settings.enable_fallback or decision.strategy == REFUSED:  # which tells by itself
        return []
    if rules.clash:
        return [rules.clash]
    if class_of_fallback(settings.fallback_runner, settings.primary_runner) == SELF_HOSTED:
        return [
            f"the fallback, {settings.fallback_runner}, is self-hosted too: for untrusted code it must be apart"
        ]
    return []


def repository_of(context: Context, settings: Settings) -> str:
    """`OWNER/NAME`; empty where neither the input nor the workflow says it."""
    return settings.repository or context.environ.get("GITHUB_REPOSITORY", "")


def _is_unfit(settings: Settings, beat: Heartbeat) -> bool:
    values = {"load": beat.load, "load-per-core": beat.load_per_core, "active-jobs": beat.active_jobs}
    score = score_without_jobs(beat.health_score, values, penalties_with(settings.thresholds))
    return status_of(score) == "unhealthy"


def _requests(context: Context, settings: Settings, *, deadline: float) -> Requests | None:
    """None without a token. Raises ActionError for one, or an address of GitHub's API, that cannot be used."""
    token = token_of(settings)
    if not token:
        return None
    api_url(context.environ)

    def client(timeout_seconds: int) -> Github:
        return connect(context.environ, token=token, timeout_seconds=timeout_seconds, retries=0)

    return Requests(client, most=MOST_REQUESTS, deadline=deadline)


def token_of(settings: Settings) -> str:
    """The token of either input. Raises ActionError for a file that cannot be read, and for what is no token."""
    token, source = settings.token, "input 'token'"
    if settings.token_file:
        source = f"input 'token-file' is '{settings.token_file}', which"
        try:
            token = Path(settings.token_file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: `~nobody`
            raise ActionError(f"{source} cannot be read: {error}") from error
        if not token:
            raise ActionError(f"{source} is empty", hint="Put a token into it, in one line")
    if not re.fullmatch(r"[!-~]*", token):  # never shown
        raise ActionError(
            f"{source} holds what no token can: a line break, a blank, or a sign outside ASCII",
            hint="Give the token alone, as GitHub shows it, in one line",
        )
    return token


def _legs(context: Context, settings: Settings, durations: Durations) -> list[Leg]:
    workflow = context.environ.get("GITHUB_WORKFLOW", "")
    most = 60 * settings.timeout_minutes
    names = [leg_name(settings.job_name, one) if one != "" else settings.job_name for one in settings.legs]
    return [
        Leg(name, *(capped(durations.estimate(name, workflow, kind), most) for kind in CLASSES))
        for name in names
    ]


def _weights(settings: Settings, beat: Heartbeat | None, durations: Durations, *, peak: bool) -> Weights:
    load = beat.load_per_core if beat else None
    return Weights(
        cost_factor=settings.cost_factor,
        slow_down=min(MOST_SLOW_DOWN, max(1.0, load or 1.0)) * (PEAK_FACTOR if peak else 1.0),
        cloud_start_seconds=durations.start_seconds(CLOUD, default=CLOUD_START_SECONDS),
        max_wait_seconds=60 * settings.max_wait_minutes,
    )


def _is_peak(settings: Settings, now: float) -> bool:
    """The last hour belongs to the peak, as in the source document; hours may run over midnight."""
    if settings.peak_hours is None:
        return False
    begin, end = settings.peak_hours
    hour = datetime.fromtimestamp(now, settings.timezone).hour
    return begin <= hour <= end if begin <= end else hour >= begin or hour <= end


def _engine_score(
    context: Context, settings: Settings, beat: Heartbeat | None, durations: Durations, *, peak: bool
) -> int:
    workflow = context.environ.get("GITHUB_WORKFLOW", "")
    here, there = (
        durations.plain_figures(settings.job_name, workflow, kind) for kind in (SELF_HOSTED, CLOUD)
    )
    return engine_score(
        success_percent=(here[0], there[0]),
        mean_seconds=(here[1], there[1]),
        load=beat.load if beat else None,
        memory_percent=beat.memory_percent if beat else None,
        active_jobs=beat.active_jobs if beat else None,
        peak_hours=peak,
    )
