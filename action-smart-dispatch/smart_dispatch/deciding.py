"""From settings and environment to a decision: gathers what is known, and decides."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from actionlib.github_api import connect, pull_request_number, read_event
from smart_dispatch.breaker import breaker_of
from smart_dispatch.capacity import capacity_of
from smart_dispatch.decision import Decision, Rules, Situation, capped, decide
from smart_dispatch.durations import Durations
from smart_dispatch.evidence import Evidence, evidence_of
from smart_dispatch.expected_time import Leg, Weights
from smart_dispatch.github_requests import Requests
from smart_dispatch.heartbeats import Heartbeat
from smart_dispatch.inputs import Settings
from smart_dispatch.job_records import CLASSES, CLOUD, SELF_HOSTED, leg_name
from smart_dispatch.knowledge import Knowledge, gather, keep
from smart_dispatch.source_score import engine_score, penalties_with, score_without_jobs, status_of
from smart_dispatch.trust import Trust, assess

if TYPE_CHECKING:
    from github import Github

MOST_REQUESTS = 10
CLOUD_START_SECONDS = 30.0
MOST_SLOW_DOWN = 4.0
PEAK_FACTOR = 1.25  # how much longer a run may seem while the host is wanted for other things
FILE_PAGES = 3  # of a pull request's files


@dataclass(slots=True)
class Outcome:
    """A decision and all that was known."""

    decision: Decision
    situation: Situation
    known: Knowledge
    evidence: list[Evidence]
    score: int
    requests: int


def reach_decision(context: Context, settings: Settings, *, deadline: float) -> Outcome:
    """Decide with what can be learnt before `deadline`, a moment of time.monotonic().

    Raises ActionError for a file that an input names and that cannot be read.
    """
    repository = context.environ.get("GITHUB_REPOSITORY", "")
    requests = _requests(context, settings, deadline=deadline)
    trust = _trust(context, settings, requests, repository)
    if not trust.trusted and settings.untrusted != "primary":
        requests = None  # nothing else can change the answer
    known = gather(context, settings, requests, repository=repository)
    now = time.time()
    durations = Durations(known.records, aggregates=known.aggregates)
    capacity = capacity_of(
        settings.primary_runner, known.activity, known.heartbeat, known.records, durations,
        own_run=int(context.environ.get("GITHUB_RUN_ID") or 0), now=now,
    )  # fmt: skip
    situation = Situation(
        trust=trust,
        health=status_of(known.heartbeat.health_score if known.heartbeat else None),
        capacity=capacity,
        breakers={kind: breaker_of(known.records, kind, now=now) for kind in CLASSES},
        unfit=_is_unfit(settings, known.heartbeat),
        trials=capacity.busy + capacity.queued,
    )
    peak = _is_peak(settings, now)
    legs = _legs(context, settings, durations)
    rules = Rules(
        settings.policy,
        settings.enable_fallback,
        settings.untrusted,
        _weights(settings, known, durations, peak=peak),
    )
    decision = decide(legs, situation, rules)
    keep(known)
    return Outcome(
        decision,
        situation,
        known,
        evidence_of(settings, situation, known, legs, peak_hours=peak, now=now),
        _engine_score(context, settings, known, durations, peak=peak),
        requests.count if requests else 0,
    )


def _is_unfit(settings: Settings, beat: Heartbeat | None) -> bool:
    if beat is None:
        return False
    values = {"load": beat.load, "load-per-core": beat.load_per_core, "active-jobs": beat.active_jobs}
    return (
        status_of(score_without_jobs(beat.health_score, values, penalties_with(settings.thresholds)))
        == "unhealthy"
    )


def _requests(context: Context, settings: Settings, *, deadline: float) -> Requests | None:
    token = token_of(settings)
    if not token:
        return None

    def client(timeout_seconds: int) -> Github:
        return connect(context.environ, token=token, timeout_seconds=timeout_seconds, retries=1)

    return Requests(client, most=MOST_REQUESTS, deadline=deadline)


def token_of(settings: Settings) -> str:
    """The token of either input. Raises ActionError for a file that cannot be read."""
    if not settings.token_file:
        return settings.token
    try:
        return Path(settings.token_file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ActionError(
            f"input 'token-file' is '{settings.token_file}', which cannot be read: {error}"
        ) from error


def _trust(context: Context, settings: Settings, requests: Requests | None, repository: str) -> Trust:
    event = read_event(context.environ)

    def changed() -> list[str] | None:
        if settings.changed_files:
            return list(settings.changed_files)
        number = pull_request_number(event)
        if requests is None or number is None:
            return None
        names: list[str] = []
        for page in range(1, FILE_PAGES + 1):
            part = requests.get(f"/repos/{repository}/pulls/{number}/files", per_page=100, page=page)
            if not isinstance(part, list):
                return None
            for one in part:
                names += [str(one.get("filename", "")), str(one.get("previous_filename") or "")]
            if len(part) < 100:
                return [name for name in names if name]
        return None  # more than anybody has looked at

    return assess(
        context.environ.get("GITHUB_EVENT_NAME", ""),
        event,
        repository=repository,
        rules=settings.trust_rules,
        changed_files=changed,
    )


def _legs(context: Context, settings: Settings, durations: Durations) -> list[Leg]:
    workflow = context.environ.get("GITHUB_WORKFLOW", "")
    most = 60 * settings.timeout_minutes
    names = [leg_name(settings.job_name, one) if one != "" else settings.job_name for one in settings.legs]
    return [
        Leg(name, *(capped(durations.estimate(name, workflow, kind), most) for kind in CLASSES))
        for name in names
    ]


def _weights(settings: Settings, known: Knowledge, durations: Durations, *, peak: bool) -> Weights:
    load = known.heartbeat.load_per_core if known.heartbeat else None
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
    context: Context, settings: Settings, known: Knowledge, durations: Durations, *, peak: bool
) -> int:
    workflow, beat = context.environ.get("GITHUB_WORKFLOW", ""), known.heartbeat
    here, there = (
        durations.estimate(settings.job_name, workflow, kind).seconds for kind in (SELF_HOSTED, CLOUD)
    )
    shares = [durations.success_percent(settings.job_name, workflow, kind) for kind in (SELF_HOSTED, CLOUD)]
    return engine_score(
        success_percent=(shares[0], shares[1]),
        mean_seconds=(here, there),
        load=beat.load if beat else None,
        memory_percent=beat.memory_percent if beat else None,
        active_jobs=beat.active_jobs if beat else None,
        peak_hours=peak,
    )
