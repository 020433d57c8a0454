"""One run of a workflow by the real act, its messages shown as they come."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
RUN_LIMIT_SECONDS = 20 * 60
COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_yellow")
EMPTY_ACTION = (
    "name: stub\ndescription: Stands for an action that no step calls.\nruns: {using: composite, steps: []}\n"
)


@dataclass(slots=True)
class Run:
    """What one run took: seconds in all, and of each job's steps."""

    exit_code: int = -1
    seconds: float = 0.0
    jobs: dict[str, float] = field(default_factory=dict)


class Progress:
    """Shows act's messages, a colour for each job."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._colours: dict[str, str] = {}

    def show(self, event: Mapping[str, Any], run: Run) -> None:
        """Print what a person wants to see of one message, and add its seconds to `run`."""
        job = job_name(event)
        message = str(event.get("msg", "")).rstrip()
        if event.get("raw_output"):
            if message and not message.startswith("::"):
                self._line(job, f"  {message}", style="dim")
            return
        if event.get("level") == "error" and job:
            self._line(job, message, style="red")
        if event.get("stage") != "Main" or len(event.get("stepID", ())) != 1:
            return
        step = re.sub(r"@[0-9a-f]{40}$", "", str(event.get("step", "")))
        if message.startswith("⭐"):
            self._line(job, f"▶ {step}")
        elif result := event.get("stepResult"):
            seconds = event.get("executionTime", 0) / 1e9
            run.jobs[job] = run.jobs.get(job, 0.0) + seconds
            good = result == "success"
            self._line(job, f"{'✔' if good else '✘'} {step} ({seconds:.1f} s)", style="" if good else "red")

    def _line(self, job: str, text: str, *, style: str = "") -> None:
        colour = self._colours.setdefault(job, COLOURS[len(self._colours) % len(COLOURS)])
        self._console.print(Text(f"{job:<26.26} ", style=colour) + Text(text, style=style))


def job_name(event: Mapping[str, Any]) -> str:
    """The job's display name, without the workflow's name and the matrix counter that act adds."""
    name = str(event.get("job", "")).partition("/")[2].strip()
    return re.sub(r"-\d+$", "", name) if event.get("matrix") else name


def unused_actions(workflow: Path, stub: Path) -> Iterator[str]:
    """Options that spare act the download of actions of others: it fetches also what a step's `if` leaves out."""
    stub.mkdir()
    (stub / "action.yml").write_text(EMPTY_ACTION, encoding="utf-8")
    pinned = re.findall(r"uses: ([\w-]+/[\w-]+@[0-9a-f]{40})", workflow.read_text(encoding="utf-8"))
    for name in sorted(set(pinned)):
        if not name.startswith("actions/checkout@"):  # act does that one itself
            yield from ("--local-repository", f"{name}={stub}")


def run_act(
    repository: Path,
    log: Path,
    *,
    workflow: str,
    environ: Mapping[str, str],
    options: Sequence[str],
    progress: Progress,
) -> Run:
    """Run the workflow once; everything that act says goes to `log`. Ended after RUN_LIMIT_SECONDS."""
    command = [str(ROOT / ".venv/bin/act"), "push", "--rm", "--json", "--no-cache-server", "-W", workflow]
    command += [
        "-P",
        "self-hosted=-self-hosted",
        "-P",
        "ubuntu-latest=-self-hosted",
        "--concurrent-jobs",
        "4",
        *options,
    ]
    run, started = Run(), time.monotonic()
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(
            command,
            cwd=repository,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        alarm = threading.Timer(RUN_LIMIT_SECONDS, process.kill)
        alarm.start()
        try:
            for line in process.stdout or ():
                kept.write(line)
                if line.startswith("{"):
                    progress.show(json.loads(line), run)
        finally:
            alarm.cancel()
    run.exit_code, run.seconds = process.returncode, time.monotonic() - started
    return run
