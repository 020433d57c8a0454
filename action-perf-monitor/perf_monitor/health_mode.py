"""Mode `health`: whether the host is fit for a job now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from actionlib.entrypoint import EXIT_USER_ERROR, Context, Result
from actionlib.host_metrics import caches_missing, network_unreachable, read_host_metrics
from actionlib.metrics import CONCERNING, CRITICAL, LEVELS, NO_DATA, check, incurred, overall, score
from actionlib.scoped_runs import workspace_of
from actionlib.summary import escape_cell
from perf_monitor.inputs import Settings

_SIGNS = {"excellent": "✅", "concerning": "⚠️", "critical": "❌", "no-data": "-"}


def check_host(context: Context, settings: Settings) -> Result:
    """Look at the host once. The step fails from the level `fail-on` on; at the prompt the level is the exit status."""
    disk_path = workspace_of(context.environ) / Path(settings.disk_path or ".").expanduser()
    values = read_host_metrics(disk_path, job_pattern=settings.job_pattern)
    values |= _named(settings, context.environ)
    checks = check(values, settings.thresholds)
    level = overall(checks)
    points = score(values)
    penalties = incurred(values)
    context.summary.heading(f"Health of the host: {LEVELS[level]} by its limits, {points} of 100 points")
    context.summary.table(
        ("", "metric", "now", "concerning from", "critical from", "is"),
        [
            (
                _SIGNS[LEVELS[one.level]],
                one.metric.name,
                "unknown" if one.value is None else escape_cell(one.metric.show(one.value)),
                _limit(one.metric.warning),
                _limit(one.metric.critical),
                escape_cell(one.metric.meaning),
            )
            for one in checks
        ],
    )
    if penalties:
        context.summary.table(
            ("costs points", "above", "now", "points"),
            [
                (one.metric, f"{one.limit:g}", f"{values[one.metric]:.3g}", f"-{one.points}")
                for one in penalties
            ],
        )
    for one in checks:
        shown = "unknown" if one.value is None else one.metric.show(one.value)
        context.out.say(f"{LEVELS[one.level]:<11} {one.metric.name} {shown}: {one.metric.meaning}")
    for penalty in penalties:
        context.out.say(f"-{penalty.points} points: {penalty.metric} above {penalty.limit:g}")
    context.out.say(f"Health of the host: {LEVELS[level]} by its limits, {points} of 100 points.")
    facts = {
        "health": LEVELS[level],
        "level": level,
        "health-score": points,
        "metrics": values,
        "checks": [
            {"metric": one.metric.name, "value": one.value, "warning": one.metric.warning,
             "critical": one.metric.critical, "level": LEVELS[one.level]}
            for one in checks
        ],
        "penalties": [{"metric": one.metric, "limit": one.limit, "points": one.points} for one in penalties],
    }  # fmt: skip
    outputs = {"health": LEVELS[level], "health-score": str(points), "exit-code": str(level)}
    return Result(outputs, _exit_code(context, settings, level), facts)


def _exit_code(context: Context, settings: Settings, level: int) -> int:
    if context.environ.get("GITHUB_ACTIONS") != "true":
        return level
    limit = {"never": NO_DATA + 1, "concerning": CONCERNING, "critical": CRITICAL}[settings.fail_on]
    if level == NO_DATA or level < limit:
        return 0
    context.out.error(
        f"the host's health is {LEVELS[level]}, and 'fail-on' is '{settings.fail_on}'",
        title="Performance monitor",
    )
    return EXIT_USER_ERROR


def _limit(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _named(settings: Settings, environ: Mapping[str, str]) -> dict[str, float | None]:
    """Caches and a host in the network, where the inputs name them. Defaults are nobody's promise."""
    found: dict[str, float | None] = {}
    if settings.cache_paths_given:
        home = environ.get("HOME", "~")
        found["caches-missing"] = caches_missing(
            workspace_of(environ) / (text.replace("~", home, 1) if text.startswith("~/") else text)
            for text in settings.cache_paths.values()
        )
    if settings.network_host:
        found["network-unreachable"] = network_unreachable(settings.network_host)
    return found
