"""Modes `start` and `stop`: an environment across steps."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from actionlib.entrypoint import Context, Result
from actionlib.errors import ActionError
from actionlib.jobs import current_job
from actionlib.logs import tail
from actionlib.process_tree import send_signal
from actionlib.summary import code, duration, escape_cell
from headless_env import reporting
from headless_env.environments import Record, base_folder, environments_of, read_record
from headless_env.inputs import Settings
from headless_env.launching import (
    SUPERVISOR_LOG,
    Running,
    await_end,
    launch,
    milliseconds_since_start,
)
from headless_env.variables import ENVIRONMENT_VARIABLE

NOTE = "session.json"  # in the log folder, which outlives the environment, and in the environment's own


def start(context: Context, settings: Settings) -> Result:
    """Start an environment for the job's later steps."""
    with launch(context, settings) as running:
        reporting.tell_start(context, running)
        inside = running.environ(context.environ)
        from headless_env.verification import verify  # has been imported while the components came up

        findings = verify(running.record.components, inside, depth=settings.verify)
        verified = milliseconds_since_start()
        context.summary.heading("Headless environment")
        reporting.table_of_checks(context, running.record.components, findings)
        reporting.refuse_unhealthy(context, settings, running, findings)
        if settings.microphone_wav:
            running.play_microphone()
        _export(context, running)
        running.outlive()
    context.summary.facts(
        {
            "ready": duration(running.ready_milliseconds / 1000),
            "verified": duration(verified / 1000) if findings else "",
            "lives": "until `stop` or the end of the job",
            "logs": code(running.log_dir),
        }
    )
    outputs = reporting.running_outputs(running) | {"health": "healthy"}
    outputs["verified-milliseconds"] = str(verified) if findings else ""
    return Result(outputs, facts=reporting.running_facts(running, findings, verified) | {"health": "healthy"})


def _export(context: Context, running: Running) -> None:
    """Give the variables to the job's later steps, and note what they were."""
    exports = {**running.exports, ENVIRONMENT_VARIABLE: str(running.log_dir)}
    # A job's variable cannot be unset, only emptied.
    emptied = [name for name in running.record.unset if name not in exports and context.environ.get(name)]
    before = {name: context.environ.get(name, "") for name in [*exports, *emptied]}
    note = json.dumps({"folder": str(running.folder), "before": before}, indent=1)
    for place in (running.log_dir, running.folder):
        (place / NOTE).write_text(note, encoding="utf-8")
    if not context.environ.get("GITHUB_ENV"):
        context.out.say(f"To enter it: . {running.folder}/env")
        return
    for name, value in exports.items():
        context.out.export_variable(name, value)
    for name in emptied:
        context.out.export_variable(name, "")
    if emptied:
        context.out.say(f"Emptied, because they lead to another desktop: {', '.join(emptied)}")


@dataclass(frozen=True, slots=True)
class Session:
    """A started environment as a later step finds it. `record` is None when the environment has ended."""

    folder: Path
    log_dir: Path
    before: Mapping[str, str]
    record: Record | None


def find_session(environ: Mapping[str, str], *, mode: str) -> Session:
    """The environment that this job, or this prompt, started last. Raises ActionError when there is none."""
    named = environ.get(ENVIRONMENT_VARIABLE)
    if not named:
        found = environments_of(current_job(environ), base_folder(environ))
        if not found:
            raise ActionError(
                f"mode '{mode}': this job has no headless environment",
                hint="Use mode 'start' in an earlier step of the same job",
            )
        named = found[-1][1].log_dir
    log_dir = Path(named)
    places = [log_dir, base_folder(environ) / log_dir.name]  # a later step may have removed the logs
    try:
        place = next((place for place in places if (place / NOTE).is_file()), log_dir)
        note = json.loads((place / NOTE).read_text(encoding="utf-8"))
        folder = Path(note["folder"])
        before = {str(name): str(value) for name, value in note["before"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ActionError(
            f"mode '{mode}': {ENVIRONMENT_VARIABLE} is '{named}', and {NOTE} there cannot be read: {error}",
            hint="Use mode 'start' in an earlier step of the same job, and leave its log folder where it is",
        ) from error
    record = read_record(folder)
    if record and (record.log_dir != str(log_dir) or not record.process.is_alive()):
        record = None
    return Session(folder, log_dir, before, record)


def stop(context: Context, settings: Settings) -> Result:
    """End the environment that an earlier step started, and give the variables their earlier values back."""
    session = find_session(context.environ, mode="stop")
    if context.environ.get("GITHUB_ENV"):
        for name, value in session.before.items():
            context.out.export_variable(name, value)
    context.summary.heading("Headless environment")
    if session.record is None:
        _refuse_ended(session)
    inside = {**context.environ, **session.record.exports, ENVIRONMENT_VARIABLE: str(session.log_dir)}
    failed = context.environ.get("JOB_STATUS", "success") != "success"
    captured = None
    if settings.screenshot == "always" or (settings.screenshot == "on-failure" and failed):
        from headless_env import failure

        captured = failure.capture(inside, session.log_dir)
        failure.tell(context, captured, session.log_dir)
    record = read_record(session.folder) or session.record
    seconds = _end(session, record)
    for event in record.events:
        context.out.warning(f"while it ran: {event}", title="Headless environment")
    context.out.say(f"Headless environment {record.identity} has ended ({duration(seconds)}).")
    videos = reporting.recordings(session.log_dir)
    shot = str(captured.screenshot or "") if captured else ""
    context.summary.facts(
        {
            "health": record.health,
            "events": escape_cell("; ".join(record.events)),
            "closed in": duration(seconds),
            "screenshot": code(shot),
            "logs": code(session.log_dir),
        }
    )
    outputs = {"health": record.health, "screenshot": shot, "log-dir": str(session.log_dir)}
    outputs["recording"] = str(videos[-1]) if videos else ""
    facts = {
        **outputs,
        "environment": record.identity,
        "events": list(record.events),
        "close-seconds": seconds,
    }
    return Result(outputs, facts=facts)


def _refuse_ended(session: Session) -> NoReturn:
    raise ActionError(
        f"headless environment {session.folder.name} ended before 'stop': what used it since then had no display",
        hint=f"The end of its log:\n{tail(session.log_dir / SUPERVISOR_LOG)}",
        outputs={"log-dir": str(session.log_dir), "health": "unhealthy"},
    )


def _end(session: Session, record: Record) -> float:
    """Tell the supervisor to end; returns the seconds until all was gone."""
    begin = time.monotonic()
    keeper = record.keeper
    send_signal(record.process, signal.SIGTERM)
    await_end(keeper, session.folder)
    return round(time.monotonic() - begin, 4)
