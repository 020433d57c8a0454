"""Run examples/workflows/coldvox-ci.yml with the real act, twice: on an empty store, then on a filled one.

No Docker and no GitHub: act runs the jobs as processes of this machine. Everything happens in one folder, on a copy of
this repository, with a state root of its own; the model comes from a server on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rich.console import Console
from rich.table import Table

from act_run import ROOT, Progress, Run, run_act, unused_actions
from render_summaries import Job, read_jobs, render
from summary_page import page

WORKFLOW = "examples/workflows/coldvox-ci.yml"
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".tools", "build", "target", "__pycache__", ".*_cache")
# What a host with four runner services would publish of itself; act has none.
HEARTBEAT = {"v": 1, "h": 100, "c": 0.1, "m": 30.0, "s": 4, "a": 0}


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


class _Models(SimpleHTTPRequestHandler):
    """Serves a folder and counts who asks."""

    asked: list[str]

    def __init__(self, asked: list[str], *arguments: object, **more: object) -> None:
        self.asked = asked
        super().__init__(*arguments, **more)  # type: ignore[arg-type]

    def log_message(self, _format: str, *_: object) -> None:
        self.asked.append(self.path)


@contextmanager
def model_server(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Address of a server of these models, and the requests that it has got."""
    asked: list[str] = []
    handler = partial(_Models, asked, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def units_compiled(jobs: Sequence[Job]) -> int:
    """What all jobs say that they compiled."""
    summaries = [text for job in jobs for text in job.summaries]
    return sum(int(found) for text in summaries for found in re.findall(r"units compiled\D+(\d+)", text))


def comparison(runs: Mapping[str, Run], told: Mapping[str, Sequence[Job]], downloads: Sequence[int]) -> Table:
    """Seconds and counts of both runs, job by job."""
    table = Table(title="What the store saved (of each job: seconds of its steps)", title_justify="left")
    table.add_column("job")
    for name in runs:
        table.add_column(name, justify="right")
    for job in sorted({job for run in runs.values() for job in run.jobs}):
        table.add_row(job, *(f"{run.jobs.get(job, 0.0):.1f}" for run in runs.values()))
    table.add_section()
    table.add_row("the whole run, as act took it", *(f"{run.seconds:.1f}" for run in runs.values()))
    table.add_section()
    table.add_row(
        "compilation units of the combinations", *(str(units_compiled(one)) for one in told.values())
    )
    table.add_row("downloads of the model", *map(str, downloads))
    return table


def environment(given: Mapping[str, str], place: Path) -> dict[str, str]:
    """The jobs' environment: state in the demo's folder, act's caches beside it, packages' where they always are."""
    caches = Path(given.get("XDG_CACHE_HOME") or Path(given.get("HOME") or Path.home()) / ".cache")
    # The user's own setting would put the build where the workflow does not look for it.
    given = {name: value for name, value in given.items() if name != "CARGO_TARGET_DIR"}
    return {
        "UV_CACHE_DIR": str(caches / "uv"),
        "PIP_CACHE_DIR": str(caches / "pip"),
        **given,
        "XDG_CACHE_HOME": str(place.parent / "cache"),
        "COLDVOX_ACTIONS_HOME": str(place / "state"),
        "MODELS": str(place / "models"),
    }


def main() -> int:
    """Returns the exit code: 1 when a run failed."""
    parser = argparse.ArgumentParser(
        description="Run the ColdVox pipeline twice under act, and show its summaries."
    )
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build/demo", help="made anew (default: build/demo)"
    )
    place: Path = parser.parse_args().folder.resolve()
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 120)
    shutil.rmtree(place, ignore_errors=True)
    (place / "models").mkdir(parents=True)
    copy_repository(place / "repository")
    environ = environment(os.environ, place)
    options = list(unused_actions(ROOT / WORKFLOW, place / "stub"))
    progress, runs, downloads = Progress(console), {}, []
    with model_server(ROOT / "examples/voice-app/models") as (address, asked):
        for name in ("an empty store", "a filled store"):
            console.rule(f"[bold]A run with {name}", align="left")
            folder = place / name.replace(" ", "-")
            heartbeat = json.dumps({**HEARTBEAT, "t": int(time.time())})
            before = len(asked)
            runs[name] = run_act(
                place / "repository",
                place / f"{folder.name}.log",
                workflow=WORKFLOW,
                environ={**environ, "COLDVOX_ACTIONS_SUMMARY_DIR": str(folder), "MODEL_SERVER": address},
                options=[*options, "--var", f"COLDVOX_RUNNER_HEARTBEAT={heartbeat}"],
                progress=progress,
            )
            downloads.append(len(asked) - before)
            console.print()
    told = {name: read_jobs(place / name.replace(" ", "-")) for name in runs}
    for number, (name, jobs) in enumerate(told.items()):
        only = ", the last job's; the others are on the page" if number else ""
        console.rule(f"[bold]Job summaries, {name}{only}", align="left", characters="═")
        render(jobs[-1:] if number else jobs, console)
    html = place / "summaries.html"
    html.write_text(page("Job summaries of the demo", told), encoding="utf-8")
    console.print(comparison(runs, told, downloads))
    console.print(f"\nAll job summaries as one page: {html}\nEverything that act said: {place}/*.log")
    for leftover in ("repository", "state", "stub", "models"):
        shutil.rmtree(place / leftover, ignore_errors=True)
    failed = [run for run in runs.values() if run.exit_code]
    if failed:
        console.print(f"[red]{len(failed)} of {len(runs)} runs failed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
