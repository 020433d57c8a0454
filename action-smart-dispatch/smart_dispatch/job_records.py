"""Jobs as history knows them: where they ran, how long they waited and ran, and how they ended."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SELF_HOSTED, CLOUD = "self-hosted", "cloud"
CLASSES = (SELF_HOSTED, CLOUD)
# How a job ended. INFRASTRUCTURE: the runner's fault, not the code's.
SUCCESS, FAILURE, CANCELLED, INFRASTRUCTURE = "success", "failure", "cancelled", "infrastructure-failure"
OUTCOMES = (SUCCESS, FAILURE, CANCELLED, INFRASTRUCTURE)
_CONCLUSIONS = {"success": SUCCESS, "failure": FAILURE, "timed_out": FAILURE, "cancelled": CANCELLED}
_OF_THE_RUNNER = frozenset(
    {"Set up job", "Set up runner", "Complete runner"}
)  # steps that the runner itself adds


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job that has ended. Times are seconds, `ended` since 1970. `key` names this run of it: it counts once."""

    key: str
    job: str
    workflow: str
    runner_class: str
    outcome: str
    duration_seconds: float
    ended: float
    queue_seconds: float | None = None
    runner: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActiveJob:
    """A job that waits, or runs on `runner`, since `since` (seconds since 1970)."""

    job: str
    workflow: str
    labels: tuple[str, ...]
    since: float
    run: int = 0
    runner: str = ""


def class_of(labels: Collection[str]) -> str:
    """The class of a job by the labels that it asked for: only one's own runners have `self-hosted`."""
    return SELF_HOSTED if any(one.lower() == SELF_HOSTED for one in labels) else CLOUD


def base_name(job: str) -> str:
    """A job's name without the values of its matrix leg."""
    return re.sub(r"\s*\([^()]*\)$", "", job) or job


def leg_name(job: str, leg: object) -> str:
    """The name that GitHub gives to a leg of a matrix."""
    values = leg.values() if isinstance(leg, Mapping) else leg if isinstance(leg, list) else [leg]
    told = ", ".join(str(one) for one in values if not isinstance(one, dict | list))
    return f"{job} ({told})" if told else job


def ended_job(value: Mapping[str, Any]) -> JobRecord | None:
    """A completed job of GitHub's API; None for one that did not run, or says too little."""
    outcome = _CONCLUSIONS.get(str(value.get("conclusion")))
    ended = as_time(value.get("completed_at"))
    begun = _began(value)
    if outcome is None or ended is None or begun is None:
        return None
    steps = value.get("steps") or []
    mine = [
        one for one in steps if one.get("conclusion") == "failure" and one.get("name") not in _OF_THE_RUNNER
    ]
    if outcome == FAILURE and value.get("conclusion") == "failure" and not mine:
        outcome = INFRASTRUCTURE  # no step failed: the runner was lost, or never came so far
    labels = tuple(map(str, value.get("labels") or ()))
    created = as_time(value.get("created_at"))
    runner = str(value.get("runner_name") or "")
    return JobRecord(
        key=f"{value.get('run_id')}/{value.get('run_attempt', 1)}/{value.get('name')}",
        job=str(value.get("name", "")),
        workflow=str(value.get("workflow_name") or ""),
        runner_class=class_of(labels),
        outcome=outcome,
        duration_seconds=max(0.0, ended - begun),
        ended=ended,
        # `started_at` of a job that never got a runner is when it was queued.
        queue_seconds=max(0.0, begun - created) if runner and steps and created is not None else None,
        runner=runner,
        labels=labels,
    )


def active_job(value: Mapping[str, Any]) -> ActiveJob | None:
    """A job of GitHub's API that is queued or runs; None for any other."""
    status = value.get("status")
    since = as_time(value.get("created_at")) if status == "queued" else _began(value)
    if status not in ("queued", "in_progress") or since is None:
        return None
    return ActiveJob(
        job=str(value.get("name", "")),
        workflow=str(value.get("workflow_name") or ""),
        labels=tuple(map(str, value.get("labels") or ())),
        since=since,
        run=int(value.get("run_id") or 0),
        runner=str(value.get("runner_name") or "") if status == "in_progress" else "",
    )


def as_time(text: object) -> float | None:
    """An ISO 8601 time of GitHub's as seconds since 1970; None for anything else."""
    try:
        return datetime.fromisoformat(str(text)).timestamp() if isinstance(text, str) else None
    except ValueError:
        return None


def _began(value: Mapping[str, Any]) -> float | None:
    steps = value.get("steps") or []
    first = as_time(steps[0].get("started_at")) if steps and isinstance(steps[0], dict) else None
    return first if first is not None else as_time(value.get("started_at"))
