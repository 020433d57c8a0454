"""Who is the job, on made-up process tables."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actionlib.errors import ActionError
from actionlib.jobs import Job, Process, current_job, in_container
from actionlib.processes import read_stat

WORKER = "/opt/runner one/bin/Runner.Worker"


class ProcessTable:
    """A folder that looks like /proc, as far as jobs read it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "sys/kernel/random").mkdir(parents=True)
        self.set_boot("09c0af41-91b1-4846-829f-f56da16dde30")

    def set_boot(self, boot: str) -> None:
        (self.path / "sys/kernel/random/boot_id").write_text(boot + "\n")

    def add(self, pid, parent, *argv, start=None, session=1, comm="x", state="S", namespace=4026531836):
        folder = self.path / str(pid)
        (folder / "ns").mkdir(parents=True)
        (folder / "ns/pid").symlink_to(f"pid:[{namespace}]")
        fields = [state, parent, pid, session, *["0"] * 15, pid * 100 if start is None else start, 0, 0]
        (folder / "stat").write_text(f"{pid} ({comm}) " + " ".join(map(str, fields)) + "\n")
        (folder / "cmdline").write_text("".join(f"{one}\0" for one in argv))
        return self


@pytest.fixture
def table(tmp_path):
    (tmp_path / "proc").mkdir()
    return ProcessTable(tmp_path / "proc").add(1, 0, "/sbin/init")


@pytest.fixture
def mark(tmp_path):
    path = tmp_path / "containerenv"
    path.touch()
    return [path]


def job_of(table, pid, environ=None, marks=()):
    return current_job(environ or {}, proc=table.path, pid=pid, marks=marks)


@pytest.mark.parametrize("comm", ["bash", "tmux: server", "a) S 1 (b", "(sd-pam)", ") ) )", "two\nlines", ""])
def test_a_command_name_may_hold_anything(table, comm):
    table.add(7, 1, comm=comm, start=4711, session=3)
    stat = read_stat(7, proc=table.path)
    assert (stat.comm, stat.parent, stat.session, stat.start_ticks) == (comm, 1, 3, 4711)


def test_a_process_that_does_not_exist_is_a_lookup_error(table):
    with pytest.raises(ProcessLookupError):
        Process.of(999, proc=table.path)


def test_a_job_on_a_runner_is_its_worker_process(table):
    table.add(10, 1, "/opt/runner one/bin/Runner.Listener", "run")
    table.add(11, 10, WORKER, "spawnclient", "120", "123").add(12, 11, "bash", "x.sh").add(13, 12, "python3")
    job = job_of(table, 13)
    assert (job.kind, job.anchor, job.folder) == ("runner", Process(11, 1100), None)


def test_a_worker_is_recognised_after_the_runner_has_updated_itself(table):
    table.add(11, 1, "/r/bin.2.336.0/Runner.Worker", "spawnclient", "1", "2").add(12, 11, "bash")
    assert job_of(table, 12).kind == "runner"


def test_the_nearest_of_two_workers_is_the_job(table):
    table.add(11, 1, WORKER, "spawnclient", "1", "2").add(12, 11, WORKER, "spawnclient", "3", "4")
    assert job_of(table.add(13, 12, "bash"), 13).anchor.pid == 12


@pytest.mark.parametrize(
    "argv",
    [
        ("/r/bin/Runner.Worker",),
        ("/r/bin/Runner.Worker", "help"),
        ("/r/lib/Runner.Worker", "spawnclient", "1", "2"),
        ("/r/bin/Runner.Worker.sh", "spawnclient", "1", "2"),
        ("grep", "/r/bin/Runner.Worker", "spawnclient"),
        ("Runner.Worker", "spawnclient", "1", "2"),
    ],
)
def test_what_only_resembles_a_worker_is_none(table, argv):
    table.add(11, 1, *argv, session=11).add(12, 11, "bash", session=11)
    assert job_of(table, 12).kind == "session"


def test_under_act_a_job_is_its_folder_and_ends_with_act(table):
    table.add(5, 1, "-bash").add(11, 5, "/usr/local/bin/act", "push").add(12, 11, "bash").add(
        13, 12, "python3"
    )
    jobs = [
        job_of(table, 13, {"ACT": "true", "GITHUB_ACTIONS": "true", "RUNNER_TEMP": f"/c/{name}/tmp"})
        for name in ("one", "two", "one")
    ]
    assert [job.folder for job in jobs] == [Path("/c/one"), Path("/c/two"), Path("/c/one")]
    assert {job.anchor for job in jobs} == {Process(11, 1100)}
    assert jobs[0] == jobs[2]
    assert jobs[0].identity != jobs[1].identity


def test_act_under_another_name_is_watched_through_the_topmost_process(table):
    table.add(5, 1, "-bash").add(11, 5, "/opt/my-act-2", "push").add(12, 11, "bash").add(13, 12, "python3")
    job = job_of(table, 13, {"ACT": "true", "RUNNER_TEMP": "/c/one/tmp"})
    assert (job.kind, job.anchor.pid) == ("act", 5)


