"""Trees of real processes that fork away, hide, stop and ignore signals, and how all of them end."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actionlib.process_tree import adopting_orphans, children, descendants, kill_tree, send_signal
from actionlib.processes import Process, read_stat
from fakes.processes import marked_with, pids
from fakes.runner import poll_until

SHARED = Path(__file__).resolve().parents[2] / "shared"
IGNORANT = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open({0!r}, 'w'); time.sleep(300)"
)


@pytest.fixture
def start(tmp_path):
    """Starts a bash script in a session of its own; ends what is left of any of them (all carry a mark)."""
    started = []

    def start_script(script, *, own_session=True):
        environ = {**os.environ, "TREE_MARK": str(tmp_path)}
        command = ["bash", "-c", script]
        started.append(
            subprocess.Popen(command, env=environ, cwd=tmp_path, start_new_session=own_session, text=True)
        )
        return started[-1]

    start_script.marked = lambda: marked_with(f"TREE_MARK={tmp_path}")
    yield start_script
    for pid in start_script.marked():
        os.kill(pid, signal.SIGKILL)
    for child in started:
        child.wait()


def ignorant(path):
    """A shell command: a process that ignores SIGTERM and has made `path` when it does."""
    return f'{sys.executable} -c "{IGNORANT.format(str(path))}"'


def all_exist(*paths):
    return lambda: all(path.exists() for path in paths)


def test_descendants_are_found_at_any_depth(start):
    root = start("bash -c 'bash -c \"sleep 300; :\"; :' & sleep 300; :")
    poll_until(lambda: len(descendants(Process.of(root.pid))) == 4)
    names = [read_stat(one.pid).comm for one in descendants(Process.of(root.pid))]
    assert sorted(names) == ["bash", "bash", "sleep", "sleep"]
    assert {one.pid for one in children(root.pid)} <= {one.pid for one in descendants(Process.of(root.pid))}


def test_descendants_of_what_has_ended_are_none():
    child = subprocess.Popen(["true"])
    process = Process.of(child.pid)
    child.wait()
    assert descendants(process) == ()
    assert kill_tree(process, grace_seconds=1) == ()


def test_a_tree_that_heeds_sigterm_leaves_no_survivors(start, tmp_path):
    root = start("trap 'touch trapped; exit 3' TERM; sleep 300 & touch up; wait")
    poll_until((tmp_path / "up").exists)
    assert kill_tree(Process.of(root.pid), grace_seconds=30) == ()
    assert root.wait(10) == 3
    assert (tmp_path / "trapped").exists()
    assert start.marked() == []


def test_what_ignores_sigterm_is_killed_and_reported(start, tmp_path):
    deaf = tmp_path / "deaf"
    root = start(f"{ignorant(deaf)} & sleep 300 & wait")
    poll_until(deaf.exists)
    survivors = kill_tree(Process.of(root.pid), grace_seconds=0.3)
    assert [(one.comm.startswith("python"), one.ended) for one in survivors] == [(True, True)]
    assert start.marked() == []


def test_without_grace_the_tree_is_killed_at_once(start, tmp_path):
    root = start("trap 'touch trapped' TERM; touch up; sleep 300 & wait; sleep 300")
    poll_until((tmp_path / "up").exists)
    survivors = kill_tree(Process.of(root.pid), grace_seconds=0)
    assert root.pid in {one.pid for one in survivors}
    assert root.wait(10) == -signal.SIGKILL
    assert not (tmp_path / "trapped").exists()


def test_a_stopped_process_may_still_clean_up(start, tmp_path):
    root = start("trap 'touch trapped; exit' TERM; touch up; while :; do sleep 0.01; done")
    poll_until((tmp_path / "up").exists)
    os.kill(root.pid, signal.SIGSTOP)
    assert kill_tree(Process.of(root.pid), grace_seconds=30) == ()
    assert (tmp_path / "trapped").exists()


def test_a_daemon_that_forked_twice_does_not_escape(start, tmp_path):
    """It has left its session and its parent before we look for it, and even the root has gone."""
    deaf = tmp_path / "deaf"
    (tmp_path / "daemon").write_text(ignorant(deaf))
    with adopting_orphans():
        spare = children(os.getpid())
        root = start("setsid bash -c 'bash daemon &' & wait")
        process = Process.of(root.pid)
        root.wait()
        poll_until(deaf.exists)
        survivors = kill_tree(process, grace_seconds=0.2, spare=spare)
    assert [one.comm.startswith("python") for one in survivors] == [True]
    assert start.marked() == []


def test_a_background_process_of_a_dead_root_is_found_through_its_session(start, tmp_path):
    root = start("sleep 300 & touch up")
    poll_until((tmp_path / "up").exists)
    os.waitid(os.P_PID, root.pid, os.WEXITED | os.WNOWAIT)
    assert len(start.marked()) == 1
    kill_tree(Process.of(root.pid), grace_seconds=5)
    assert start.marked() == []
    assert root.wait() == 0


def test_our_other_children_are_spared(start, tmp_path):
    with adopting_orphans():
        other = start("touch other; sleep 300")
        root = start("touch up; sleep 300")
        poll_until(all_exist(tmp_path / "up", tmp_path / "other"))
        process = Process.of(root.pid)
        for _ in range(2):
            kill_tree(process, grace_seconds=5)
            assert root.poll() == -signal.SIGTERM
            assert other.poll() is None


def test_a_tree_that_forks_without_end_is_ended_and_leaves_no_zombies(start, tmp_path):
    """Each process starts its successor, in a session of its own, and goes."""
    hydra = tmp_path / "hydra.py"
    hydra.write_text(
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "end = time.monotonic() + 20\n"
        "while time.monotonic() < end:\n"
        "    if os.fork():\n"
        "        time.sleep(0.002)\n"
        "        os._exit(0)\n"
        "    os.setsid()\n"
    )
    before = our_zombies()
    with adopting_orphans():
        spare = children(os.getpid())
        root = start(f"{sys.executable} hydra.py; touch up; sleep 300")
        poll_until((tmp_path / "up").exists)
        kill_tree(Process.of(root.pid), grace_seconds=0.1, spare=spare)
        root.wait()
        assert start.marked() == []
        assert our_zombies() <= before


def test_orphans_that_came_to_us_are_reaped(start, tmp_path):
    before = our_zombies()
    with adopting_orphans():
        spare = children(os.getpid())
        root = start("(setsid sleep 300 &); (sleep 300 &); touch up; sleep 300")
        poll_until((tmp_path / "up").exists)
        kill_tree(Process.of(root.pid), grace_seconds=5, spare=spare)
        root.wait()
        assert our_zombies() <= before


def stat_of(pid):
    try:
        return read_stat(pid)
    except ProcessLookupError:
        return None


def our_zombies():
    """Those that other tests have left are not these tests' matter."""
    stats = filter(None, map(stat_of, pids()))
    return {(one.pid, one.start_ticks) for one in stats if one.parent == os.getpid() and one.state == "Z"}


