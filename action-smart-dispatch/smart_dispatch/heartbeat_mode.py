"""`heartbeat`: tell others how this host is, once or again and again."""

from __future__ import annotations

import time

from actionlib.entrypoint import Context, Result
from actionlib.errors import ActionError
from smart_dispatch.deciding import token_of
from smart_dispatch.health_mode import health_outputs
from smart_dispatch.heartbeat_sinks import to_file, to_status, to_variable
from smart_dispatch.host_health import HostHealth, look_at_host
from smart_dispatch.inputs import Settings
from smart_dispatch.reporting import TITLE


def run_heartbeat(context: Context, settings: Settings) -> Result:
    """Publish. Raises ActionError where that is impossible; in a loop that is a warning, and the next one is tried."""
    while True:
        try:
            health = look_at_host(settings, context.environ)
            where = _publish(context, settings, health)
            context.out.say(f"{health.status}, {health.score} of 100: {where}")
        except ActionError as error:
            if not settings.loop:
                raise
            context.out.warning(str(error), title=TITLE)
        if not settings.loop:
            break
        time.sleep(settings.interval_seconds)  # ended by the signal that stops a service
    context.summary.heading(f"{TITLE}: heartbeat, {health.status}, {health.score} of 100")
    context.summary.paragraph(f"Published in {where}.")
    return Result(health_outputs(health), 0, {"where": where, "heartbeat": health.heartbeat().text()})


def _publish(context: Context, settings: Settings, health: HostHealth) -> str:
    text = health.heartbeat().text()
    name, environ = settings.heartbeat_name, context.environ
    if settings.heartbeat_sink == "file":
        return to_file(environ, name, text)
    repository = settings.repository or environ.get("GITHUB_REPOSITORY", "")
    token = token_of(settings)
    if not repository or not token:
        lacking = (
            "'repository' is empty, and there is no GITHUB_REPOSITORY"
            if not repository
            else "'token' is empty"
        )
        raise ActionError(
            f"input {lacking}: the sink '{settings.heartbeat_sink}' needs it",
            hint="Set 'repository', and 'token' or 'token-file'; or use 'heartbeat-sink: file'",
        )
    if settings.heartbeat_sink == "variable":
        return to_variable(environ, token, repository, name=name, text=text)
    return to_status(environ, token, repository, name=name, ref=settings.heartbeat_ref, text=text)