def test_in_a_job_container_the_job_is_its_first_process(table, mark):
    table.add(12, 0, "bash").add(13, 12, "python3")
    for extra in ({}, {"ACT": "true", "RUNNER_TEMP": "/tmp"}):
        job = job_of(table, 13, {"GITHUB_ACTIONS": "true", **extra}, marks=mark)
        assert (job.kind, job.anchor.pid) == ("container", 1)


def test_first_processes_of_two_containers_are_two_jobs(table, mark, tmp_path):
    (tmp_path / "other").mkdir()
    other = ProcessTable(tmp_path / "other").add(1, 0, "/sbin/init")
    table.add(13, 1, "python3")
    other.add(13, 1, "python3", namespace=4026532001)
    here, there = (job_of(one, 13, {"GITHUB_ACTIONS": "true"}, marks=mark) for one in (table, other))
    assert here.anchor == there.anchor
    assert here.identity != there.identity


@pytest.mark.parametrize("argv", [(WORKER, "spawnclient", "1", "2"), ("act", "push")])
def test_a_runner_that_itself_runs_in_a_container_makes_no_job_container(table, mark, argv):
    table.add(11, 1, *argv).add(12, 11, "bash")
    environ = {"GITHUB_ACTIONS": "true"}
    assert not in_container(environ, proc=table.path, pid=12, marks=mark)


def test_a_prompt_in_a_container_is_no_job_container(table, mark):
    table.add(12, 1, "bash")
    assert not in_container({}, proc=table.path, pid=12, marks=mark)
    assert in_container({"GITHUB_ACTIONS": "true"}, proc=table.path, pid=12, marks=mark)


def test_at_the_prompt_the_job_is_the_session(table):
    table.add(20, 1, "-bash", session=20).add(21, 20, "make", session=20).add(22, 21, "python3", session=20)
    assert job_of(table, 22).anchor == Process(20, 2000)


@pytest.mark.parametrize(("session", "leader_state"), [(99, "S"), (22, "S"), (20, "Z")])
def test_without_a_living_session_leader_the_job_is_the_parent(table, session, leader_state):
    table.add(20, 1, "-bash", session=20, state=leader_state).add(21, 20, "make", session=session)
    table.add(22, 21, "python3", session=session)
    assert job_of(table, 22).anchor.pid == 21


def test_an_identity_is_a_file_name_and_differs_after_a_reboot(table):
    table.add(11, 1, WORKER, "spawnclient", "1", "2").add(12, 11, "bash")
    before = job_of(table, 12).identity
    table.set_boot("7d1f3c55-0000-4000-8000-000000000001")
    after = job_of(table, 12).identity
    assert before != after
    assert all(one.replace("-", "").isalnum() and len(one) < 100 for one in (before, after))


def test_a_job_of_an_earlier_boot_has_ended_even_if_its_pid_lives():
    me = Process.of(os.getpid())
    assert current_job({}).is_alive()
    assert not Job("session", f"session-0123456789ab-1-{me.pid}-{me.start_ticks}", me).is_alive()


@pytest.mark.parametrize("folder", [None, Path("/c/one")])
def test_a_job_survives_json(folder):
    job = Job("act", "act-0123456789ab-4026531836-77", Process(7, 70), folder)
    assert Job.from_json(job.to_json()) == job


GOOD = Job("session", "session-0123456789ab-1-7-70", Process(7, 70)).to_json()


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        None,
        {**GOOD, "kind": "other"},
        {**GOOD, "kind": ["runner"]},
        {**GOOD, "pid": "seven"},
        {**GOOD, "pid": None},
        {**GOOD, "identity": "../../etc/passwd"},
        {**GOOD, "identity": ""},
        {**GOOD, "folder": 7},
        {name: value for name, value in GOOD.items() if name != "start_ticks"},
    ],
)
def test_what_is_not_a_job_in_json_is_a_value_error(value):
    with pytest.raises(ValueError, match="not a job"):
        Job.from_json(value)


def test_a_zombie_is_not_alive():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = Process.of(child.pid)
    assert process.is_alive()
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert read_stat(child.pid).state == "Z"
    assert not process.is_alive()
    child.wait()


def test_a_later_process_with_the_same_pid_is_another_one():
    me = Process.of(os.getpid())
    assert me.is_alive()
    assert not Process(me.pid, me.start_ticks - 1).is_alive()


def test_a_step_whose_worker_was_killed_belongs_to_no_job(table, mark):
    """Else it would be its session's, or its container's, which are the runner service's, and live on."""
    table.add(5, 1, "bash", session=5).add(7, 1, "python3", session=5)
    environ = {"GITHUB_ACTIONS": "true", "RUNNER_TRACKING_ID": "github_1"}
    with pytest.raises(ActionError, match="worker that started this step is gone"):
        job_of(table, 7, environ, marks=mark)
    assert job_of(table, 7, {"GITHUB_ACTIONS": "true"}).kind == "session"  # a runner of another make
