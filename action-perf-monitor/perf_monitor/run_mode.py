"""Mode `run`: a sampler around one script."""

from __future__ import annotations

import resource
import secrets
from dataclasses import replace

from actionlib.entrypoint import Context, Result
from actionlib.scoped_runs import run_in_workspace, script_result
from actionlib.summary import duration
from perf_monitor import sessions
from perf_monitor.inputs import Settings
from perf_monitor.sampling import stop_sampler

MARK = "COLDVOX_PERF_MONITOR_SCRIPT"  # in the environment of all that the script starts


def run(context: Context, settings: Settings) -> Result:
    """Measure a script; exits with its code, and reports whatever that is."""
    marks = {MARK: secrets.token_hex(8)}
    session = sessions.begin(context, settings, script_marks=marks)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        result = run_in_workspace(
            context,
            settings.run,
            environ={**context.environ, **marks},
            timeout_seconds=settings.timeout_seconds,
        )
    finally:
        how = stop_sampler(session.sampler)
        sessions.close(context, session)
    if how == "gone":
        context.out.warning("the sampler ended before the script did", title="Performance monitor")
    # The kernel's own sum over all that was waited for, which no sampling can miss (wait4(2)).
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    user, system = used.ru_utime - before.ru_utime, used.ru_stime - before.ru_stime
    script = {
        "exit code": result.exit_code,
        "took": duration(result.seconds) + (" (timed out)" if result.timed_out else ""),
        "CPU": f"{duration(user)} in programs, {duration(system)} in the kernel",
        "largest process": f"{used.ru_maxrss / 1024:.0f} MiB",
    }
    if result.timed_out:
        context.out.error(
            f"the script was ended after timeout-seconds ({settings.timeout_seconds:g} s)",
            title="Performance monitor",
        )
    from perf_monitor.publishing import publish

    published = publish(context, settings, session.files, success=result.exit_code == 0, script=script)
    facts = {
        **published.facts,
        "seconds": round(result.seconds, 3),
        "timed-out": result.timed_out,
        "script-cpu-seconds": round(user + system, 3),
        "script-largest-process-mb": round(used.ru_maxrss / 1024, 1),
    }
    done = script_result(result, dict(published.outputs), facts)
    return replace(done, exit_code=done.exit_code or published.exit_code)
