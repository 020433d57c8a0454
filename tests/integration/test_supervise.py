"""Supervisors: real daemons, started as an action starts them."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actionlib.errors import ActionError
from actionlib.process_tree import kill_tree
from actionlib.processes import Process, read_stat
from actionlib.supervise import announce_ready, detached_environ, spawn_detached
from fakes.processes import environment_of, marked_with
from fakes.runner import poll_until

SHARED = Path(__file__).resolve().parents[2] / "shared"

GUARD = """
import json, os, sys, time
from pathlib import Path
from actionlib.supervise import announce_ready
behaviour, report = sys.argv[1:3]
print("guard begins", behaviour, flush=True)
if behaviour == "dies":
    print("out of cheese", file=sys.stderr)
    sys.exit(3)
if behaviour == "never-ready":
    time.sleep(300)
announce_ready(os.environ)
Path(report + ".part").write_text(json.dumps({
    "cwd": os.getcwd(),
    "environ": dict(os.environ),
    "descriptors": {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                    if os.path.exists(f"/proc/self/fd/{fd}")},
    "oom_score_adj": Path("/proc/self/oom_score_adj").read_text().strip(),
    "argv": sys.argv,
    "path": sys.path,
}))
os.rename(report + ".part", report)
time.sleep(300)
"""


class Guards:
    """Starts supervisors from an action's folder, and ends all that carry our mark."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.action = folder / "action with space" / "action-demo"
        (self.action / "demo").mkdir(parents=True)
        (self.action / "demo/__init__.py").touch()
        (self.action / "demo/guard.py").write_text(GUARD)
        self.log, self.report = folder / "guard.log", folder / "report.json"
        self.mark = f"GUARD_MARK={folder}"

    def start(self, behaviour="serves", *, environ=None, **options) -> Process:
        return spawn_detached(
            "demo.guard",
            [behaviour, str(self.report)],
            action_path=self.action,
            environ={"PATH": os.environ["PATH"], "GUARD_MARK": str(self.folder), **(environ or {})},
            log=self.log,
            **options,
        )

    def what_it_saw(self) -> dict:
        poll_until(self.report.exists, what="the guard's report")
        return json.loads(self.report.read_text())

    def alive(self) -> list[int]:
        return marked_with(self.mark)


@pytest.fixture
def guards(tmp_path):
    found = Guards(tmp_path)
    yield found
    for pid in found.alive():
        os.kill(pid, signal.SIGKILL)


def test_a_supervisor_runs_on_in_a_session_and_folder_of_its_own(guards):
    process = guards.start()
    seen = guards.what_it_saw()
    assert process.is_alive()
    assert read_stat(process.pid).session == process.pid != os.getsid(0)
    assert seen["cwd"] == "/"
    assert seen["argv"][1:] == ["serves", str(guards.report)]
    assert {str(SHARED), str(guards.action)} <= set(seen["path"])
    assert "guard begins serves" in guards.log.read_text()


def test_a_supervisor_has_no_stdio_and_no_descriptor_of_ours(guards, tmp_path):
    inheritable = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(inheritable, True)
    try:
        guards.start()
    finally:
        os.close(inheritable)
    log = str(guards.log)
    assert guards.what_it_saw()["descriptors"] == {"0": "/dev/null", "1": log, "2": log}


def test_a_supervisor_gets_the_descriptors_that_are_passed_to_it(guards, tmp_path):
    with (tmp_path / "lock").open("w") as ours:
        fcntl.flock(ours, fcntl.LOCK_EX)
        process = guards.start(pass_fds=[ours.fileno()])
    with (tmp_path / "lock").open("w") as theirs:
        with pytest.raises(BlockingIOError):
            fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.kill(process.pid, signal.SIGKILL)
        poll_until(lambda: can_lock(theirs), what="the lock's release")


