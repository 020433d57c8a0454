"""What a report is turned into: files, the job summary, annotations, outputs, exports and a comment."""

from __future__ import annotations

import json
from collections.abc import Mapping

from actionlib.entrypoint import EXIT_USER_ERROR, Context, Result
from actionlib.errors import ActionError
from actionlib.metrics import EXCELLENT, LEVELS
from perf_monitor.building import build_report
from perf_monitor.comparison import Comparison, compare_with_past, tell
from perf_monitor.html_report import html_report
from perf_monitor.inputs import Settings
from perf_monitor.json_report import to_json
from perf_monitor.markdown_report import fill_summary, markdown_report
from perf_monitor.monitor_files import MonitorFiles
from perf_monitor.report import Report

TITLE = "Performance monitor"
MAX_ANNOTATIONS = (
    10  # of one kind in one step are shown; the runner drops the rest (actions/runner docs/adrs/0276)
)


def publish(
    context: Context,
    settings: Settings,
    files: MonitorFiles,
    *,
    success: bool | None,
    script: Mapping[str, object] | None = None,
) -> Result:
    """Report a run everywhere that was asked for. `success` of the job is None where nothing is to be recorded.

    Nothing of it fails the step but a regression, if it was told to: the job's own result is what counts.
    """
    report = build_report(files)
    comparison = compare_with_past(context, report, success=success) if settings.baseline else Comparison()
    outputs = _outputs(report, files) | {"regression": comparison.regression}
    facts = {
        **to_json(report),
        "files": {name: outputs[name] for name in ("metrics-file", "report-file", "html-file")},
    }
    if script:
        context.summary.heading("Script")
        context.summary.facts(script)
    fill_summary(context.summary, report, files=[files.csv.name, files.html_report.name])
    tell(context, comparison)
    context.out.say(report.headline)
    _annotate(context, report)
    _write(context, files, report)
    if context.environ.get("GITHUB_ENV"):
        context.out.export_variable("PERFORMANCE_REPORT", str(files.markdown_report))
    _export(context, settings, report)
    facts |= {"comparison": comparison.facts(), "regression": comparison.regression}
    if settings.comment_pr:
        _comment(context, settings, report)
    if settings.fail_on_regression and comparison.lasting:
        names = ", ".join(comparison.lasting)
        context.out.error(f"worse than earlier runs, twice in a row: {names}", title=TITLE)
        return Result(outputs, EXIT_USER_ERROR, facts)
    return Result(outputs, 0, facts)


def _export(context: Context, settings: Settings, report: Report) -> None:
    """Where figures are collected. Nothing of it fails the job."""
    if settings.prometheus_textfile:
        from perf_monitor.prometheus_export import textfile_path, write_textfile

        try:
            write_textfile(textfile_path(settings.prometheus_textfile, report), report)
        except ActionError as error:  # the folder went away during the job
            context.out.warning(str(error), title=TITLE)
        except OSError as error:
            context.out.warning(
                f"prometheus-textfile {settings.prometheus_textfile} cannot be written: {error.strerror}",
                title=TITLE,
            )
    if settings.otlp_endpoint:
        from perf_monitor.otlp_export import parse_headers, send

        headers = parse_headers(context.environ.get("OTEL_EXPORTER_OTLP_HEADERS", ""))
        if problem := send(settings.otlp_endpoint, report, headers=headers):
            context.out.warning(f"otlp-endpoint {settings.otlp_endpoint}: {problem}", title=TITLE)


def _comment(context: Context, settings: Settings, report: Report) -> None:
    from perf_monitor.pr_comment import comment

    said, is_there = comment(
        context.environ, markdown_report(report), token=settings.token, identity=dict(report.meta)
    )
    (context.out.say if is_there else context.out.notice)(said)


def _write(context: Context, files: MonitorFiles, report: Report) -> None:
    """The report as files. A full disk is a warning: the summary tells all the same."""
    for path, text in (
        (files.markdown_report, markdown_report(report, files=[files.csv.name])),
        (files.html_report, html_report(report)),
        (files.json_report, json.dumps(to_json(report), indent=1)),
    ):
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            context.out.warning(f"the report {path} cannot be written: {error.strerror}", title=TITLE)


def _annotate(context: Context, report: Report) -> None:
    shown = report.alerts if len(report.alerts) <= MAX_ANNOTATIONS else report.alerts[: MAX_ANNOTATIONS - 1]
    for alert in shown:
        context.out.warning(f"after {alert.elapsed_seconds:.0f} s: {alert.text}", title=TITLE)
    if left := len(report.alerts) - len(shown):
        context.out.warning(f"{left} more alerts are in the report", title=TITLE)
    for note in report.notes:
        context.out.notice(note, title=TITLE)


def _outputs(report: Report, files: MonitorFiles) -> dict[str, str]:
    load, memory = report.statistics.get("load_avg"), report.statistics.get("memory_mb")
    levels = [LEVELS.index(alert.level) for alert in report.alerts if alert.level in LEVELS]
    return {
        "metrics-file": str(files.csv),
        "report-file": str(files.markdown_report),
        "html-file": str(files.html_report),
        "output-dir": str(files.stem.parent),
        "health": LEVELS[max(levels, default=EXCELLENT)],
        "average-load": f"{load.mean:.2f}" if load else "",
        "peak-load": f"{load.peak:.2f}" if load else "",
        "peak-memory-mb": f"{memory.peak:.0f}" if memory else "",
        "samples": str(report.samples),
    }
