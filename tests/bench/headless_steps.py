"""Steps of action-headless-env through the run line of its action.yml, as the runner would start them."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from headless_traces import Environment, wait_until

from fakes.runner import BASH, FakeRunner, action_step
from fakes.steps import HEADLESS_ENV, WORKER, ActionStarter, StartedStep, StepRun

INSIDE = Path(__file__).with_name("headless_inside.py")
STEP_SECONDS = 120


class RunLineStarter(ActionStarter):
    """Starts steps through bash and the launcher, not by bootstrap.py itself."""

    def command(
        self, *, environ: Mapping[str, str | None] | None = None, ordinary: bool = False, **inputs: object
    ) -> tuple[list[str], dict[str, str]]:
        _, full = super().command(environ=environ, ordinary=ordinary, **inputs)
        script = Path(full["RUNNER_TEMP"]) / f"{uuid.uuid4()}.sh"
        script.write_text(f"{action_step(self.folder)['run']}\n")
        return [*BASH, str(script)], full


@dataclass
class Trial:
    """One step and how it went; `wall_seconds` is the whole of it."""

    step: StepRun
    wall_seconds: float

    @property
    def good(self) -> bool:
        return self.step.exit_code == 0

    def seconds(self, name: str) -> float:
        """A duration that the step reports: `ready`, `verified` or `close`."""
        if name == "close":
            return float(str(self.step.facts["close-seconds"]))
        return float(str(self.step.facts[f"{name}-milliseconds"])) / 1000


@dataclass
class Stage:
    """A runner service of its own, whose steps find a Python that is started without a version manager's shim."""

    starter: ActionStarter
    folder: Path
    begun: dict[int, float] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Stage]:
        programs = folder / "bin"
        programs.mkdir()
        (programs / "python3").symlink_to(os.path.realpath(sys.executable))
        if uv := shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"):
            (programs / "uv").symlink_to(uv)
        (folder / "home").mkdir()
        (folder / "worker").mkdir()
        (folder / "worker/spawnclient").write_text(WORKER)
        with FakeRunner(folder) as runner:
            runner.wipe_temp()
            environ = {**runner.job_environ(), "HOME": str(folder / "home")}
            environ |= {
                "COLDVOX_ACTIONS_HOME": str(folder / "state"),
                "PATH": f"{programs}:{environ['PATH']}",
            }
            stage = cls(RunLineStarter(HEADLESS_ENV, folder / "worker", environ), folder)
            try:
                yield stage
            finally:
                for step in stage.starter.started:
                    if step.process.poll() is None:
                        step.kill()

    def begin(self, script: str, **inputs: object) -> StartedStep:
        """Start a scoped step."""
        begun = time.monotonic()
        step = self.starter.start(mode="run", run=script, **inputs)
        self.begun[step.process.pid] = begun
        return step

    def finish(self, step: StartedStep) -> Trial:
        """Wait for its end."""
        done = step.wait(STEP_SECONDS)
        return Trial(done, time.monotonic() - self.begun[step.process.pid])

    def finish_all(self, steps: list[StartedStep]) -> list[Trial]:
        """Wait for the end of steps that run side by side; each one's time ends when it does."""
        ended: dict[int, float] = {}

        def look() -> bool:
            for step in steps:
                if step.process.pid not in ended and step.process.poll() is not None:
                    ended[step.process.pid] = time.monotonic()
            return len(ended) == len(steps)

        wait_until(look, timeout_seconds=STEP_SECONDS)
        return [
            Trial(step.wait(1), ended.get(step.process.pid, time.monotonic()) - self.begun[step.process.pid])
            for step in steps
        ]

    def begin_inside(self, number: int, count: int, meeting: Path) -> StartedStep:
        """Start a step whose script looks for cross-talk with `count` others."""
        words = [sys.executable, str(INSIDE), uuid.uuid4().hex, str(number), str(count), str(meeting)]
        paths = os.pathsep.join(map(str, (HEADLESS_ENV, HEADLESS_ENV.parent / "shared")))
        return self.begin(f"PYTHONPATH={shlex.quote(paths)} {shlex.join(words)}")

    @contextmanager
    def running(self, **inputs: object) -> Iterator[tuple[StartedStep, Environment]]:
        """A step whose script waits for its end, and its environment."""
        note = self.folder / uuid.uuid4().hex
        script = f'echo "$XDG_RUNTIME_DIR|$DISPLAY" > {note}.part; mv {note}.part {note}; sleep 60'
        step = self.begin(script, **inputs)
        if wait_until(
            lambda: note.exists() or step.process.poll() is not None, timeout_seconds=30
        ) is None or (not note.exists()):
            raise SystemExit(f"an environment did not start:\n{step.log()}")
        folder, display = note.read_text().strip().split("|")
        try:
            yield step, Environment.read(Path(folder).parent, display)
        finally:
            if step.process.poll() is None:
                step.kill()
