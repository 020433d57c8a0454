"""Steps of an action: each is a process of its own, started in an environment as the runner would make it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from fakes.runner import action_step

ROOT = Path(__file__).resolve().parents[2]
CACHE_LOCK = ROOT / "action-cache-lock"
FEATURE_MATRIX = ROOT / "action-feature-matrix"
HEADLESS_ENV = ROOT / "action-headless-env"
PERF_MONITOR = ROOT / "action-perf-monitor"
SMART_DISPATCH = ROOT / "action-smart-dispatch"
STEP_SECONDS = 120

# The action's ancestor must look like the runner's worker, or a development container counts as a job container.
# The step is its child (no exec), because the job is that ancestor.
WORKER = 'cd "$1" && shift && "$@"\nexit $?\n'


@dataclass(frozen=True)
class StepRun:
    """How a step ended."""

    exit_code: int
    log: str
    outputs: Mapping[str, str]
    summary: str
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def errors(self) -> list[str]:
        """Messages of its error annotations."""
        return self._annotations("error")

    @property
    def warnings(self) -> list[str]:
        """Messages of its warning annotations."""
        return self._annotations("warning")

    def _annotations(self, level: str) -> list[str]:
        found = re.findall(rf"^::{level}(?: [^:]*)?::(.*)$", self.log, re.MULTILINE)
        return [text.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%") for text in found]

    def error(self) -> str:
        """The one error of a step that the user can mend."""
        assert self.exit_code == 1, self.log
        assert "Traceback" not in self.log, self.log
        (message,) = self.errors
        return message


class StartedStep:
    """A step that runs."""

    def __init__(self, argv: list[str], environ: Mapping[str, str], cwd: Path, worker: Path) -> None:
        self._environ = environ
        self._log = Path(environ["RUNNER_TEMP"]) / f"{uuid.uuid4()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [f"{worker}/bin/Runner.Worker", "spawnclient", str(cwd), *argv],
                executable="/bin/sh",
                cwd=worker,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_bytes().decode(errors="backslashreplace")

    def signal(self, number: int) -> None:
        """Send a signal to the step's first process, as the runner does."""
        poll(lambda: psutil.Process(self.process.pid).children() or self.process.poll() is not None)
        psutil.Process(self.process.pid).children()[0].send_signal(number)

    def kill(self) -> None:
        """kill -9 to everything that it started, and reap."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def wait(self, timeout_seconds: float = STEP_SECONDS) -> StepRun:
        """Wait for its end."""
        try:
            code = self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the step did not end in {timeout_seconds} s:\n{self.log()}") from None
        outputs = key_values(Path(self._environ["GITHUB_OUTPUT"]).read_text())
        result = Path(outputs.get("json-file") or "/nonexistent")
        return StepRun(
            exit_code=code,
            log=self.log(),
            outputs=outputs,
            summary=Path(self._environ["GITHUB_STEP_SUMMARY"]).read_text(),
            facts=json.loads(result.read_text()) if result.exists() else {},
        )


def key_values(text: str) -> dict[str, str]:
    """Decode a GITHUB_OUTPUT file with heredoc delimiters."""
    found = re.finditer(r"^([^\n<]+)<<(ghadelimiter_[^\n]+)\n(.*?)\n?^\2$", text, re.MULTILINE | re.DOTALL)
    return {one[1]: one[3] for one in found}


@dataclass
class ActionStarter:
    """Starts steps of the action in `folder`; see tests/conftest.py."""

    folder: Path
    worker: Path
    environ: dict[str, str]
    started: list[StartedStep] = field(default_factory=list)

    def __call__(self, **inputs: object) -> StepRun:
        return self.start(**inputs).wait()

    def start(
        self, *, environ: Mapping[str, str | None] | None = None, ordinary: bool = False, **inputs: object
    ) -> StartedStep:
        argv, full = self.command(environ=environ, ordinary=ordinary, **inputs)
        self.started.append(
            StartedStep(argv, full, Path(full.get("GITHUB_WORKSPACE") or self.worker), self.worker)
        )
        return self.started[-1]

    def command(
        self, *, environ: Mapping[str, str | None] | None = None, ordinary: bool = False, **inputs: object
    ) -> tuple[list[str], dict[str, str]]:
        """Arguments and environment of a step; its file-command files are made."""
        given = {name.replace("_", "-"): as_input(value) for name, value in inputs.items()}
        changed = {
            **self.environ,
            **self._files(),
            **action_step(self.folder, given)["env"],
            **(environ or {}),
        }
        full = {name: value for name, value in changed.items() if value is not None}
        package = self.folder.name.removeprefix("action-").replace("-", "_")
        bootstrap = str(ROOT / "shared/bootstrap.py")
        argv = [sys.executable, "-I", "-X", "utf8", bootstrap, str(self.folder), package]
        return [*(ordinary_user() if ordinary else ()), *argv], full

    def _files(self) -> dict[str, str]:
        made = {}
        for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"):
            path = Path(self.environ["RUNNER_TEMP"]) / f"{name.lower()}_{uuid.uuid4()}"
            path.touch()
            made[name] = str(path)
        return made


def as_input(value: object) -> str:
    """Lists become lines, booleans `true` or `false`."""
    if isinstance(value, list | tuple):
        return "\n".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def ordinary_user() -> tuple[str, ...]:
    """A prefix that makes root obey permissions like everybody else; nothing where we are not root."""
    if os.geteuid() != 0:
        return ()
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv (util-linux)")
    return ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--")


def poll(condition: Callable[[], object], *, timeout_seconds: float = 30) -> None:
    """Wait until `condition()` is true, looking every millisecond."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.001)
