"""Modes `start` and `stop`: a sampler around the steps between them."""

from __future__ import annotations

from actionlib.entrypoint import Context, Result
from actionlib.summary import code
from perf_monitor import sessions
from perf_monitor.inputs import Settings
from perf_monitor.sampling import stop_sampler

EXPORTS = ("METRICS_FILE", "MONITOR_PID")


def start(context: Context, settings: Settings) -> Result:
    """Start a sampler that ends with the job, if nobody ends it before."""
    session = sessions.begin(context, settings)
    metrics = str(session.files.csv)
    for name, value in zip(EXPORTS, (metrics, str(session.sampler.pid)), strict=True):
        context.out.export_variable(name, value)
    context.out.say(
        f"Sampling every {settings.sample_interval_seconds:g} s (pid {session.sampler.pid}) into {metrics}"
    )
    context.summary.heading("Performance monitor")
    context.summary.facts(
        {
            "samples": f"every {settings.sample_interval_seconds:g} s",
            "metrics": code(metrics),
            "until": "`stop`",
        }
    )
    folder = str(session.files.stem.parent)
    return Result(
        {"metrics-file": metrics, "output-dir": folder},
        facts={"metrics-file": metrics, "pid": session.sampler.pid, "output-dir": folder},
    )


def stop(context: Context, settings: Settings) -> Result:
    """End the sampler that an earlier step started, and report."""
    from perf_monitor.publishing import publish

    session = sessions.find(settings, context.environ)
    how = stop_sampler(session.sampler)
    if how == "killed":
        context.out.warning("the sampler did not end in time and was killed", title="Performance monitor")
    sessions.close(context, session)
    success = context.environ.get("JOB_STATUS", "success") == "success"
    return publish(context, settings, session.files, success=success)
