"""`health`: how this host is now."""

from __future__ import annotations

from actionlib.entrypoint import EXIT_USER_ERROR, Context, Result
from actionlib.summary import escape_cell
from smart_dispatch.host_health import HostHealth, look_at_host
from smart_dispatch.inputs import Settings
from smart_dispatch.reporting import TITLE, as_text

_LEVELS = ("healthy", "degraded", "unhealthy")  # as exit codes at the prompt


def run_health(context: Context, settings: Settings) -> Result:
    """Look once. The step fails from `fail-on` on; at the prompt the exit status is the level."""
    health = look_at_host(settings, context.environ)
    shown = {name: value for name, value in health.values.items() if value is not None}
    context.summary.heading(f"{TITLE}: the host is {health.status}, {health.score} of 100")
    context.summary.table(
        ("metric", "now"), [(escape_cell(name), f"{value:.3g}") for name, value in shown.items()]
    )
    context.summary.paragraph("; ".join(map(escape_cell, health.reasons)) or "Nothing costs points.")
    for reason in health.reasons:
        context.out.say(reason)
    context.out.say(f"{health.status}, {health.score} of 100: {health.recommendation}")
    facts = {
        "health-status": health.status,
        "health-score": health.score,
        "recommendation": health.recommendation,
        "metrics": dict(health.values),
        "reasons": list(health.reasons),
        "runner-services": health.slots,
    }
    return Result(health_outputs(health), _exit_code(context, settings, health), facts)


def health_outputs(health: HostHealth) -> dict[str, str]:
    """The outputs about the host."""
    return {
        "health-status": health.status,
        "health-score": str(health.score),
        "load-average": as_text(health.values["load"]),
        "memory-usage": as_text(health.values["memory-percent"]),
        "recommendation": health.recommendation,
    }


def _exit_code(context: Context, settings: Settings, health: HostHealth) -> int:
    level = _LEVELS.index(health.status)
    if context.environ.get("GITHUB_ACTIONS") != "true":
        return level
    if settings.fail_on == "never" or level < _LEVELS.index(settings.fail_on):
        return 0
    context.out.error(f"the host is {health.status}, and 'fail-on' is '{settings.fail_on}'", title=TITLE)
    return EXIT_USER_ERROR
