"""Modes `report` and `compare`: from files that exist."""

from __future__ import annotations

from pathlib import Path

from actionlib.entrypoint import EXIT_USER_ERROR, Context, Result
from actionlib.errors import ActionError
from actionlib.scoped_runs import workspace_of
from perf_monitor.building import build_report
from perf_monitor.comparison import TITLE, compare_with_past, show, tell
from perf_monitor.inputs import Settings
from perf_monitor.monitor_files import MonitorFiles
from perf_monitor.publishing import publish
from perf_monitor.sessions import METRICS_FILE


def report(context: Context, settings: Settings) -> Result:
    """The report of a metrics file, of this action or of the script that it replaces. The history is left alone."""
    return publish(context, settings, _files(context, settings), success=None)


def compare(context: Context, settings: Settings) -> Result:
    """Hold a run against the earlier ones of its job; nothing is recorded."""
    found = build_report(_files(context, settings))
    comparison = compare_with_past(context, found, success=None)
    context.summary.heading("Performance compared")
    tell(context, comparison)
    for one in comparison.verdicts:
        judged = f"limit {show(one, one.limit)}" if one.limit is not None else one.reason
        context.out.say(
            f"{one.figure.name}: {show(one, one.value)} ({judged}){' worse' if one.is_worse else ''}"
        )
    failed = settings.fail_on_regression and bool(comparison.lasting)
    if failed:
        context.out.error(
            f"worse than earlier runs, twice in a row: {', '.join(comparison.lasting)}", title=TITLE
        )
    return Result(
        {"regression": comparison.regression},
        EXIT_USER_ERROR if failed else 0,
        {"comparison": comparison.facts(), "regression": comparison.regression},
    )


def _files(context: Context, settings: Settings) -> MonitorFiles:
    text = settings.metrics_file or context.environ.get(METRICS_FILE, "")
    if not text:
        raise ActionError(
            f"mode '{settings.mode}': there is no metrics file",
            hint=f"Set 'metrics-file', or use mode 'start' in an earlier step, which sets {METRICS_FILE}",
        )
    return MonitorFiles.of_csv(workspace_of(context.environ) / Path(text))
