"""A small fake of actions/runner: one service, its jobs, their steps, and how it ends all of them.

A job is a real process whose argv is that of Runner.Worker (see `worker.py`); its steps are that process's
children. Rules name the source file of actions/runner that they stand for.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fakes.processes import environment_of, pids

WORKER = Path(__file__).with_name("worker.py")
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail")  # ScriptHandlerHelpers.cs


def poll_until(
    condition: Callable[[], object], *, timeout_seconds: float = 30, what: str = "the condition"
) -> None:
    """Wait until `condition()` is true; AssertionError when it is not in time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout_seconds} s"
        time.sleep(0.01)


@dataclass(frozen=True)
class StepResult:
    """How a step ended and what it wrote to its files."""

    exit_code: int
    stdout: str  # with standard error
    outputs: dict[str, str]
    env: dict[str, str]
    summary: str
    stdio_delayed: bool  # the 5-second rule struck


class FakeStep:
    """A step that runs."""

    def __init__(self, job: FakeJob, number: int, files: Mapping[str, Path]) -> None:
        self._job, self._number, self._files = job, number, files

    def stdout(self) -> str:
        """What it has printed so far."""
        return self._files["stdout"].read_text(errors="replace")

    def wait_for_text(self, text: str, timeout_seconds: float = 30) -> None:
        """Wait until it has printed `text`."""
        try:
            poll_until(
                lambda: text in self.stdout(), timeout_seconds=timeout_seconds, what=f"printing {text!r}"
            )
        except AssertionError as error:
            raise AssertionError(f"{error}; printed so far:\n{self.stdout()}") from None

    def cancel(self, scale: float = 1.0) -> None:
        """Begin the ladder of signals, its pauses multiplied by `scale`; returns at once."""
        self._job.send({"do": "cancel", "step": self._number, "scale": scale})

    def has_ended(self) -> bool:
        """Whether the worker has told of its end."""
        return self._files["result"].exists()

    def wait(self, timeout_seconds: float = 60) -> StepResult:
        """Wait for its end; its environment and path then belong to the job's later steps."""
        from actionlib.key_values import parse_key_values

        done = self._files["result"]
        poll_until(done.exists, timeout_seconds=timeout_seconds, what="the step's end")
        result = json.loads(done.read_text())
        text = {kind: path.read_text() for kind, path in self._files.items() if kind.startswith("GITHUB_")}
        env = parse_key_values(text["GITHUB_ENV"])
        self._job.feed(env, [line for line in text["GITHUB_PATH"].splitlines() if line])
        return StepResult(
            exit_code=result["exit_code"],
            stdout=self.stdout(),
            outputs=parse_key_values(text["GITHUB_OUTPUT"]),
            env=env,
            summary=text["GITHUB_STEP_SUMMARY"],
            stdio_delayed=result["stdio_delayed"],
        )


