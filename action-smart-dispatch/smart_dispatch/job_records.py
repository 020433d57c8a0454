"""Jobs as history knows them: where they ran, how long they waited and ran, and how they ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from smart_dispatch.runner_labels import RunnerLabels

SELF_HOSTED, CLOUD = "self-hosted", "cloud"
CLASSES = (SELF_HOSTED, CLOUD)
# How a job ended. INFRASTRUCTURE: the runner's fault, not the code's.
SUCCESS, FAILURE, CANCELLED, INFRASTRUCTURE = "success", "failure", "cancelled", "infrastructure-failure"
AHEAD_SECONDS = 120.0  # how far a clock may run ahead of ours: what ended later than that, a wrong one wrote
OUTCOMES = (SUCCESS, FAILURE, CANCELLED, INFRASTRUCTURE)
_CONCLUSIONS = {"success": SUCCESS, "failure": FAILURE, "timed_out": FAILURE, "cancelled": CANCELLED}
# Steps that the runner itself adds. In the cloud they fail for a mistake in the workflow (an action that is not there).
_OF_THE_RUNNER = frozenset({"Set up job", "Set up runner", "Complete runner"})


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
    group: str = ""  # of the runner; empty: not known

    @property
    def began(self) -> float:
        """When it began to run."""
        return self.ended - self.duration_seconds

    @property
    def run(self) -> str:
        """The number of its run."""
        return self.key.partition("/")[0]


@dataclass(frozen=True, slots=True)
class ActiveJob:
    """A job that waits, or runs on `runner`, since `since` (seconds since 1970)."""

    job: str
    workflow: str
    labels: tuple[str, ...]
    since: float
    run: int = 0
    runner: str = ""
    runner_class: str = SELF_HOSTED
    group: str = ""  # of the runner; empty: not known


def class_of(labels: Collection[str], primary: RunnerLabels, *, group: str = "") -> str:
    """The class of a job by the labels that it asked for, and by the group of its runner, empty while it has none.

    Ours asks for `self-hosted`, or for all labels of our runners, or ran in their group. A job without labels asks for
    a group, which GitHub does not tell before it runs: for ours, if we have one.
    """
    if any(one.lower() == SELF_HOSTED for one in labels):
        return SELF_HOSTED
    if primary.group and (group or not labels):
        return SELF_HOSTED if primary.may_be_in(group) else CLOUD
    return SELF_HOSTED if primary.labels and primary.are_met_by(labels) else CLOUD


def base_name(job: str) -> str:
    """A job's name without the values of its matrix leg, and without the job that called its workflow."""
    name = job.rpartition(" / ")[2]
    if not name.endswith(")"):
        return name or job
    depth = 0  # values may have parentheses of their own
    for place in range(len(name) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(name[place], 0)
        if depth == 0:
            return name[:place].rstrip() or job
    return name


def leg_name(job: str, leg: object) -> str:
    """The name that GitHub gives to a leg of a matrix."""
    values = leg.values() if isinstance(leg, Mapping) else leg if isinstance(leg, list) else [leg]
    told = ", ".join(_shown(one) for one in values if not isinstance(one, dict | list))
    return f"{job} ({told})" if told else job


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def ended_job(value: Mapping[str, Any], primary: RunnerLabels) -> JobRecord | None:
    """A completed job of GitHub's API; None for one that did not run, or says too little."""
    outcome = _CONCLUSIONS.get(str(value.get("conclusion")))
    ended = as_time(value.get("completed_at"))
    begun = _began(value)
    if outcome is None or ended is None or begun is None:
        return None
    labels = _labels(value)
    group = _group(value)
    runner_class = class_of(labels, primary, group=group)
    steps = _steps(value)
    failed = {str(one.get("name")) for one in steps if one.get("conclusion") == "failure"}
    if runner_class == SELF_HOSTED:
        failed -= _OF_THE_RUNNER
    if value.get("conclusion") == "failure" and not failed:
        outcome = INFRASTRUCTURE  # no step failed: the runner was lost, or never came so far
    created = as_time(value.get("created_at"))
    runner = str(value.get("runner_name") or "")
    return JobRecord(
        key=f"{value.get('run_id')}/{value.get('run_attempt', 1)}/{value.get('name')}",
        job=str(value.get("name", "")),
        workflow=str(value.get("workflow_name") or ""),
        runner_class=runner_class,
        outcome=outcome,
        duration_seconds=max(0.0, ended - begun),
        ended=ended,
        # `started_at` of a job that never got a runner is when it was queued.
        queue_seconds=max(0.0, begun - created) if runner and steps and created is not None else None,
        runner=runner,
        labels=labels,
        group=group,
    )


def active_job(value: Mapping[str, Any], primary: RunnerLabels) -> ActiveJob | None:
    """A job of GitHub's API that is queued or runs; None for any other."""
    status = value.get("status")
    since = as_time(value.get("created_at")) if status == "queued" else _began(value)
    if status not in ("queued", "in_progress") or since is None:
        return None
    labels, group = _labels(value), _group(value)
    run = value.get("run_id")
    return ActiveJob(
        job=str(value.get("name", "")),
        workflow=str(value.get("workflow_name") or ""),
        labels=labels,
        since=since,
        run=run if isinstance(run, int) else 0,
        runner=str(value.get("runner_name") or "") if status == "in_progress" else "",
        runner_class=class_of(labels, primary, group=group),
        group=group,
    )


def as_time(text: object) -> float | None:
    """An ISO 8601 time of GitHub's as seconds since 1970; None for anything else."""
    try:
        return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
    except ValueError:
        return None


def _labels(value: Mapping[str, Any]) -> tuple[str, ...]:
    labels = value.get("labels")
    return tuple(map(str, labels)) if isinstance(labels, list) else ()


def _group(value: Mapping[str, Any]) -> str:
    return str(value.get("runner_group_name") or "")


def _steps(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    steps = value.get("steps")
    return [one for one in steps if isinstance(one, dict)] if isinstance(steps, list) else []


def _began(value: Mapping[str, Any]) -> float | None:
    steps = _steps(value)
    first = as_time(steps[0].get("started_at")) if steps else None
    return first if first is not None else as_time(value.get("started_at"))
