"""Six jobs at once on one host that mix all actions, some of them cancelled or killed: the others do not notice.

`make test` plays one round, `make soak` twenty.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Thread

import psutil
import pytest

from actionlib.processes import Process
from fakes.cargo import CARGO, TOOLCHAIN, write_crate
from fakes.job_steps import Steps
from fakes.runner import FakeJob, FakeRunner, poll_until
from fakes.steps import (
    CACHE_LOCK,
    FEATURE_MATRIX,
    HEADLESS_ENV,
    PERF_MONITOR,
    SMART_DISPATCH,
    ActionStarter,
)

ROUNDS = 20 if os.environ.get("SOAK") == "1" else 1
JOBS = 6
KEYS = ("one", "two", "three")
GONE_SECONDS = 20.0
FEATURES = "[features]\na = []\nb = ['a']\n[workspace]\n"
# Inside the lock: nobody else is there. The kernel forgets who was killed inside.
CRITICAL = 'exec 9> "$ONE" && flock --nonblock 9 && sleep 0.1 9>&-'


class Host:
    """The runner services, what they share, and what became of their jobs."""

    def __init__(self, folder: Path, runners: list[FakeRunner]) -> None:
        self.folder, self.runners = folder, runners
        self.state = folder / "state"
        self.failures: list[str] = []
        self.saved: set[str] = set()
        self.recorded: set[str] = set()

    def starter(self, action: Path) -> ActionStarter:
        environ = {"COLDVOX_ACTIONS_HOME": str(self.state), "RUNNER_TEMP": str(self.folder / "temp")}
        return ActionStarter(action, self.folder / "worker", environ)


class Member(Thread):
    """One job: steps of all actions in an order of its own, and perhaps an early end."""

    def __init__(self, host: Host, runner: FakeRunner, number: str, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.host, self.runner, self.number, self.chance = host, runner, number, chance
        self.fate = chance.choice(("live", "live", "cancel", "kill step", "kill worker", "kill supervisor"))
        self.ends_after = chance.uniform(0.3, 6)
        self.job: FakeJob | None = None
        self.ended_early = False
        self.disturbed = False  # a supervisor was killed: what it kept cannot be stopped in order

    def run(self) -> None:
        try:
            self._play()
        except Exception as error:  # told with the others at the end
            if not self.ended_early:
                self.host.failures.append(f"{self.number}: {error!r}"[:2000])

    def _play(self) -> None:
        environ = {
            "COLDVOX_ACTIONS_HOME": str(self.host.state),
            "GITHUB_RUN_ID": str(1000 + int(self.number.replace(".", ""))),
            "ONE": str(self.host.folder / "only one"),
            **TOOLCHAIN,
        }
        self.job = self.runner.start_job(env=environ, stdio_scale=0.1)
        ender = Thread(target=self._end_early, daemon=True)
        if self.fate != "live":
            ender.start()
        try:
            parts = [self._populate, self._lock, self._desktop, self._monitor, self._features, self._dispatch]
            self.chance.shuffle(parts)
            for part in parts:
                if self.ended_early:
                    break
                part()
        finally:
            if self.fate != "live":
                ender.join(30)
            if self.fate != "kill worker":
                self.job.finish()

    def _end_early(self) -> None:
        time.sleep(self.ends_after)
        if self.fate == "kill supervisor":
            self.disturbed = True
            self._kill_supervisor()
            return
        self.ended_early = True
        assert self.job
        if self.fate == "kill worker":
            self.job.kill_worker()
            return
        for child in psutil.Process(self.job.worker.pid).children():
            with suppress(psutil.Error):
                if self.fate == "kill step":
                    child.kill()
                else:
                    for number, pause in ((signal.SIGINT, 0.75), (signal.SIGTERM, 0.25), (signal.SIGKILL, 0)):
                        child.send_signal(number)
                        with suppress(psutil.TimeoutExpired):
                            child.wait(pause)
                            break

    def _kill_supervisor(self) -> None:
        """SIGKILL to one of the processes that outlive the job's steps, as soon as there is one; its job goes on."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if outliving := [pid for pid in ours(self.runner.root) if has_no_parent(pid)]:
                with suppress(ProcessLookupError):
                    os.kill(self.chance.choice(outliving), signal.SIGKILL)
                return
            time.sleep(0.05)

    def _step(self, action: Path, **inputs: object) -> str:
        """Run a step to its end; returns its outputs as JSON. One that fails without having been ended is a failure."""
        assert self.job
        step = Steps(self.job, self.host.starter(action)).start(**inputs)
        poll_until(lambda: step.has_ended() or self.job.worker.poll() is not None, timeout_seconds=120)
        if not step.has_ended():  # nobody is left to tell
            return ""
        result = step.wait()
        excused = self.ended_early or (self.disturbed and inputs["mode"] == "stop")
        if result.exit_code and not excused:
            self.host.failures.append(f"{self.number} {inputs}: {result.stdout[-1500:]}")
        return json.dumps(result.outputs) if not result.exit_code else ""

    def _populate(self) -> None:
        key = self.chance.choice(KEYS)
        run = f"mkdir -p out && sleep 0.2 && echo {key} > out/{key}"
        if self._step(CACHE_LOCK, mode="populate", key=key, path="out", run=run, clean=True):
            content = self.runner.workspace / "out" / key
            if content.read_text().strip() != key:
                self.host.failures.append(f"{self.number}: {key} holds something else")
            self.host.saved.add(key)

    def _lock(self) -> None:
        self._step(CACHE_LOCK, mode="acquire", lock_name="device", run=CRITICAL)
        # Held until the job ends: with fewer slots the jobs would wait for each other's ends.
        self._step(CACHE_LOCK, mode="acquire", lock_name="held", slots=JOBS)

    def _desktop(self) -> None:
        small = {
            "audio": "none",
            "at-spi": "false",
            "window-manager": "none",
            "screen": "320x240x24",
            "verify": "quick",
        }
        self._step(HEADLESS_ENV, mode="start", **small)
        if self.chance.random() < 0.5:
            self._step(HEADLESS_ENV, mode="stop")

    def _monitor(self) -> None:
        self._step(PERF_MONITOR, mode="start", **{"sample-interval-seconds": "0.5"})
        if self.chance.random() < 0.5:
            self._step(PERF_MONITOR, mode="stop")

    def _features(self) -> None:
        if CARGO:
            crate = {"manifest-path": "crate/Cargo.toml"}
            self._step(FEATURE_MATRIX, mode="plan", **crate)
            self._step(FEATURE_MATRIX, mode="validate", commands="check", **crate)

    def _dispatch(self) -> None:
        decided = self._step(SMART_DISPATCH, mode="decide", job_name="build", history="local")
        if decided and not json.loads(json.loads(decided)["runs-on"]):
            self.host.failures.append(f"{self.number}: nowhere to run: {decided}")
        if self._step(SMART_DISPATCH, mode="record", job_name=self.number, outcome="success"):
            self.host.recorded.add(self.number)