def can_lock(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_a_supervisor_gets_no_tracking_id_no_inputs_and_no_token(guards):
    private = {
        "RUNNER_TRACKING_ID": "github_1",
        "INPUTS": '{"token": "s3cret"}',
        "INPUT_TOKEN": "s3cret",
        "GITHUB_TOKEN": "s3cret",
        "GH_TOKEN": "s3cret",
        "ACTIONS_RUNTIME_TOKEN": "s3cret",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "s3cret\nmore",
    }
    kept = {"GITHUB_REPOSITORY": "octo/repo", "ACTIONS_CACHE_URL": "http://x", "MY_INPUTS": "1"}
    assert detached_environ({**private, **kept}) == kept
    process = guards.start(environ={**private, **kept})
    text = b"\0".join(environment_of(process.pid))
    assert b"s3cret" not in text
    assert b"RUNNER_TRACKING_ID" not in text
    assert kept.items() <= guards.what_it_saw()["environ"].items()


def test_a_supervisor_is_not_the_first_to_go_when_memory_is_short(guards):
    starter = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "Path('/proc/self/oom_score_adj').write_text('500')\n"
        "from actionlib.supervise import spawn_detached\n"
        "action, report, mark = map(Path, sys.argv[2:])\n"
        "spawn_detached('demo.guard', ['serves', str(report)], action_path=action,\n"
        "               environ={'GUARD_MARK': str(mark)}, log=mark / 'guard.log')\n"
        "print('started')\n"
    )
    paths = [SHARED, guards.action, guards.report, guards.folder]
    # Waits for the end of its output: a supervisor that held the pipe would make this time out.
    done = subprocess.run(
        [sys.executable, "-c", starter, *map(str, paths)], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("started\n", "")
    assert guards.what_it_saw()["oom_score_adj"] == "0"
    assert len(guards.alive()) == 1


def test_a_supervisor_survives_the_deletion_of_its_code(guards):
    process = guards.start()
    guards.what_it_saw()
    shutil.rmtree(guards.action)
    assert process.is_alive()
    assert kill_tree(process, grace_seconds=30) == ()
    assert not process.is_alive()


def test_a_supervisor_that_dies_at_once_is_an_error_with_its_last_words(guards):
    guards.log.write_text("an older line\n")
    with pytest.raises(ActionError, match=r"demo\.guard ended before it was ready") as caught:
        guards.start("dies")
    assert "out of cheese" in str(caught.value)
    assert str(guards.log) in str(caught.value)
    assert "an older line" not in str(caught.value)
    assert guards.alive() == []


def test_a_supervisor_that_is_never_ready_is_ended(guards):
    with pytest.raises(ActionError, match=r"was not ready within 0\.5 s"):
        guards.start("never-ready", ready_timeout_seconds=0.5)
    assert guards.alive() == []


def test_a_module_that_does_not_exist_is_named(guards):
    (guards.action / "demo/guard.py").unlink()
    with pytest.raises(ActionError, match=r"demo\.guard") as caught:
        guards.start()
    assert "No module named" in str(caught.value)


def test_an_interruption_while_waiting_ends_the_supervisor(guards):
    def interrupt(_number, _frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(KeyboardInterrupt):
            guards.start("never-ready", ready_timeout_seconds=60)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert guards.alive() == []


def test_a_log_that_cannot_be_written_is_named(guards, tmp_path):
    guards.log = tmp_path / "absent" / "guard.log"
    with pytest.raises(ActionError, match=r"absent/guard\.log.*No such file"):
        guards.start()
    assert guards.alive() == []


def test_starting_leaks_no_descriptor(guards):
    before = sorted(os.listdir("/proc/self/fd"))
    guards.start()
    for behaviour in ("dies", "never-ready"):
        with pytest.raises(ActionError):
            guards.start(behaviour, ready_timeout_seconds=0.3)
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("value", ["", "soon", "-1", "987654"])
def test_announcing_without_a_listener_only_leaves_the_folder(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    announce_ready({"COLDVOX_READY_FD": value} if value else {})
    assert Path.cwd() == Path("/")


def test_announcing_never_writes_into_another_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "precious").open("w+") as file:
        announce_ready({"COLDVOX_READY_FD": str(file.fileno())})
        assert os.fstat(file.fileno()).st_size == 0


def test_a_start_takes_no_longer_than_the_daemon_needs(guards):
    """It returns on the announcement, not on the time limit."""
    begin = time.monotonic()
    guards.start(ready_timeout_seconds=120)
    assert time.monotonic() - begin < 60
