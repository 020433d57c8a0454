"""Displays that hang, disks that are full, tools that are missing: the script's own result comes through."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from actionlib.processes import Process, read_stat
from fakes.runner import poll_until
from integration.headless_env.traces import SMALL, record_of, traces

OPTIONAL = ("xdotool", "xclip", "pacat", "parec", "arecord")


def child_of(supervisor: int, program: str) -> int:
    """A component's process."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return next(int(pid) for pid in children if read_stat(int(pid)).comm == program)


def path_without(folder: Path, program: str) -> str:
    """A PATH on which everything is but one program."""
    folder.mkdir()
    for source in (Path("/usr/local/bin"), Path("/usr/bin"), Path("/usr/sbin")):
        for tool in source.glob("*"):
            if tool.name != program and not (folder / tool.name).exists():
                (folder / tool.name).symlink_to(tool)
    return str(folder)


@pytest.mark.parametrize("program", OPTIONAL)
def test_what_the_doctor_calls_not_needed_is_not_needed(headless, tmp_path, program):
    path = path_without(tmp_path / "bin", program)
    doctor = headless(environ={"PATH": path}, mode="doctor")
    assert doctor.exit_code == 0, doctor.log
    assert program in doctor.log
    step = headless(environ={"PATH": path}, mode="run", run="echo works")
    assert step.exit_code == 0, step.log


def test_a_time_out_is_kept_although_the_display_hangs(headless, workspace):
    step = headless(
        mode="run",
        run="""
            date +%s.%N >begun
            supervisor=$(($(cat "/tmp/.X${DISPLAY#:}-lock")))
            for pid in $(cat "/proc/$supervisor/task/$supervisor/children"); do
                if [[ $(cat "/proc/$pid/comm") == Xvfb ]]; then kill -STOP "$pid"; fi
            done
            sleep 60
        """,
        timeout_seconds=2,
        grace_seconds=1,
        **SMALL,
    )
    ended = time.time()
    assert step.exit_code == 124, step.log
    # The display is waited for no longer than HURRIED_SECONDS; the rest is a loaded machine's.
    assert ended - float((workspace / "begun").read_text()) < 2 + 1 + 4
    assert traces(step.facts["environment"], step.outputs["display"]) == []


@pytest.mark.parametrize("depth", [8, 15, 16, 24, 30])
def test_a_script_keeps_its_exit_code_on_screens_of_every_depth(headless, depth):
    step = headless(mode="run", run="exit 3", **SMALL | {"screen": f"320x240x{depth}"})
    assert step.exit_code == 3, step.log
    if depth == 8:  # has no true colours
        assert "Could not be captured: screens of depth 8" in step.log
    else:
        assert Path(step.outputs["screenshot"]).read_bytes().startswith(b"\x89PNG")


def test_the_largest_age_is_for_start_only(headless):
    step = headless(mode="run", run="sleep 3; xdpyinfo >/dev/null", max_age_seconds=1, **SMALL)
    assert step.exit_code == 0, step.log


def test_an_environment_that_is_refused_tells_where_its_logs_and_its_picture_are(headless, tmp_path):
    path = path_without(tmp_path / "bin", "xclip")
    liar = tmp_path / "bin/xclip"
    liar.write_text("#!/bin/sh\ncat >/dev/null\nsleep 1\n")
    liar.chmod(0o755)
    step = headless(environ={"PATH": path}, mode="run", run="true", audio="none", at_spi=False)
    assert step.exit_code == 1
    assert "the environment does not work" in step.error()
    assert "clipboard" in step.error()
    assert step.outputs["health"] == "unhealthy"
    assert list(Path(step.outputs["log-dir"]).glob("screenshot-*.png"))


def test_a_recorder_that_cannot_record_is_a_start_that_failed(headless, tmp_path):
    path = path_without(tmp_path / "bin", "ffmpeg")
    (tmp_path / "bin/ffmpeg").write_text("#!/bin/sh\necho no such codec >&2\nexit 1\n")
    (tmp_path / "bin/ffmpeg").chmod(0o755)
    step = headless(environ={"PATH": path}, mode="run", run="true", record=True, **SMALL)
    assert step.exit_code == 1
    assert "recorder (ffmpeg) exited with code 1" in step.error()
    assert "no such codec" in step.log
    assert step.outputs["log-dir"]


def test_stop_finds_an_environment_whose_logs_are_gone(steps):
    started = steps.run(mode="start", **SMALL)
    shutil.rmtree(started.outputs["log-dir"])
    stopped = steps.run(mode="stop")
    assert stopped.exit_code == 0, stopped.stdout
    assert stopped.env["DISPLAY"] == os.environ.get("DISPLAY", "")
    assert traces(Path(started.outputs["log-dir"]).name, started.outputs["display"]) == []


def test_a_full_disk_costs_neither_the_environment_nor_the_exit_code(headless, mount_tmpfs, tmp_path):
    disk = mount_tmpfs(tmp_path / "disk", 2)
    step = headless(
        mode="run",
        run=f"""
            head -c 10M /dev/zero >{disk}/full || true
            supervisor=$(($(cat "/tmp/.X${{DISPLAY#:}}-lock")))
            for pid in $(cat "/proc/$supervisor/task/$supervisor/children"); do
                if [[ $(cat "/proc/$pid/comm") == openbox ]]; then echo killing "$pid"; kill -9 "$pid"; fi
            done
            for _ in $(seq 100); do
                sleep 0.1
                grep -q '"state": "restarted"' "$(dirname "$XDG_RUNTIME_DIR")/environment.json" && break
            done
            xprop -root _NET_SUPPORTING_WM_CHECK
            exit 7
        """,
        artifacts_dir=str(disk),
        **SMALL | {"window-manager": "openbox"},
    )
    assert step.exit_code == 7, step.log
    assert step.outputs["health"] == "restarted", step.log
    assert traces(step.facts["environment"], step.outputs["display"]) == []


# --- the watch ---------------------------------------------------------------------------------------------------


def test_a_component_that_is_slow_once_is_not_started_again(steps):
    started = steps.run(mode="start", **SMALL | {"watch-interval-seconds": 1})
    bus = Process.of(int(started.outputs["dbus-session-bus-pid"]))
    log = Path(started.outputs["log-dir"]) / "supervisor.log"
    os.kill(bus.pid, signal.SIGSTOP)
    time.sleep(2.2)  # at least one look finds it silent, and not two in a row
    os.kill(bus.pid, signal.SIGCONT)
    time.sleep(4)
    assert bus.is_alive(), log.read_text()
    stopped = steps.run(mode="stop")
    assert stopped.outputs["health"] == "healthy", stopped.stdout


def test_what_is_not_started_again_is_told_once(steps):
    inputs = SMALL | {"window-manager": "openbox", "restart": "never", "watch-interval-seconds": 1}
    started = steps.run(mode="start", **inputs)
    supervisor = record_of(started.outputs["log-dir"])["supervisor"]["pid"]
    os.kill(child_of(supervisor, "openbox"), signal.SIGKILL)
    poll_until(lambda: record_of(started.outputs["log-dir"])["state"] == "unhealthy")
    time.sleep(4)  # several rounds of the watch
    events = record_of(started.outputs["log-dir"])["events"]
    assert len(events) == 1, events
    assert "openbox" in events[0]
    assert "the end of its log" not in events[0]
    steps.run(mode="stop")