def test_the_exit_code_of_the_root_is_left_to_whoever_started_it(start):
    root = start("sleep 300")
    kill_tree(Process.of(root.pid), grace_seconds=5)
    assert root.wait() == -signal.SIGTERM


@pytest.mark.parametrize("with_pidfds", [True, False])
def test_a_signal_never_reaches_a_later_process_with_the_same_pid(start, monkeypatch, with_pidfds):
    if not with_pidfds:
        monkeypatch.delattr(os, "pidfd_open")
    root = start("sleep 300")
    process = Process.of(root.pid)
    assert not send_signal(Process(process.pid, process.start_ticks - 1), signal.SIGKILL)
    assert kill_tree(Process(process.pid, process.start_ticks - 1), grace_seconds=0) == ()
    assert root.poll() is None
    assert send_signal(process, signal.SIGKILL)
    assert root.wait(10) == -signal.SIGKILL


def test_a_process_of_another_user_is_given_up_and_reported(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root, to be able to start something as another user")
    root = subprocess.Popen(["sleep", "300"])
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from actionlib.process_tree import kill_tree; from actionlib.processes import Process\n"
        "os.setresuid(65534, 65534, 65534)\n"  # only now: others may be unable to read this folder
        "print(kill_tree(Process.of(int(sys.argv[2])), grace_seconds=0.1))\n"
    )
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, str(SHARED), str(root.pid)], capture_output=True, text=True, timeout=60
    )
    try:
        assert "comm='sleep', ended=False" in done.stdout, done.stderr
        assert time.monotonic() - begin < 30
        assert root.poll() is None
    finally:
        root.kill()
        root.wait()


def test_adopting_ends_with_its_block():
    def is_subreaper():
        answer = ctypes.c_int(0)
        ctypes.CDLL(None).prctl(37, ctypes.byref(answer), 0, 0, 0)
        return answer.value == 1

    before = is_subreaper()
    with adopting_orphans():
        assert is_subreaper()
        with adopting_orphans():
            pass
        assert is_subreaper()
    assert is_subreaper() == before


def test_a_parent_death_signal_ends_the_child_of_a_killed_parent(tmp_path):
    code = (
        "import signal, subprocess, sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from actionlib.process_tree import set_parent_death_signal\n"
        "die_too = lambda: set_parent_death_signal(signal.SIGKILL)\n"
        "child = subprocess.Popen(['sleep', '300'], preexec_fn=die_too)\n"
        "print(child.pid, flush=True); time.sleep(300)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(SHARED)], stdout=subprocess.PIPE, text=True)
    child = Process.of(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    poll_until(lambda: not child.is_alive(), what="the child's end")