class FakeJob:
    """A job: its worker process, and the environment that grows from step to step."""

    def __init__(self, runner: FakeRunner, env: Mapping[str, str], stdio_scale: float) -> None:
        self._runner, self._stdio_scale, self._count = runner, stdio_scale, 0
        self._before = frozenset(pids())
        runner.wipe_temp()
        self.tracking_id = f"github_{uuid.uuid4()}"  # JobExtension.cs
        self._env = {**runner.job_environ(), "RUNNER_TRACKING_ID": self.tracking_id, **env}
        self.worker = subprocess.Popen(
            [str(runner.root / "bin/Runner.Worker"), "spawnclient", "1", "2"],
            cwd=runner.root,
            stdin=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        )

    @property
    def temp(self) -> Path:
        """RUNNER_TEMP."""
        return Path(self._env["RUNNER_TEMP"])

    def send(self, command: Mapping[str, object]) -> None:
        """Hand the worker a command."""
        self.worker.stdin.write(json.dumps(command).encode() + b"\n")
        self.worker.stdin.flush()

    def feed(self, env: Mapping[str, str], path: Sequence[str]) -> None:
        """FileCommandManager.cs: what later steps find in their environment; the last path comes first."""
        self._env.update(env)
        for entry in path:
            self._env["PATH"] = f"{entry}:{self._env['PATH']}"

    def start_step(
        self, *, run: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> FakeStep:
        """Start a `run:` step with `shell: bash` (ScriptHandler.cs)."""
        self._count += 1
        number = self._count
        files = {}
        for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"):
            files[name] = self.temp / "_runner_file_commands" / f"{name.lower()}_{uuid.uuid4()}"
            files[name].parent.mkdir(exist_ok=True)
            files[name].touch()
        full = {**self._env, **{name: str(path) for name, path in files.items()}, **(env or {})}
        full.setdefault("GITHUB_ACTION", f"__run_{number}")
        script = self.temp / f"{uuid.uuid4()}.sh"
        script.write_text(run + "\n")
        # What the worker itself notes lies in _diag and outlives the wiping of RUNNER_TEMP.
        base = self._runner.root / "_diag" / f"{self.tracking_id}-{number}"
        files |= {"stdout": base.with_suffix(".log"), "result": base.with_suffix(".json")}
        files["stdout"].touch()
        command = {"do": "start", "step": number, "argv": [*BASH, str(script)], "env": full}
        command |= {"cwd": str(cwd or full["GITHUB_WORKSPACE"]), "scale": self._stdio_scale}
        self.send({**command, "output": str(files["stdout"]), "result": str(files["result"])})
        return FakeStep(self, number, files)

    def run_step(self, *, timeout_seconds: float = 60, **step: object) -> StepResult:
        """Start a step and wait for its end."""
        return self.start_step(**step).wait(timeout_seconds)

    def finish(self) -> list[int]:
        """End the job; returns the pids that the orphan clean-up killed (JobExtension.cs).

        It looks at processes that are newer than the job, and kills those that carry its tracking id.
        """
        needle = f"RUNNER_TRACKING_ID={self.tracking_id}".encode()
        killed = []
        for pid in set(pids()) - self._before - {self.worker.pid}:
            if needle in environment_of(pid):
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
        if self.worker.poll() is None:
            self._runner.wipe_temp()
        self._end_worker()
        return killed

    def kill_worker(self) -> None:
        """SIGKILL the worker, as the OOM killer would: nothing is cleaned up."""
        self.worker.kill()
        self._end_worker()

    def _end_worker(self) -> None:
        with suppress(BrokenPipeError):
            self.worker.stdin.close()
        self.worker.wait(30)


class FakeRunner:
    """One runner service in `folder/service`; several may stand side by side. Leaves no process behind."""

    def __init__(self, folder: Path, *, service: str = "r1", env: Mapping[str, str] | None = None) -> None:
        self.root = folder / service
        self._service, self._extra, self._jobs = service, dict(env or {}), []
        self.workspace = self.root / "_work/repo/repo"
        self.tool_cache = self.root / "_work/_tool"
        for path in (self.root / "bin", self.root / "_diag", self.workspace, self.tool_cache):
            path.mkdir(parents=True, exist_ok=True)
        for link, target in (
            ("bin/Runner.Worker", os.path.realpath(sys.executable)),
            ("spawnclient", WORKER),
        ):
            if not (self.root / link).is_symlink():
                (self.root / link).symlink_to(target)

    def __enter__(self) -> FakeRunner:
        return self

    def __exit__(self, *_: object) -> None:
        for job in self._jobs:
            job.finish()

    def start_job(self, *, env: Mapping[str, str] | None = None, stdio_scale: float = 1.0) -> FakeJob:
        """Start a job; `env` is its `env:` block, `stdio_scale` shortens the 5-second rule."""
        self._jobs.append(FakeJob(self, env or {}, stdio_scale))
        return self._jobs[-1]

    def wipe_temp(self) -> None:
        """TempDirectoryManager.cs: RUNNER_TEMP is empty at a job's start and after its end."""
        shutil.rmtree(self.root / "_work/_temp", ignore_errors=True)
        (self.root / "_work/_temp").mkdir()

    def job_environ(self) -> dict[str, str]:
        """What the service and the github and runner contexts give to every step."""
        own = re.compile(
            r"(GITHUB|RUNNER|ACTIONS|INPUT)_.*|ACT|CI|VIRTUAL_ENV|PYTHON.*|PYTEST.*|COLDVOX_.*|INPUTS"
        )
        inherited = {name: value for name, value in os.environ.items() if not own.fullmatch(name)}
        arch = {"x86_64": "X64", "aarch64": "ARM64"}.get(platform.machine(), platform.machine().upper())
        return inherited | {
            "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "4711", "GITHUB_RUN_NUMBER": "17",
            "GITHUB_RUN_ATTEMPT": "1", "GITHUB_JOB": "test", "GITHUB_WORKFLOW": "CI",
            "GITHUB_REPOSITORY": "octo/repo", "GITHUB_REPOSITORY_OWNER": "octo",
            "GITHUB_EVENT_NAME": "push", "GITHUB_ACTOR": "octocat",
            "GITHUB_REF": "refs/heads/main", "GITHUB_REF_NAME": "main", "GITHUB_SHA": "0" * 39 + "1",
            "GITHUB_SERVER_URL": "https://github.com", "GITHUB_API_URL": "https://api.github.com",
            "GITHUB_WORKSPACE": str(self.workspace), "GITHUB_ACTION_REF": "", "GITHUB_ACTION_REPOSITORY": "",
            "RUNNER_TEMP": str(self.root / "_work/_temp"), "RUNNER_TOOL_CACHE": str(self.tool_cache),
            "RUNNER_WORKSPACE": str(self.workspace.parent), "RUNNER_NAME": self._service,
            "RUNNER_OS": "Linux", "RUNNER_ARCH": arch, "RUNNER_ENVIRONMENT": "self-hosted", **self._extra,
        }  # fmt: skip


def action_step(
    action_folder: Path,
    inputs: Mapping[str, str] | None = None,
    *,
    ref: str = "v1",
    job_status: str = "success",
) -> dict[str, object]:
    """Arguments of `start_step` for the first step of a composite action (CompositeActionHandler.cs).

    Defaults are filled in, undeclared inputs passed on, and no INPUT_* is set: that is what the runner does.
    """
    import yaml

    document = yaml.safe_load((action_folder / "action.yml").read_text())
    step = document["runs"]["steps"][0]
    declared = {name: (one or {}).get("default", "") for name, one in (document.get("inputs") or {}).items()}
    values = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in declared.items()
    }
    values |= inputs or {}
    known = {
        "toJSON(inputs)": json.dumps(values, indent=2),
        "github.action_ref": ref,
        "job.status": job_status,
        "inputs.token == github.token": "false",
    }
    known |= {f"inputs.{name}": value for name, value in values.items()}

    def fill(text: object) -> str:
        return re.sub(r"\$\{\{\s*(.*?)\s*\}\}", lambda found: known[found[1]], str(text))

    env = {name: fill(value) for name, value in (step.get("env") or {}).items()}
    return {
        "run": step["run"],
        "env": {**env, "GITHUB_ACTION_PATH": str(action_folder), "GITHUB_ACTION": step["id"]},
    }
