"""Environments of action-headless-env beside xvfb-run, xvfbwrapper and PyVirtualDisplay, in one run.

Ours is a whole step through the run line of action.yml: Xvfb, window manager, D-Bus, AT-SPI and sound, everything
verified, a script run in it, everything ended. The others start an X server, ask it once, and end it. All take turns,
so that a busy moment hits them all.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import headless_peers as peers
import measure
import psutil
from headless_steps import Stage, Trial
from headless_traces import (
    Environment,
    PeerServer,
    processes_with,
    proportional_bytes,
    remove_dead_display,
    wait_until,
)

OURS = "coldvox"
AT_ONCE = 8
KILL_WAIT_SECONDS = 10.0
HANGING_CHILDREN = 20
HANG_TIMEOUT_SECONDS, HANG_GRACE_SECONDS = 2.0, 1.0
# Twenty processes that ignore SIGTERM, have lost their parents and sessions, and hold the step's output open.
HANG = f"""
date +%s.%N > "$BEGUN"
for _ in $(seq {HANGING_CHILDREN}); do
    (setsid bash -c 'trap "" TERM; while :; do sleep 1; done' &)
done
trap '' TERM
while :; do sleep 1; done
"""


@dataclass
class Series:
    """Trials of one contender, alone or eight at once; seconds, each only where it is known."""

    name: str
    tried: int = 0
    good: int = 0
    seconds: dict[str, list[float]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)  # after a normal end

    def add(self, taken: dict[str, float] | None) -> None:
        """A trial's times; None when it failed."""
        self.tried += 1
        self.good += taken is not None
        for what, value in (taken or {}).items():
            self.seconds.setdefault(what, []).append(value)

    def milliseconds(self, what: str, share: float) -> float:
        """A percentile; nan where that was not measured."""
        return measure.percentile(self.seconds.get(what, []), share) * 1000

    def row(self, how: str) -> dict[str, object]:
        row: dict[str, object] = {"": self.name, "at once": how, "good": f"{self.good}/{self.tried}"}
        row["left at end"] = len(self.left)
        for what in ("ready", "verified", "close", "whole"):
            for label, share in (("p50", 0.5), ("p95", 0.95)):
                row[f"{what} {label} ms"] = self.milliseconds(what, share)
        return row


def main() -> int:
    options = parse()
    with tempfile.TemporaryDirectory(prefix="bench-headless-") as text, Stage.open(Path(text)) as stage:
        names = [name for name in peers.NAMES if peers.usable(name)]
        warm = stage.finish(stage.begin("true"))
        if not warm.good:
            raise SystemExit(warm.step.log)
        where = measure.environment(Path(text))
        alone = run_alone(stage, names, options.rounds)
        together = run_together(stage, names, options.parallel_rounds)
        memory = measure_memory(stage)
        left = {name: leaks_of_peer(name) for name in names} | {OURS: leaks_of_ours(stage)}
        late, survivors = hang(stage)
    rows = [alone[name].row("1") | count_row(left[name]) for name in (OURS, *names)]
    rows += [together[name].row(str(AT_ONCE)) for name in (OURS, *names)]
    ours, many = alone[OURS], together[OURS]
    targets = [
        ("alone: failed", ours.tried - ours.good, 0),
        ("ready p50 (ms)", ours.milliseconds("ready", 0.5), 250),
        ("ready p95 (ms)", ours.milliseconds("ready", 0.95), 500),
        ("verified p50 (ms)", ours.milliseconds("verified", 0.5), 600),
        ("closed p95 (ms)", ours.milliseconds("close", 0.95), 300),
        (f"{AT_ONCE} at once: failed of {many.tried}", many.tried - many.good, 0),
        (f"{AT_ONCE} at once: verified, slowest (ms)", many.milliseconds("verified", 1), 3000),
        ("memory of one environment (MB)", memory / 1e6, 100),
        ("left behind after signals (things)", sum(len(things) for things in left[OURS].values()), 0),
        ("hanging script: ended after time and grace (s)", late, 1),
        (f"hanging script: survivors of {HANGING_CHILDREN}", survivors, 0),
    ]
    if peers.XVFB_RUN in names:
        ratio = ours.milliseconds("ready", 0.5) / alone[peers.XVFB_RUN].milliseconds("whole", 0.5)
        targets.insert(3, ("ready p50 / xvfb-run -a true p50", ratio, 1.5))
    return measure.report(options, where=where, rows=rows, targets=targets, notes=notes(names, left))


def parse() -> argparse.Namespace:
    parser = measure.arguments(str(__doc__))
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="trials of each alone (25 with --check, else 8)"
    )
    parser.add_argument(
        "--parallel-rounds", type=int, metavar="N", help="eight at once (25 with --check, else 3)"
    )
    options = parser.parse_args()
    options.rounds = options.rounds or (25 if options.check else 8)
    options.parallel_rounds = options.parallel_rounds or (25 if options.check else 3)
    return options


def notes(names: list[str], left: dict[str, dict[str, list[str]]]) -> list[str]:
    """What the table does not say."""
    told = [
        "ready, verified: from the step's first line. whole: the step from bash to its end, script and summary too.",
        "The others' ready: from the call until xdpyinfo was answered; xvfb-run is timed with `true`.",
        "left after INT, TERM, KILL: processes, locks, sockets and folders, when the signalled process is gone.",
    ]
    told += [f"{name}: left out, it is not installed here." for name in peers.NAMES if name not in names]
    for name, cases in left.items():
        told += [f"left by {name} after {case}: {', '.join(found)}" for case, found in cases.items() if found]
    return told


