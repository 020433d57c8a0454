"""Mode `run`: an environment for one script."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actionlib.entrypoint import Context, Result
from actionlib.processes import Process
from actionlib.scoped_runs import run_in_workspace, script_result
from actionlib.scripts import ScriptResult
from actionlib.summary import code, duration, escape_cell
from headless_env import reporting
from headless_env.environments import Record, read_record
from headless_env.health import Finding
from headless_env.inputs import Settings
from headless_env.launching import Running, launch, milliseconds_since_start
from headless_env.world import MARKER

if TYPE_CHECKING:
    from headless_env.failure import Capture


@dataclass(slots=True)
class _Episode:
    """What happened, as far as it got."""

    findings: list[Finding] = field(default_factory=list)
    verified_milliseconds: int = 0
    captured: Capture | None = None
    record: Record | None = None
    close_seconds: float = 0.0


def run(context: Context, settings: Settings) -> Result:
    """Set up, run the script inside, tear down; exits with the script's code, 124 when its time was over."""
    episode = _Episode()
    with launch(context, settings) as running:
        reporting.tell_start(context, running)
        if running.record.unset:
            context.out.say(
                f"Unset for the script, because they lead elsewhere: {', '.join(running.record.unset)}"
            )
        inside = running.environ(context.environ)
        from headless_env.verification import verify  # has been imported while the components came up

        episode.findings = verify(running.record.components, inside, depth=settings.verify)
        episode.verified_milliseconds = milliseconds_since_start()
        context.summary.heading("Headless environment")
        reporting.table_of_checks(context, running.record.components, episode.findings)
        reporting.refuse_unhealthy(context, settings, running, episode.findings)
        if settings.microphone_wav:
            running.play_microphone()
        result = _run_script(context, settings, running, episode, inside)
        episode.record = read_record(running.folder)
        episode.close_seconds = running.close()
    _report(context, settings, running, episode, result)
    outputs, facts = _outputs(running, episode, result)
    return script_result(result, outputs, facts)


def _run_script(
    context: Context, settings: Settings, running: Running, episode: _Episode, inside: dict[str, str]
) -> ScriptResult:
    def look(root: Process) -> None:
        """The script hangs: see what it looks like before it is ended."""
        from headless_env import failure

        if settings.screenshot != "never":
            episode.captured = failure.capture(
                inside, running.log_dir, roots=(root,), timeout_seconds=failure.HURRIED_SECONDS
            )

    result = run_in_workspace(
        context,
        settings.run,
        # What carries the marker ends with the environment, wherever it has detached itself to.
        environ={**inside, MARKER: running.record.identity},
        timeout_seconds=settings.timeout_seconds,
        grace_seconds=settings.grace_seconds,
        on_timeout=look,
    )
    failed = result.exit_code != 0 and settings.screenshot == "on-failure"
    if (failed or settings.screenshot == "always") and result.interrupted_by is None:
        from headless_env import failure

        episode.captured = episode.captured or failure.capture(inside, running.log_dir)
        if result.exit_code != 0:
            failure.tell(context, episode.captured, running.log_dir)
        elif episode.captured.screenshot:
            context.out.say(f"Screenshot: {episode.captured.screenshot}")
    return result


def _report(
    context: Context, settings: Settings, running: Running, episode: _Episode, result: ScriptResult
) -> None:
    if result.timed_out:
        names = ", ".join(f"{one.comm} ({one.pid})" for one in result.survivors)
        grace = f"the grace of {settings.grace_seconds:g} s"
        how = (
            f"still running when {grace} was over: {names}" if names else f"all its processes heeded {grace}"
        )
        context.out.error(
            f"the script was ended after timeout-seconds ({settings.timeout_seconds:g} s); {how}",
            title="Headless environment",
        )
    health = episode.record.health if episode.record else "unhealthy"
    if episode.record is None:
        context.out.warning("the environment ended before the script did; see supervisor.log")
    for event in episode.record.events if episode.record else ():
        context.out.warning(f"while the script ran: {event}", title="Headless environment")
    context.summary.facts(
        {
            "script": f"exit code {result.exit_code} after {duration(result.seconds)}"
            + (" (timed out)" if result.timed_out else ""),
            "ready": duration(running.ready_milliseconds / 1000),
            "verified": duration(episode.verified_milliseconds / 1000) if episode.findings else "",
            "health": health,
            "events": escape_cell("; ".join(episode.record.events)) if episode.record else "",
            "closed in": duration(episode.close_seconds),
            "screenshot": code(episode.captured.screenshot or "") if episode.captured else "",
            "logs": code(running.log_dir),
        }
    )
    if episode.captured and episode.captured.processes and result.exit_code != 0:
        context.summary.details("Processes that were running", "\n".join(episode.captured.processes)[:20_000])


def _outputs(
    running: Running, episode: _Episode, result: ScriptResult
) -> tuple[dict[str, str], dict[str, object]]:
    shot = episode.captured.screenshot if episode.captured else None
    health = episode.record.health if episode.record else "unhealthy"
    videos = reporting.recordings(running.log_dir)
    outputs = reporting.running_outputs(running) | {
        "verified-milliseconds": str(episode.verified_milliseconds) if episode.findings else "",
        "health": health,
        "timed-out": str(result.timed_out).lower(),
        "screenshot": str(shot or ""),
        "recording": str(videos[-1]) if videos else "",
    }
    facts: dict[str, object] = reporting.running_facts(
        running, episode.findings, episode.verified_milliseconds
    )
    facts |= {
        "health": health,
        "events": list(episode.record.events) if episode.record else [],
        "seconds": round(result.seconds, 3),
        "close-seconds": round(episode.close_seconds, 4),
        "timed-out": result.timed_out,
        "survivors": [{"pid": one.pid, "name": one.comm, "ended": one.ended} for one in result.survivors],
        "screenshot": str(shot or ""),
    }
    return outputs, facts
