"""Blocker 7, monitoring: the document's script and action-perf-monitor in surroundings that lack something."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headless_steps import RunLineStarter, Stage
from impact_report import Claim, Part, prose, table
from impact_surroundings import CASES, Surroundings

from fakes.job_steps import Steps
from fakes.runner import FakeRunner
from fakes.steps import PERF_MONITOR

SCRIPT = Path(__file__).with_name("baseline") / "performance_monitor.sh"
WAIT_SECONDS = 30.0
TOOLS = [
    "bash",
    "sh",
    "env",
    "date",
    "awk",
    "free",
    "df",
    "du",
    "pgrep",
    "ps",
    "cut",
    "head",
    "wc",
    "mkdir",
    "dirname",
    "basename",
    "sleep",
    "cat",
    "bc",
    "python3",
    "uv",
    "setsid",
    "uname",
    "stat",
    "id",
    "grep",
    "sed",
    "readlink",
    "rm",
    "ls",
    "mv",
    "touch",
    "tr",
    "sort",
]
UNBOUND = re.compile(r"unbound variable")
SHELL_ERRORS = re.compile(
    r"integer expression expected|syntax error|operand expected|command not found|Traceback|parse error"
)


@dataclass
class Trial:
    """How start, stop, report and health went."""

    unbound: int = 0
    errors: int = 0
    reported: bool = False
    exit_code: int = 0

    def read(self, text: str) -> None:
        """Count what went wrong in `text`."""
        self.unbound += len(UNBOUND.findall(text))
        self.errors += len(SHELL_ERRORS.findall(text))


def run() -> Part:
    """Try all surroundings; takes about two minutes."""
    with tempfile.TemporaryDirectory(prefix="impact-monitor-") as text, Stage.open(Path(text)) as stage:
        folder = Path(text)
        document = [of_document(folder / f"document-{number}", one) for number, one in enumerate(CASES)]
        with FakeRunner(folder / "runner") as runner:
            runner.wipe_temp()
            warm = Steps(runner.start_job(env=stage.starter.environ), monitor(stage))
            warm.run(mode="health")
            warm.job.finish()
            ours = [
                of_action(folder / f"ours-{number}", one, runner, stage) for number, one in enumerate(CASES)
            ]
    return part(document, ours)


def programs(folder: Path, case: Surroundings) -> str:
    """A PATH with what is there."""
    folder.mkdir(parents=True)
    for name in TOOLS:
        found = shutil.which(name)
        if found and name not in case.lacking and name not in case.silent:
            (folder / name).symlink_to(os.path.realpath(found))
    for name in case.silent:
        (folder / name).write_text("#!/bin/sh\nexit 0\n")
        (folder / name).chmod(0o755)
    return str(folder)


def await_rows(file: Callable[[], Path | None], rows: int = 3) -> None:
    """Until the metrics file has its header and some rows, or it seems that there will be none."""
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline:
        path = file()
        if path is not None and path.exists() and len(path.read_text().splitlines()) >= rows:
            return
        time.sleep(0.05)


def of_document(folder: Path, case: Surroundings) -> Trial:
    """The document's workflow, lines 1745-1776: start, health, stop, and a report at the end."""
    path = programs(folder / "bin", case)
    (folder / "env").touch()
    environ = {
        "PATH": path, "HOME": str(folder), "MONITOR_BASE": str(folder), "CI_HOME": str(folder),
        "GITHUB_ACTIONS": "true", "GITHUB_ENV": str(folder / "env"), "SAMPLE_INTERVAL": case.interval,
        "GITHUB_RUN_ID": "4711", "GITHUB_JOB": "test", "GITHUB_RUN_ATTEMPT": "1",
    }  # fmt: skip
    for name in case.unset:
        del environ[name]
    trial = Trial()

    def step(mode: str) -> int:
        # Without GITHUB_ENV a later step finds nothing, as on a runner.
        told = parse(folder / "env") | ({"METRICS_FILE": str(metrics())} if mode == "report" else {})
        done = subprocess.run(
            [path + "/bash", str(SCRIPT), mode], env=environ | told, cwd=folder, capture_output=True,
            text=True, timeout=WAIT_SECONDS, check=False,
        )  # fmt: skip
        trial.read(done.stdout + done.stderr)
        return done.returncode

    def metrics() -> Path | None:
        return next((folder / "metrics").glob("*.csv"), None)

    if case.start:
        step("start")
        await_rows(metrics)
        file = metrics()
        if file is not None:
            trial.read(file.read_text())
            if case.tamper:
                case.tamper(file)
    trial.exit_code = step(case.by)
    step("health")
    page = next((folder / "metrics").glob("*_report.md"), None)
    trial.reported = page is not None and "Sample Count" in page.read_text()
    if (pid := parse(folder / "env").get("MONITOR_PID")) is None:
        end_monitors(folder)
    else:
        end(int(pid))
    return trial