def count_row(left: dict[str, list[str]]) -> dict[str, object]:
    return {f"left after {case}": len(left[case]) for case in ("INT", "TERM", "KILL")}


# --- times -----------------------------------------------------------------------------------------------


def times(trial: Trial) -> dict[str, float] | None:
    """What a step of ours took; None when it failed, after its log has been shown."""
    if not trial.good:
        print(
            f"-- a step failed with exit code {trial.step.exit_code}:\n{trial.step.log[-3000:]}",
            file=sys.stderr,
        )
        return None
    return {name: trial.seconds(name) for name in ("ready", "verified", "close")} | {
        "whole": trial.wall_seconds
    }


def run_alone(stage: Stage, names: list[str], rounds: int) -> dict[str, Series]:
    """One at a time, in turns."""
    series = {name: Series(name) for name in (OURS, *names)}
    for _ in range(rounds):
        series[OURS].add(times(stage.finish(stage.begin("true"))))
        for name in names:
            begun = time.monotonic()
            displays: list[str] = []
            series[name].add(peers.finish(name, peers.begin(name), begun, left=displays))
            series[name].left += [path for display in displays for path in remove_dead_display(display)]
    return series


def run_together(stage: Stage, names: list[str], rounds: int) -> dict[str, Series]:
    """Eight at once; ours look for each other's clipboards and sounds meanwhile."""
    series = {name: Series(name) for name in (OURS, *names)}
    for number in range(rounds):
        meeting = stage.folder / f"meeting-{number}"
        meeting.mkdir()
        steps = [stage.begin_inside(index, AT_ONCE, meeting) for index in range(AT_ONCE)]
        for trial in stage.finish_all(steps):
            series[OURS].add(times(trial))
        for name in names:
            begun = time.monotonic()
            processes = [peers.begin(name) for _ in range(AT_ONCE)]
            displays: list[str] = []
            for process in processes:
                series[name].add(peers.finish(name, process, begun, left=displays))
            series[name].left += [path for display in displays for path in remove_dead_display(display)]
        print(
            f"   round {number + 1} of {rounds}: {series[OURS].good}/{series[OURS].tried} good",
            file=sys.stderr,
        )
    return series


# --- memory, signals, time-out ---------------------------------------------------------------------------


def measure_memory(stage: Stage) -> int:
    """Bytes (Pss) of an environment, its supervisor included, but not of the step and its script."""
    with stage.running() as (_, environment):
        return proportional_bytes(environment.own_processes())


def leaks_of_ours(stage: Stage) -> dict[str, list[str]]:
    """What is left, by what was signalled."""

    def kill_all(pid: int, environment: Environment) -> None:
        for one in (environment.keeper, environment.supervisor, pid):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)

    cases: dict[str, Callable[[int, Environment], object]] = {
        "INT": lambda pid, environment: os.kill(pid, signal.SIGINT),
        "TERM": lambda pid, environment: os.kill(pid, signal.SIGTERM),
        "KILL": lambda pid, environment: os.kill(pid, signal.SIGKILL),
        "KILL of the supervisor": lambda pid, environment: os.kill(environment.supervisor, signal.SIGKILL),
        "KILL of the keeper": lambda pid, environment: os.kill(environment.keeper, signal.SIGKILL),
        "KILL of the runner's worker": lambda pid, environment: os.kill(
            psutil.Process(pid).ppid(), signal.SIGKILL
        ),
        "KILL of all, and the next start": kill_all,
    }
    left = {}
    for case, act in cases.items():
        with stage.running() as (step, environment):
            (child,) = psutil.Process(step.process.pid).children()
            act(child.pid, environment)
            if "next start" in case:
                stage.finish(stage.begin("true"))
            wait_until(lambda: not environment.traces(), timeout_seconds=KILL_WAIT_SECONDS)
            left[case] = environment.traces()
    return left


def leaks_of_peer(name: str) -> dict[str, list[str]]:
    """What is left when a peer's process has been signalled; it is removed afterwards."""
    left = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        token = uuid.uuid4().hex
        process = peers.begin(name, hold=True, token=token)
        assert process.stdout is not None
        server = PeerServer.find(token, process.stdout.readline().strip())
        process.send_signal(number)
        wait_until(lambda: process.poll() is not None, timeout_seconds=KILL_WAIT_SECONDS)  # noqa: B023
        wait_until(lambda: not server.traces(), timeout_seconds=2)  # noqa: B023
        left[number.name.removeprefix("SIG")] = server.traces()
        server.remove()
        process.communicate(timeout=10)
    return left


def hang(stage: Stage) -> tuple[float, int]:
    """Seconds that a hanging script lived beyond its time and the grace, and how many of its processes survived."""
    token, note = uuid.uuid4().hex, stage.folder / "begun"
    inputs = {"timeout-seconds": HANG_TIMEOUT_SECONDS, "grace-seconds": HANG_GRACE_SECONDS}
    script = f"export BENCH_ID={token} BEGUN={note}\n{HANG}"
    trial = stage.finish(stage.begin(script, **inputs))
    ended = time.time()
    survivors = processes_with("BENCH_ID", token)
    for pid in survivors:
        os.kill(pid, signal.SIGKILL)
    if trial.step.exit_code != 124:
        raise SystemExit(f"a hanging script ended with {trial.step.exit_code}:\n{trial.step.log}")
    return ended - float(note.read_text()) - HANG_TIMEOUT_SECONDS - HANG_GRACE_SECONDS, len(survivors)


if __name__ == "__main__":
    sys.exit(main())
