"""Jobs and their end, with real processes below a fake runner."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from actionlib.jobs import Job, JobWatch, Process, Wake, current_job
from fakes.runner import FakeRunner

SHARED = Path(__file__).resolve().parents[2] / "shared"
ASK = f"""
exec {sys.executable} -c '
import json, os, sys
sys.path.insert(0, "{SHARED}")
from actionlib.jobs import current_job, in_container
print(json.dumps([current_job(os.environ).to_json(), in_container(os.environ)]))
'
"""


@pytest.fixture
def anchor():
    """A process that stands for a job's anchor."""
    child = subprocess.Popen(["sleep", "300"])
    yield child
    child.kill()
    child.wait()


def job_for(child, folder=None):
    process = Process.of(child.pid)
    here = current_job({}).identity.split("-")[1:3]
    kind = "session" if folder is None else "act"
    return Job(kind, "-".join([kind, *here, str(process.pid), str(process.start_ticks)]), process, folder)


def test_two_steps_of_a_job_see_one_job_and_another_job_is_another(tmp_path):
    with FakeRunner(tmp_path) as runner:
        jobs = []
        for _ in range(2):
            job = runner.start_job()
            answers = [json.loads(job.run_step(run=ASK).stdout) for _ in range(2)]
            assert answers[0] == answers[1]
            (value, contained) = answers[0]
            assert value["kind"] == "runner"
            assert value["pid"] == job.worker.pid
            assert not contained
            jobs.append(Job.from_json(value))
            assert jobs[-1].is_alive()
            job.finish()
            assert not jobs[-1].is_alive()
        assert jobs[0].identity != jobs[1].identity


def test_two_services_side_by_side_have_two_jobs(tmp_path):
    with FakeRunner(tmp_path, service="r1") as one, FakeRunner(tmp_path, service="r 2") as two:
        steps = [runner.start_job().start_step(run=ASK) for runner in (one, two)]
        seen = {json.loads(step.wait().stdout)[0]["identity"] for step in steps}
        assert len(seen) == 2


def test_the_watch_wakes_when_the_anchor_is_killed(anchor):
    with JobWatch(job_for(anchor)) as watch:
        assert watch.wait(timeout_seconds=0) == Wake()
        threading.Timer(0.1, anchor.kill).start()
        assert watch.wait(timeout_seconds=60) == Wake(job_ended=True)
        assert watch.wait(timeout_seconds=None) == Wake(job_ended=True)


def test_the_watch_works_where_the_kernel_has_no_pidfds(anchor, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    with JobWatch(job_for(anchor)) as watch:
        threading.Timer(0.1, anchor.kill).start()
        assert watch.wait(timeout_seconds=60).job_ended


def test_a_job_that_has_ended_before_the_watch_begins_is_noticed(anchor):
    job = job_for(anchor)
    anchor.kill()
    anchor.wait()
    with JobWatch(job) as watch:
        assert watch.wait(timeout_seconds=60).job_ended


def test_an_act_job_ends_with_its_folder(anchor, tmp_path):
    folder = tmp_path / "job"
    folder.mkdir()
    with JobWatch(job_for(anchor, folder)) as watch:
        assert watch.wait(timeout_seconds=0.01) == Wake()
        threading.Timer(0.1, shutil.rmtree, [folder]).start()
        assert watch.wait(timeout_seconds=60).job_ended
    assert anchor.poll() is None


def test_the_watch_also_waits_for_descriptors(anchor):
    reading, writing = os.pipe()
    idle, other = os.pipe()
    try:
        with JobWatch(job_for(anchor)) as watch:
            threading.Timer(0.05, os.write, [writing, b"x"]).start()
            wake = watch.wait(timeout_seconds=60, also=[reading, idle])
            assert wake == Wake(readable=frozenset({reading}))
            os.read(reading, 1)
            os.close(other)  # hung up
            assert watch.wait(timeout_seconds=60, also=[reading, idle]).readable == {idle}
    finally:
        for descriptor in (reading, writing, idle):
            os.close(descriptor)


def test_a_wait_ends_with_its_time(anchor):
    begin = time.monotonic()
    with JobWatch(job_for(anchor)) as watch:
        assert watch.wait(timeout_seconds=0.2) == Wake()
    assert time.monotonic() - begin >= 0.2
    assert anchor.poll() is None


def test_a_watch_leaves_no_descriptor_open(anchor):
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with JobWatch(job_for(anchor)) as watch:
            watch.wait(timeout_seconds=0)
    assert sorted(os.listdir("/proc/self/fd")) == before
