"""`record`: how a job ended, for the decisions of this host."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping

from actionlib.database import DatabaseFailed
from actionlib.entrypoint import Context, Result
from actionlib.errors import ActionError
from actionlib.jobs import current_job
from actionlib.scoped_runs import workspace_of
from actionlib.state import open_state
from actionlib.summary import code, duration
from smart_dispatch.dispatch_history import DispatchHistory
from smart_dispatch.inputs import Settings
from smart_dispatch.job_records import CLOUD, OUTCOMES, SELF_HOSTED, SUCCESS, JobRecord
from smart_dispatch.reporting import TITLE
from smart_dispatch.source_history import read_source_history


def run_record(context: Context, settings: Settings) -> Result:
    """Keep one job. A history that cannot be written is a warning: no reason for a job to fail."""
    environ = context.environ
    record = JobRecord(
        key=_key(environ),
        job=settings.job_name,
        workflow=environ.get("GITHUB_WORKFLOW", ""),
        runner_class=settings.runner_type or _class(environ),
        outcome=settings.outcome or _outcome(environ),
        duration_seconds=_seconds(context, settings),
        ended=time.time(),
        queue_seconds=settings.queue_seconds,
        runner=environ.get("RUNNER_NAME", ""),
        labels=settings.primary_runner.labels,
        group=settings.primary_runner.group,
    )
    repository = settings.repository or environ.get("GITHUB_REPOSITORY", "")
    taken = {}
    if settings.history_file:
        taken = read_source_history(workspace_of(environ) / settings.history_file, settings.job_name)
    told = f"{record.runner_class}, {record.outcome}, {duration(record.duration_seconds)}"
    try:
        store = DispatchHistory(open_state(environ), repository)
        migrated = store.take_over(taken) if taken else 0
        store.add([record])
        for note in store.notes:
            context.out.warning(note, title=TITLE)
    except (DatabaseFailed, ActionError) as error:
        context.out.warning(f"the job is not recorded: {error}", title=TITLE)
        return Result({}, 0, {"recorded": False, "why": str(error)})
    if migrated:
        context.out.say(f"took over {migrated} sums of {settings.history_file}")
    context.out.say(f"recorded {record.job}: {told}")
    context.summary.heading(f"{TITLE}: recorded {code(record.job)}")
    context.summary.paragraph(told)
    return Result(
        {}, 0, {"recorded": True, "migrated": migrated, "job": record.job, "outcome": record.outcome}
    )


def _key(environ: Mapping[str, str]) -> str:
    """Of this job, also among the legs of a matrix. The run stands first: one that is read from the API replaces it."""
    run = (
        environ.get("GITHUB_RUN_ID") if environ.get("ACT") != "true" else None
    )  # act's runs all have the number 1
    return (
        f"{run or uuid.uuid4()}/{environ.get('GITHUB_RUN_ATTEMPT', '1')}/{current_job(environ).identity}/here"
    )


def _outcome(environ: Mapping[str, str]) -> str:
    """JOB_STATUS is `job.status`: success, failure or cancelled."""
    status = environ.get("JOB_STATUS") or SUCCESS
    if status not in OUTCOMES:
        raise ActionError(
            f"JOB_STATUS is '{status[:60]}', and input 'outcome' is empty; allowed: {', '.join(OUTCOMES)}",
            hint="Set 'outcome', or leave JOB_STATUS to the action",
        )
    return status


def _class(environ: Mapping[str, str]) -> str:
    """RUNNER_ENVIRONMENT is `github-hosted` or `self-hosted`."""
    return CLOUD if environ.get("RUNNER_ENVIRONMENT") == "github-hosted" else SELF_HOSTED


def _seconds(context: Context, settings: Settings) -> float:
    """As given, or since the job's process began."""
    if settings.duration_seconds is not None:
        return settings.duration_seconds
    job = current_job(context.environ)
    if job.kind == "session":
        raise ActionError(
            "input 'duration-seconds' is empty, and this is no job that began at some time",
            hint="Give the job's duration",
        )
    return job.anchor.age_seconds()
