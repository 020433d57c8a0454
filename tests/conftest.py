"""Shared fixtures: run an action in a process of its own, in an environment as the runner would make it.

    def test_something(action, workspace):
        (workspace / "out").mkdir()
        step = action(mode="save", key="k", path=["out", "!out/tmp"])    # `_` in names stands for `-`
        assert step.exit_code == 0 and step.outputs["cache-hit"] == "false"

`action(...)` waits and returns a `StepRun`; `action.start(...)` returns a `StartedStep` at once, for races and
kills. Both take, besides inputs, `environ` (changes to the environment; None removes a variable) and
`ordinary` (give up root's power over files). Each call is a step in a job of its own.
`action.command(...)` is argv and environment, to be started by somebody else, e.g. `FakeJob.run_step`.

`workspace`, `home` and `state_home` are folders below tmp_path; `mount_tmpfs` and `reflink_disk` mount file
systems of their own, where root allows it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from fakes.runner import FakeRunner
from fakes.steps import (
    CACHE_LOCK,
    FEATURE_MATRIX,
    HEADLESS_ENV,
    PERF_MONITOR,
    SMART_DISPATCH,
    WORKER,
    ActionStarter,
)


def pytest_configure() -> None:
    """A job in the background of a shell, or below nohup, ignores SIGINT, and so would all that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def runner(tmp_path) -> Iterator[FakeRunner]:
    """One runner service; its jobs end with the test."""
    with FakeRunner(tmp_path) as runner:
        runner.wipe_temp()
        yield runner


@pytest.fixture
def workspace(runner) -> Path:
    """GITHUB_WORKSPACE."""
    return runner.workspace


@pytest.fixture
def home(tmp_path) -> Path:
    """HOME of the runner's user."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def state_home(tmp_path) -> Path:
    """COLDVOX_ACTIONS_HOME; not made yet."""
    return tmp_path / "state"


def steps_of(folder: Path) -> Callable[..., Iterator[ActionStarter]]:
    """A fixture that starts steps of the action in `folder`; what they started is gone after the test."""

    @pytest.fixture
    def starter(tmp_path: Path, runner: FakeRunner, home: Path, state_home: Path) -> Iterator[ActionStarter]:
        environ = {
            name: value for name, value in runner.job_environ().items() if not name.lower().endswith("_proxy")
        }
        environ |= {"HOME": str(home), "COLDVOX_ACTIONS_HOME": str(state_home), "GIT_CONFIG_NOSYSTEM": "1"}
        (tmp_path / "worker").mkdir(exist_ok=True)
        (tmp_path / "worker/spawnclient").write_text(WORKER)
        started = ActionStarter(folder, tmp_path / "worker", environ)
        yield started
        for step in started.started:
            if step.process.poll() is None:
                step.kill()

    return starter


action = steps_of(CACHE_LOCK)
matrix = steps_of(FEATURE_MATRIX)
headless = steps_of(HEADLESS_ENV)
monitor = steps_of(PERF_MONITOR)
dispatch = steps_of(SMART_DISPATCH)


# --- file systems ------------------------------------------------------------------------------------------


@contextmanager
def mounted(target: Path, *arguments: str) -> Iterator[Path]:
    """A mount for the length of the block; skips the test where we may not."""
    target.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *arguments, str(target)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr.strip()}")
    try:
        yield target
    finally:
        for options in ([], ["-l"]):
            if subprocess.run(["umount", *options, str(target)], check=False).returncode == 0:
                break


@pytest.fixture
def mount_tmpfs(tmp_path) -> Iterator[Callable[[Path, int], Path]]:
    """`mount_tmpfs(target, megabytes)`: a small disk, which can be filled."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount")
    with ExitStack() as stack:

        def mount(target: Path, megabytes: int) -> Path:
            options = ["-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs"]
            return stack.enter_context(mounted(target, *options))

        yield mount


@pytest.fixture
def reflink_disk(tmp_path) -> Iterator[Path]:
    """A loop-mounted btrfs (or XFS) of 512 MB; mounted, and gone after the test."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount")
    makers = {"mkfs.btrfs": ["-q"], "mkfs.xfs": ["-q", "-m", "reflink=1"]}
    maker = next((name for name in makers if shutil.which(name)), None)
    if maker is None:
        pytest.skip("needs mkfs.btrfs or mkfs.xfs")
    image = tmp_path / "reflink.img"
    with image.open("wb") as file:
        file.truncate(512 << 20)
    subprocess.run([maker, *makers[maker], str(image)], check=True, capture_output=True)
    with mounted(tmp_path / "reflink", "-o", "loop", str(image)) as folder:
        yield folder
    image.unlink()
