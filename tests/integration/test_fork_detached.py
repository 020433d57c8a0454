"""Supervisors that are forked: what they keep of the step, and what they must not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actionlib.errors import ActionError
from actionlib.process_tree import send_signal
from actionlib.processes import Process
from actionlib.supervise import fork_detached
from fakes.runner import poll_until

SHARED = Path(__file__).resolve().parents[2] / "shared"

STEP = f"""
import json, os, signal, sys
sys.path.insert(0, {str(SHARED)!r})
from pathlib import Path
from actionlib.supervise import fork_detached
report, log = Path(sys.argv[1]), Path(sys.argv[2])
kept_reader, kept_writer = os.pipe()
other = os.open("/dev/null", os.O_RDONLY)

def body():
    print("daemon speaks", flush=True)
    facts = dict(
        pid=os.getpid(), session=os.getsid(0), cwd=os.getcwd(),
        descriptors=sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{{fd}}")),
        kept=kept_writer, other=other, sigint=signal.getsignal(signal.SIGINT) is signal.SIG_DFL,
    )
    Path(str(report) + ".part").write_text(json.dumps(facts))
    os.rename(str(report) + ".part", report)
    signal.pause()
    return 0

child = fork_detached(body, log=log, keep_fds=(kept_writer,))
print(child.pid)
"""


@pytest.fixture
def daemon(tmp_path):
    """Facts of a daemon that a finished step has left."""
    environ = {
        "PATH": os.environ["PATH"],
        "RUNNER_TRACKING_ID": "github_abc",
        "INPUTS": '{"token": "s3cret"}',
    }
    environ |= {"KEPT": "yes", "GITHUB_TOKEN": "s3cret"}
    report, log = tmp_path / "report.json", tmp_path / "daemon.log"
    step = subprocess.run(
        [sys.executable, "-c", STEP, str(report), str(log)],
        env=environ, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    poll_until(report.exists)
    facts = json.loads(report.read_text())
    process = Process.of(facts["pid"])
    yield facts | {"process": process, "stdout": step.stdout, "log": log}
    send_signal(process, signal.SIGKILL)


def test_the_runners_orphan_clean_up_and_curious_users_find_neither_tracking_id_nor_tokens(daemon):
    shown = Path(f"/proc/{daemon['pid']}/environ").read_bytes()
    assert b"KEPT=yes" in shown.split(b"\0")
    assert b"RUNNER_TRACKING_ID" not in shown
    assert b"s3cret" not in shown


def test_it_outlives_the_step_in_a_session_of_its_own_with_no_descriptor_but_those_it_keeps(daemon):
    assert daemon["process"].is_alive()
    assert daemon["session"] == daemon["pid"]
    assert daemon["cwd"] == "/"
    assert daemon["kept"] in daemon["descriptors"]
    assert daemon["other"] not in daemon["descriptors"]
    assert daemon["sigint"]


def test_its_output_goes_to_the_log_and_not_to_the_step(daemon):
    assert "daemon speaks" not in daemon["stdout"]
    assert "daemon speaks" in daemon["log"].read_text()


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ActionError, match=r"absent/x\.log cannot be written"):
        fork_detached(lambda: 0, log=tmp_path / "absent/x.log")


def test_a_bug_in_its_body_is_in_the_log(tmp_path):
    def body():
        raise RuntimeError("out of cheese")

    child = fork_detached(body, log=tmp_path / "x.log")
    _, status = os.waitpid(child.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 70
    assert "RuntimeError: out of cheese" in (tmp_path / "x.log").read_text()
