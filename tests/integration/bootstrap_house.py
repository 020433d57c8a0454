"""A bundle with one tiny action, in a folder of the test's own, started as the runner starts a step."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
DEADLINE_SECONDS = 120.0
CLOSED = "http://127.0.0.1:9/simple"

HELLO = """
import json, os, sys, time
WATCHED = ("INPUTS", "RUNNER_TOOL_CACHE", "COLDVOX_ACTIONS_ENVIRONMENT_CHECKED")
report = {"pid": os.getpid(), "python": sys.executable, "arguments": sys.argv[1:], "path": sys.path[:2]}
report["environ"] = {name: os.environ.get(name) for name in WATCHED}
report["umask"] = os.umask(0o022)
print("HELLO " + json.dumps(report), flush=True)
"""


def find_uv() -> Path:
    beside = Path(sys.prefix, "bin", "uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    assert found, "uv is one of the development tools (pyproject.toml)"
    return Path(found)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.005)


@dataclass(frozen=True)
class Outcome:
    code: int
    output: str

    @property
    def hello(self) -> dict:
        """What the action reported; it must have run once."""
        lines = [line for line in self.output.splitlines() if line.startswith("HELLO ")]
        assert len(lines) == 1, self.output
        return json.loads(lines[0].removeprefix("HELLO "))

    @property
    def builds(self) -> int:
        return self.output.count("Building the actions' Python environment")

    @property
    def errors(self) -> list[str]:
        return [line for line in self.output.splitlines() if line.startswith("::error")]

    @property
    def warnings(self) -> list[str]:
        return [line for line in self.output.splitlines() if line.startswith("::warning")]


@dataclass(frozen=True)
class House:
    """`root` is laid out as the repository; `base` has a folder for each thing that a runner gives to a step."""

    root: Path
    base: Path
    uv_cache: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def action(self) -> Path:
        return self.root / "action-hello"

    @property
    def tool_cache(self) -> Path:
        return self.base / "tool cache"

    @property
    def environments(self) -> Path:
        return self.tool_cache / "coldvox-actions"

    def environment(self) -> Path:
        """The one environment that was built in the tool cache."""
        (found,) = [entry for entry in self.environments.iterdir() if entry.is_dir()]
        return found

    def leftovers(self) -> list[str]:
        names = (path.name for path in self.base.rglob("*") if ".stage-" in path.name or ".old-" in path.name)
        return sorted(names)

    def folder_on_path(self, name: str, **programs: Path | str) -> str:
        """A folder with links to programs, or with scripts where a text is given."""
        folder = self.base / name
        folder.mkdir(parents=True, exist_ok=True)
        for program, target in programs.items():
            file = folder / program.replace("_", ".")
            if file.exists():
                continue  # a process that was started a moment ago may be looking at it
            if isinstance(target, Path):
                file.symlink_to(target)
            else:
                file.write_text(target)
                file.chmod(0o755)
        return str(folder)

    def environ(self, **changes: str | None) -> dict[str, str]:
        """A step's environment: nothing of the developer's own settings, python3 and uv first on PATH."""
        values: dict[str, str | None] = {
            "PATH": f"{self.folder_on_path('bin', python3=PYTHON, uv=find_uv())}:/usr/bin:/bin",
            "HOME": str(self.base / "home"),
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(self.action),
            "RUNNER_TOOL_CACHE": str(self.tool_cache),
            "RUNNER_TEMP": str(self.base / "temp"),
            "COLDVOX_ACTIONS_HOME": str(self.base / "state"),
            "INPUTS": '{"token": "s3cret"}',
            "UV_CACHE_DIR": str(self.uv_cache),
        }
        # How this machine reaches its package index is not for the test to change.
        kept = (
            "PIP_INDEX_URL UV_INDEX_URL UV_DEFAULT_INDEX PIP_CERT SSL_CERT_FILE SSL_CERT_DIR UV_SYSTEM_CERTS"
        )
        for name in [*kept.split(), "UV_NATIVE_TLS", "REQUESTS_CA_BUNDLE"]:
            values[name] = os.environ.get(name)
        values |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        values |= self.extra | changes
        return {name: value for name, value in values.items() if value is not None}

    def command(self) -> list[str]:
        """The run line of every action.yml, as the runner executes it."""
        return ["/bin/bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(self.base / "step.sh")]

    def begin(self, *, cwd: Path | None = None, **changes: str | None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(),
            env=self.environ(**changes),
            cwd=cwd or self.base,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def start(self, *, cwd: Path | None = None, **changes: str | None) -> Outcome:
        return finish(self.begin(cwd=cwd, **changes))

    def offline(self, **more: str | None) -> dict[str, str | None]:
        """Variables with which neither installer can reach or remember anything."""
        empty = {"UV_CACHE_DIR": str(self.base / "no cache"), "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0"}
        closed = {"PIP_INDEX_URL": CLOSED, "UV_INDEX_URL": CLOSED, "UV_DEFAULT_INDEX": CLOSED}
        return {**empty, **closed, "PIP_CONFIG_FILE": "/dev/null", "UV_NO_CONFIG": "1", **more}


def finish(process: subprocess.Popen[str]) -> Outcome:
    try:
        output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    return Outcome(process.returncode, output)


def make_house(root: Path, base: Path, *, uv_cache: Path, hello: str = HELLO) -> House:
    """Lay out the bundle in `root`: our real shared/ and the tiny action."""
    base.mkdir(parents=True, exist_ok=True)
    (base / "step.sh").write_text('exec sh "$GITHUB_ACTION_PATH/../shared/launch.sh"\n')
    package = root / "action-hello" / "hello"
    package.mkdir(parents=True)
    (root / "action-hello" / "action.yml").write_text("name: hello\ndescription: Says hello\n")
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(hello)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "shared", root / "shared", ignore=ignored)
    return House(root=root, base=base, uv_cache=uv_cache)
