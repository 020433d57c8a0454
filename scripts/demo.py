"""Run examples/workflows/cache-lock.yml with the real act, twice: on an empty store, then on a filled one.

No Docker and no GitHub: act runs the jobs as processes of this machine. Everything happens in build/demo, on a copy of
this repository, with a state root of its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from render_summaries import joined, read_sections, render

ROOT = Path(__file__).resolve().parent.parent
WORKFLOW = "examples/workflows/cache-lock.yml"
RUN_LIMIT_SECONDS = 20 * 60
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".tools", "build", "target", "__pycache__", ".*_cache")
COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_yellow")
BUILD_NOTE = re.compile(r"The build was: (\S+)\. Crates compiled after it: (\d+)")
EMPTY_ACTION = (
    "name: stub\ndescription: Stands for an action that no step calls.\nruns: {using: composite, steps: []}\n"
)


@dataclass(slots=True)
class Run:
    """What one run of the workflow took: seconds in all, seconds of each job's steps, and what was built."""

    exit_code: int = -1
    seconds: float = 0.0
    jobs: dict[str, float] = field(default_factory=dict)
    builds: list[str] = field(default_factory=list)
    crates_built_again: int = 0


class Progress:
    """Shows act's messages as they come, a colour for each job."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._colours: dict[str, str] = {}

    def show(self, event: Mapping[str, Any], run: Run) -> None:
        """Print what a person wants to see of one message, and add its figures to `run`."""
        job = job_name(event)
        message = str(event.get("msg", "")).rstrip()
        if event.get("raw_output"):
            if note := BUILD_NOTE.search(message):
                run.builds.append(note[1])
                run.crates_built_again += int(note[2])
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


def copy_repository(target: Path) -> None:
    """Copy what git tracks or would track, and make it a repository with one commit: act asks git for the ref."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        for name in filter(None, listed.stdout.split("\0")):
            source, copy = ROOT / name, target / name
            if source.is_file() or source.is_symlink():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, copy, follow_symlinks=False)
    else:  # an unpacked archive
        shutil.copytree(ROOT, target, symlinks=True, ignore=NOT_COPIED)
    git = ["git", "-C", str(target), "-c", "user.name=demo", "-c", "user.email=demo@localhost"]
    for command in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["remote", "add", "origin", "https://github.com/OWNER/coldvox-actions"],
        ["add", "--all"],
        ["-c", "commit.gpgsign=false", "commit", "--quiet", "--no-verify", "--message", "The demo's copy"],
    ):
        subprocess.run([*git, *command], check=True)


def unused_actions(workflow: Path, stub: Path) -> Iterator[str]:
    """Options that spare act the download of actions/cache: it fetches also what a step's `if` leaves out."""
    stub.mkdir()
    (stub / "action.yml").write_text(EMPTY_ACTION, encoding="utf-8")
    pinned = re.findall(r"uses: (actions/cache@[0-9a-f]{40})", workflow.read_text(encoding="utf-8"))
    for name in sorted(set(pinned)):
        yield from ("--local-repository", f"{name}={stub}")


def run_act(
    place: Path, name: str, *, environ: Mapping[str, str], options: list[str], progress: Progress
) -> Run:
    """Run the workflow once; act's messages go to `name`.log. Ended after RUN_LIMIT_SECONDS."""
    command = [str(ROOT / ".venv/bin/act"), "push", "--rm", "--json", "--no-cache-server", "-W", WORKFLOW]
    command += ["-P", "self-hosted=-self-hosted", "-P", "ubuntu-latest=-self-hosted", *options]
    run, started = Run(), time.monotonic()
    with (
        (place / f"{name}.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            cwd=place / "repository",
            env={**environ, "COLDVOX_ACTIONS_SUMMARY_DIR": str(place / name)},
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
                log.write(line)
                if line.startswith("{"):
                    progress.show(json.loads(line), run)
        finally:
            alarm.cancel()
    run.exit_code, run.seconds = process.returncode, time.monotonic() - started
    return run


def comparison(cold: Run, warm: Run) -> Table:
    """Seconds of both runs, job by job."""
    table = Table(title="What the store saved (of each job: seconds of its steps)", title_justify="left")
    for title in ("job", "empty store", "filled store"):
        table.add_column(title, justify="left" if title == "job" else "right")
    for job, seconds in cold.jobs.items():
        table.add_row(job, f"{seconds:.1f}", f"{warm.jobs.get(job, 0.0):.1f}")
    table.add_section()
    table.add_row("the whole run, as act took it", f"{cold.seconds:.1f}", f"{warm.seconds:.1f}")
    table.add_section()
    for title, values in (
        ("jobs that needed the build", [len(run.builds) for run in (cold, warm)]),
        (
            "times that it was built",
            [sum(one.startswith("ran") for one in run.builds) for run in (cold, warm)],
        ),
        ("crates compiled after a restore", [run.crates_built_again for run in (cold, warm)]),
    ):
        table.add_row(title, *map(str, values))
    return table


def environment(given: Mapping[str, str], build: Path) -> dict[str, str]:
    """The jobs' environment: state and act's caches in build/, the packages' caches where they always are."""
    caches = Path(given.get("XDG_CACHE_HOME") or Path(given.get("HOME") or Path.home()) / ".cache")
    # The user's own setting would put the build where the workflow does not look for it.
    given = {name: value for name, value in given.items() if name != "CARGO_TARGET_DIR"}
    return {
        "UV_CACHE_DIR": str(caches / "uv"),
        "PIP_CACHE_DIR": str(caches / "pip"),
        **given,
        "XDG_CACHE_HOME": str(build / "cache"),
        "COLDVOX_ACTIONS_HOME": str(build / "demo/state"),
    }


def main() -> int:
    """Returns the exit code: 1 when a run failed."""
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 120)
    build, place = ROOT / "build", ROOT / "build/demo"
    shutil.rmtree(place, ignore_errors=True)
    (place / "repository").parent.mkdir(parents=True)
    copy_repository(place / "repository")
    environ = environment(os.environ, build)
    options = list(unused_actions(ROOT / WORKFLOW, place / "stub"))
    progress, runs = Progress(console), []
    for name, title in (
        ("cold", "First run: the store is empty"),
        ("warm", "Second run: the store is filled"),
    ):
        console.rule(f"[bold]{title}", align="left")
        runs.append(run_act(place, name, environ=environ, options=options, progress=progress))
        console.print()
    for name in ("cold", "warm"):
        console.rule(f"[bold]Job summaries of the {name} run", align="left", characters="═")
        render(read_sections(place / name), console)
    report = place / "summaries.md"
    parts = [f"# The {name} run\n\n{joined(read_sections(place / name))}" for name in ("cold", "warm")]
    report.write_text("\n".join(parts), encoding="utf-8")
    console.print(comparison(*runs))
    console.print(f"\nAll job summaries as Markdown: {report}\nEverything that act said: {place}/*.log")
    for leftover in ("repository", "state", "stub"):
        shutil.rmtree(place / leftover, ignore_errors=True)
    failed = [run for run in runs if run.exit_code]
    if failed:
        console.print(f"[red]{len(failed)} of {len(runs)} runs failed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