def parse(path: Path) -> dict[str, str]:
    """NAME=value lines of a GITHUB_ENV file."""
    return {
        name: value
        for name, sign, value in (line.partition("=") for line in path.read_text().splitlines())
        if sign
    }


def end_monitors(folder: Path) -> None:
    """End monitors of ours whose pid nobody was told: those that have our folder in their environment."""
    from headless_traces import processes_with

    for pid in processes_with("MONITOR_BASE", str(folder)):
        end(pid)


def end(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return


def monitor(stage: Stage) -> RunLineStarter:
    return RunLineStarter(PERF_MONITOR, stage.starter.worker, stage.starter.environ)


def of_action(folder: Path, case: Surroundings, runner: FakeRunner, stage: Stage) -> Trial:
    """Start, health and stop as steps of one job of the fake runner."""
    environ = stage.starter.environ | {"PATH": programs(folder / "bin", case)}
    starter = monitor(stage)
    job = runner.start_job(env=environ)
    trial = Trial()

    def step(**inputs: object) -> tuple[int, dict[str, str]]:
        argv, full = starter.command(output_dir=str(folder / "out"), **inputs)
        unset = [word for name in case.unset for word in ("-u", name)]
        env = {"INPUTS": full["INPUTS"], "GITHUB_ACTION_PATH": str(PERF_MONITOR)}
        done = job.run_step(run=f"exec env {shlex.join([*unset, *argv])}", env=env)
        trial.read(done.stdout)
        trial.errors += done.exit_code == 70
        return done.exit_code, done.outputs

    def metrics() -> Path | None:
        return next((folder / "out").glob("*.csv"), None)

    if case.start:
        step(mode="start", sample_interval_seconds=case.interval)
        await_rows(metrics)
        file = metrics()
        if file is not None and case.tamper:
            case.tamper(file)
    named = {"metrics_file": metrics()} if case.by == "report" else {}
    trial.exit_code, outputs = step(mode=case.by, **named)
    step(mode="health")
    trial.reported = int(outputs.get("samples") or 0) > 0
    job.finish()
    return trial


def part(document: list[Trial], ours: list[Trial]) -> Part:
    """The claim of line 1802."""
    able = [number for number, case in enumerate(CASES) if case.report]
    unbound = [sum(trial.unbound for trial in side) for side in (document, ours)]
    errors = [sum(trial.errors for trial in side) for side in (document, ours)]
    reported = [sum(side[number].reported for number in able) for side in (document, ours)]
    claims = [
        Claim(
            1802, "no variable binding errors",
            *(f"{one} in {len(CASES)} surroundings, and {other} other errors of the script"
              for one, other in zip(unbound, errors, strict=True)),
            *(one == 0 for one in unbound),
        ),
        Claim(
            1802, "automated reporting",
            *(f"{one} reports with figures of the {len(able)} that are possible" for one in reported),
            *(one == len(able) for one in reported),
        ),
    ]  # fmt: skip

    def told(trial: Trial) -> tuple[object, ...]:
        return trial.unbound, trial.errors, "yes" if trial.reported else "no", trial.exit_code

    rows = [
        (case.name + ("" if case.report else " *"), *told(one), *told(other))
        for case, one, other in zip(CASES, document, ours, strict=True)
    ]
    columns = ["surroundings"]
    for side in ("document", "actions"):
        columns += [f"{side}: unbound", "other errors", "report", "exit code"]
    body = [
        prose(f"""
            **Workload.** {len(CASES)} surroundings, each once: start, at least two samples, stop with its report,
            health. Errors are counted in everything that is printed and in the metrics file, where the document's
            script sends what goes wrong. `*`: no report with figures is possible.
        """),
        table(columns, rows),
        prose("""
            **Found.** The script before the document is not in it, so that what it eliminates cannot be told. What
            the document calls fixed (lines 1336-1743) still takes GITHUB_ENV for granted at the end of its report
            (line 1624), and an empty figure for a number (lines 1505 and 1660). Its health check ends with 1 at a
            single warning, which fails the job: a host without a process named `Runner.Listener` always has one.
        """),
        "Not shown: whether the document's figures are right. What sampling costs is in `make bench`.",
    ]
    return Part("7. Performance monitoring", claims, body)
