"""Modes `report` and `compare`: from files that exist."""

from __future__ import annotations

from pathlib import Path

from actionlib.entrypoint import Context, Result
from actionlib.errors import ActionError
from actionlib.scoped_runs import workspace_of
from perf_monitor.inputs import Settings
from perf_monitor.monitor_files import MonitorFiles
from perf_monitor.publishing import publish
from perf_monitor.sessions import METRICS_FILE


def report(context: Context, settings: Settings) -> Result:
    """The report of a metrics file, of this action or of the script that it replaces. The history is left alone."""
    return publish(context, settings, _files(context, settings), success=None)


def _files(context: Context, settings: Settings) -> MonitorFiles:
    text = settings.metrics_file or context.environ.get(METRICS_FILE, "")
    if not text:
        raise ActionError(
            f"mode '{settings.mode}': there is no metrics file",
            hint=f"Set 'metrics-file', or use mode 'start' in an earlier step, which sets {METRICS_FILE}",
        )
    return MonitorFiles.of_csv(workspace_of(context.environ) / Path(text))
