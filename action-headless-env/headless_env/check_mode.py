"""Mode `check`: the health of a running environment, component by component."""

from __future__ import annotations

from actionlib.entrypoint import EXIT_USER_ERROR, Context, Result
from actionlib.summary import code, escape_cell
from headless_env import reporting
from headless_env.bracket_modes import find_session
from headless_env.health import Finding
from headless_env.inputs import Settings
from headless_env.variables import ENVIRONMENT_VARIABLE
from headless_env.verification import verify


def check(context: Context, settings: Settings) -> Result:
    """Probe every component; exit code 0 when all answer, else 1."""
    session = find_session(context.environ, mode="check")
    record = session.record
    findings: list[Finding] = []
    if record is None:
        health = "unhealthy"
        events: tuple[str, ...] = ("the environment has ended",)
    else:
        inside = {**context.environ, **record.exports, ENVIRONMENT_VARIABLE: str(session.log_dir)}
        findings = verify(record.components, inside, depth=settings.verify)
        health = "unhealthy" if any(one.problem for one in findings) else record.health
        events = record.events
    context.summary.heading("Health of the headless environment")
    reporting.table_of_checks(context, record.components if record else {}, findings)
    context.summary.facts(
        {"health": health, "events": escape_cell("; ".join(events)), "logs": code(session.log_dir)}
    )
    for one in findings:
        context.out.say(
            f"{one.check}: {one.problem or one.detail or 'answers'} ({one.seconds * 1000:.0f} ms)"
        )
    for event in events:
        context.out.say(f"event: {event}")
    if health == "unhealthy":
        context.out.error(
            f"headless environment {session.folder.name} is unhealthy: "
            + "; ".join([f"{one.check}: {one.problem}" for one in findings if one.problem] or events),
            title="Headless environment",
        )
    exports = record.exports if record else {}
    outputs = reporting.environment_outputs(exports, folder=session.folder, log_dir=session.log_dir)
    facts = {
        "environment": session.folder.name,
        "health": health,
        "events": list(events),
        "checks": [reporting.finding_facts(one) for one in findings],
    }
    return Result(outputs | {"health": health}, EXIT_USER_ERROR if health == "unhealthy" else 0, facts)