@pytest.fixture
def host(tmp_path) -> Iterator[Host]:
    (tmp_path / "worker").mkdir()
    (tmp_path / "temp").mkdir()
    with ExitStack() as stack:
        runners = [stack.enter_context(FakeRunner(tmp_path, service=f"r{number}")) for number in range(JOBS)]
        for runner in runners:
            write_crate(runner.workspace / "crate", FEATURES)
        yield Host(tmp_path, runners)


@pytest.mark.soak
def test_jobs_that_end_in_every_way_leave_nothing_behind_and_disturb_nobody(host: Host):
    seed = int(os.environ.get("SOAK_SEED", "1"))
    for number in range(ROUNDS):
        chance = random.Random(f"interplay {seed} {number}")
        members = [
            Member(host, runner, f"{number}.{index}", chance) for index, runner in enumerate(host.runners)
        ]
        for member in members:
            member.start()
        for member in members:
            member.join(180)
            assert not member.is_alive(), f"{member.number} ({member.fate}) hangs"
        told = ", ".join(f"{one.number} {one.fate}" for one in members)
        assert host.failures == [], f"round {number} ({told})"
        poll_until(
            lambda: not ours(host.folder),
            timeout_seconds=GONE_SECONDS,
            what=f"the end of {ours(host.folder)} ({told})",
        )
    assert_consistent(host)


def ours(folder: Path) -> dict[int, str]:
    """Processes that hold, run in, or were started with anything below a folder, with their command lines."""
    mark, found = str(folder), {}
    for pid in psutil.pids():
        if pid == os.getpid():
            continue
        proc = Path(f"/proc/{pid}")
        with suppress(OSError):
            links = [os.readlink(proc / "cwd"), *(os.readlink(one) for one in (proc / "fd").iterdir())]
            texts = [(proc / name).read_bytes().decode(errors="replace") for name in ("environ", "cmdline")]
            if any(mark in text for text in links + texts) and Process.of(pid).is_alive():
                found[pid] = texts[1].replace(chr(0), " ")[:120]
    return found


def has_no_parent(pid: int) -> bool:
    try:
        return psutil.Process(pid).ppid() == 1
    except psutil.Error:
        return False


def assert_consistent(host: Host) -> None:
    """Locks free, entries whole, histories sound and complete."""
    runner = host.runners[0]
    steps = Steps(runner.start_job(env={"COLDVOX_ACTIONS_HOME": str(host.state)}), host.starter(CACHE_LOCK))
    for name in ("device", "held"):
        result = steps.run(mode="acquire", lock_name=name, run="true", timeout_seconds=5)
        assert result.exit_code == 0, result.stdout
    for key in host.saved:
        result = steps.run(mode="restore", key=key, path="out", clean=True, fail_on_cache_miss=True)
        assert result.exit_code == 0, result.stdout
        assert (runner.workspace / "out" / key).read_text().strip() == key
    assert not list(host.state.glob("store/v1/quarantine/*"))
    for name in ("dispatch", "runs"):
        path = host.state / f"history/v1/{name}.sqlite3"
        if path.exists():
            with sqlite3.connect(path) as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                if name == "dispatch":
                    known = {job for (job,) in database.execute("SELECT job FROM jobs")}
                    assert known >= host.recorded
            database.close()
