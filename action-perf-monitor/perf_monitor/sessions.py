"""A sampler that was started, as its files say it: begun by one step, ended by another."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from actionlib.jobs import Job, current_job
from actionlib.processes import Process
from actionlib.scoped_runs import workspace_of
from perf_monitor.inputs import Settings
from perf_monitor.job_marks import JobMarks
from perf_monitor.ledger import replace_json
from perf_monitor.monitor_files import MonitorFiles
from perf_monitor.sampling import Order, start_sampler

TITLE = "Performance monitor"
METRICS_FILE = "METRICS_FILE"
_SUFFIX = ".session.json"


@dataclass(frozen=True, slots=True)
class Session:
    """A sampler and its files. `stopped`: a step has ended it and reported."""

    files: MonitorFiles
    sampler: Process
    job: str  # the job's identity
    stopped: bool


def output_folder(settings: Settings, environ: Mapping[str, str]) -> Path:
    """The folder for metrics and reports, made when absent. Raises ActionError when it cannot be written."""
    path = Path(settings.output_dir or Path(environ.get("RUNNER_TEMP") or Path.cwd()) / "perf-monitor")
    try:
        path = workspace_of(environ) / path.expanduser()
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ActionError(
            f"output-dir '{path}' cannot be written: {why}",
            hint="Set 'output-dir' to a folder that this user may write",
        ) from error
    return path


def begin(context: Context, settings: Settings, *, script_marks: Mapping[str, str] | None = None) -> Session:
    """Start a sampler for this job, or only for what carries `script_marks` in its environment."""
    environ = context.environ
    folder = output_folder(settings, environ)
    job = current_job(environ)
    disk_path = workspace_of(environ) / Path(settings.disk_path or ".").expanduser()
    if not disk_path.exists():
        raise ActionError(
            f"input 'disk-path' is '{settings.disk_path}': {disk_path} does not exist",
            hint="Set it to a path that exists on the disk to be watched",
        )
    try:
        return _begin(context, settings, folder, job, disk_path, script_marks)
    except OSError as error:
        raise ActionError(
            f"output-dir '{folder}' cannot be written: {error.strerror}",
            hint="Make room there, or set another folder",
        ) from error


def _begin(
    context: Context,
    settings: Settings,
    folder: Path,
    job: Job,
    disk_path: Path,
    script_marks: Mapping[str, str] | None,
) -> Session:
    environ = context.environ
    files = MonitorFiles(_free_stem(folder, job_name(settings, environ)))
    caches = _existing_caches(context, settings)
    thresholds = {
        name: {"warning": one.warning, "critical": one.critical} for name, one in settings.thresholds.items()
    }
    replace_json(files.meta, _describe(settings, environ, disk_path, caches, thresholds))
    order = Order(
        stem=str(files.stem),
        job=job.to_json(),
        marks=script_marks or JobMarks.of(environ).variables,
        only_step=(environ.get("GITHUB_ACTION") or "script") if script_marks else "",
        labels={
            "workflow_id": environ.get("GITHUB_RUN_ID", ""),
            "job_name": job_name(settings, environ),
            "run_attempt": environ.get("GITHUB_RUN_ATTEMPT", ""),
        },
        interval_seconds=settings.sample_interval_seconds,
        max_runtime_seconds=settings.max_runtime_seconds,
        disk_path=str(disk_path),
        caches=caches,
        thresholds=thresholds,
        job_pattern=settings.job_pattern,
    )
    sampler = start_sampler(order, log=files.log, environ=environ)
    session = Session(files, sampler, job.identity, stopped=False)
    note(session)
    return session


def close(context: Context, session: Session) -> None:
    """Note that a session was ended. Where the disk is full, a second `stop` will report once more."""
    try:
        note(session, stopped=True)
    except OSError as error:
        context.out.warning(f"{_note_path(session.files)} cannot be written: {error.strerror}", title=TITLE)


def note(session: Session, *, stopped: bool = False) -> None:
    """Write down a session for the step that ends it. Raises OSError."""
    value = {
        "pid": session.sampler.pid,
        "start_ticks": session.sampler.start_ticks,
        "job": session.job,
        "stopped": stopped,
    }
    replace_json(_note_path(session.files), value)


def find(settings: Settings, environ: Mapping[str, str]) -> Session:
    """The session of this job that was begun last. Raises ActionError when there is none, or it has been ended."""
    if named := environ.get(METRICS_FILE):
        session = _read(MonitorFiles.of_csv(Path(named)))
        if session is None:
            raise ActionError(
                f"mode 'stop': {METRICS_FILE} is '{named}', and the note of its sampler cannot be read",
                hint="Use mode 'start' in an earlier step of the same job, and leave its files where they are",
            )
        if not session.stopped:
            return session
    identity = current_job(environ).identity
    notes = sorted(
        output_folder(settings, environ).glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime_ns
    )
    found = [_read(MonitorFiles(path.with_name(path.name.removesuffix(_SUFFIX)))) for path in notes]
    open_ones = [one for one in found if one and one.job == identity and not one.stopped]
    if not open_ones:
        raise ActionError(
            "mode 'stop': nothing is being monitored in this job",
            hint="Use mode 'start' in an earlier step of the same job",
        )
    return open_ones[-1]


def job_name(settings: Settings, environ: Mapping[str, str]) -> str:
    """job-key, else GITHUB_JOB."""
    return settings.job_key or environ.get("GITHUB_JOB", "")


def _note_path(files: MonitorFiles) -> Path:
    return files.stem.with_name(files.stem.name + _SUFFIX)


def _read(files: MonitorFiles) -> Session | None:
    try:
        value = json.loads(_note_path(files).read_text(encoding="utf-8"))
        sampler = Process(int(value["pid"]), int(value["start_ticks"]))
        return Session(files, sampler, str(value["job"]), bool(value["stopped"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _free_stem(folder: Path, job: str) -> Path:
    """`metrics_YYYYMMDD_HHMMSS_JOB`, claimed: a second sampler in the same second gets another one."""
    label = "".join(sign if sign.isalnum() or sign in "-." else "-" for sign in job)[:60]
    stamp = time.strftime("metrics_%Y%m%d_%H%M%S") + (f"_{label}" if label else "")
    for number in range(1000):
        stem = folder / (f"{stamp}-{number}" if number else stamp)
        try:
            MonitorFiles(stem).log.open("x").close()
        except FileExistsError:
            continue
        return stem
    raise ActionError(f"output-dir '{folder}' has a thousand files of this second", hint="Use another folder")


def _existing_caches(context: Context, settings: Settings) -> dict[str, str]:
    found = {}
    home = context.environ.get("HOME", "")
    for name, text in settings.cache_paths.items():
        expanded = text.replace("~", home, 1) if home and (text == "~" or text.startswith("~/")) else text
        path = workspace_of(context.environ) / expanded
        if path.is_dir() or settings.cache_paths_given:
            found[name] = str(path)
        if settings.cache_paths_given and not path.is_dir():
            context.out.notice(f"cache-paths: {name} is not there (yet): {path}", title=TITLE)
    return found


def _describe(
    settings: Settings,
    environ: Mapping[str, str],
    disk_path: Path,
    caches: Mapping[str, str],
    thresholds: Mapping[str, Mapping[str, float | None]],
) -> dict[str, Any]:
    """The content of the meta file."""

    def given(name: str) -> str:
        return environ.get(f"GITHUB_{name}", "")

    url = ""
    if given("SERVER_URL") and given("REPOSITORY") and given("RUN_ID"):
        url = f"{given('SERVER_URL')}/{given('REPOSITORY')}/actions/runs/{given('RUN_ID')}"
    return {
        "format": 1,
        "started_unix": round(time.time(), 3),
        "repository": given("REPOSITORY"),
        "workflow": given("WORKFLOW"),
        "job": job_name(settings, environ),
        "run_id": given("RUN_ID"),
        "run_attempt": given("RUN_ATTEMPT"),
        "run_url": url,
        "ref": given("REF"),
        "sha": given("SHA"),
        "event": given("EVENT_NAME"),
        "runner": environ.get("RUNNER_NAME", ""),
        "host": platform.node(),
        "operating_system": f"{platform.system()} {platform.release()}",
        "cores": psutil.cpu_count() or 1,
        "memory_mb": psutil.virtual_memory().total // 2**20,
        "interval_seconds": settings.sample_interval_seconds,
        "max_runtime_seconds": settings.max_runtime_seconds,
        "disk_path": str(disk_path),
        "caches": dict(caches),
        "thresholds": dict(thresholds),
        "versions": {
            "action": environ.get("ACTION_REF", ""),
            "python": platform.python_version(),
            "psutil": psutil.__version__,
        },
        "mode": settings.mode,
    }
