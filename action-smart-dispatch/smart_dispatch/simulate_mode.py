"""`simulate`: what each policy would have made of a trace."""

from __future__ import annotations

import csv
from pathlib import Path

from actionlib.entrypoint import Context, Result
from actionlib.errors import ActionError
from actionlib.scoped_runs import workspace_of
from actionlib.summary import code
from smart_dispatch.inputs import Settings
from smart_dispatch.reporting import TITLE
from smart_dispatch.simulated_policies import policies, weights_of
from smart_dispatch.simulation import Outcome, Simulation
from smart_dispatch.traces import COLUMNS, Trace, read_trace, synthetic_trace

_COLUMNS = (
    "policy", "p50 minutes", "p95 minutes", "cloud minutes", "jobs in the cloud", "waits over 1 h",
    "of these in a seen outage",
)  # fmt: skip


def run_simulate(context: Context, settings: Settings) -> Result:
    """Replay the trace under each policy, and print how long jobs took and what the cloud was used."""
    workspace = workspace_of(context.environ)
    if settings.trace:
        trace, name = read_trace(workspace / settings.trace), settings.trace
    else:
        trace = synthetic_trace(settings.seed, jobs=settings.jobs, slots=settings.slots)
        name = f"seed {settings.seed}"
    if settings.trace_file:
        _write(workspace / settings.trace_file, trace)
    weights = weights_of(settings.cost_factor, settings.max_wait_minutes)
    outcomes = {
        policy: Simulation(trace, slots=settings.slots, policy=choose).run()
        for policy, choose in policies(weights).items()
    }
    rows = [(policy, *_figures(outcome)) for policy, outcome in outcomes.items()]
    about = f"{len(trace.jobs)} jobs, {len(trace.outages)} outages, {settings.slots} slots"
    context.summary.heading(f"{TITLE}: {len(rows)} policies on {code(name)}")
    context.summary.paragraph(f"{about}. Times are from submit to end.")
    context.summary.table(_COLUMNS, rows)
    widths = [max(len(str(row[index])) for row in (_COLUMNS, *rows)) for index in range(len(_COLUMNS))]
    context.out.say(f"{name}: {about}")
    for row in (_COLUMNS, *rows):
        context.out.say(
            "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    facts = {
        "trace": name,
        "jobs": len(trace.jobs),
        "outages": len(trace.outages),
        "policies": {policy: _numbers(outcome) for policy, outcome in outcomes.items()},
    }
    return Result({}, 0, facts)


def _numbers(outcome: Outcome) -> dict[str, float]:
    return {
        "p50-minutes": outcome.percentile(0.5) / 60,
        "p95-minutes": outcome.percentile(0.95) / 60,
        "cloud-minutes": outcome.cloud_seconds / 60,
        "cloud-jobs": outcome.cloud_jobs,
        "waits-over-an-hour": outcome.waits_over_an_hour,
        "waits-in-a-seen-outage": outcome.waits_in_seen_outage,
    }


def _figures(outcome: Outcome) -> list[str]:
    numbers = _numbers(outcome)
    return [
        f"{value:.1f}" if name.endswith("minutes") else str(int(value)) for name, value in numbers.items()
    ]


def _write(path: Path, trace: Trace) -> None:
    """As `read_trace` reads it."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("kind", "name", *COLUMNS, "begin-seconds", "end-seconds"))
            for job in trace.jobs:
                writer.writerow(
                    ("job", job.name, f"{job.submit:.3f}", f"{job.self_hosted:.3f}", f"{job.cloud:.3f}")
                )
            for outage in trace.outages:
                writer.writerow(("outage", "", "", "", "", f"{outage.begin:.3f}", f"{outage.end:.3f}"))
    except OSError as error:
        raise ActionError(
            f"input 'trace-file' is '{path}', which cannot be written: {error.strerror}"
        ) from error
