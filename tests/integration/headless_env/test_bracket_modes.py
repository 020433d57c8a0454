"""Modes `start`, `stop` and `check`: an environment across the steps of a job."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from fakes.job_steps import Steps
from fakes.processes import is_running
from fakes.runner import poll_until
from integration.headless_env.traces import SMALL, record_of, traces


def component(steps: Steps, started, name: str) -> int:
    """Pid of a component, by the name of its program, among the supervisor's children."""
    record = record_of(started.outputs["log-dir"])
    supervisor = record["supervisor"]["pid"]
    for child in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
        if Path(f"/proc/{child}/comm").read_text().strip() == name:
            return int(child)
    raise AssertionError(f"no {name} below {supervisor}")


def who(started) -> tuple[str, str]:
    return Path(started.outputs["log-dir"]).name, started.outputs["display"]


def test_later_steps_live_in_the_environment_until_it_is_stopped(steps):
    started = steps.run(mode="start")
    assert started.exit_code == 0, started.stdout
    assert not started.stdio_delayed
    # xclip goes to the background before it owns the selection.
    used = steps.shell(
        'xdpyinfo >dpy; head -1 dpy; echo "token" | xclip -i; '
        "for _ in {1..100}; do xclip -o 2>/dev/null && break; sleep 0.1; done; "
        "pactl info | grep Default; echo $COLDVOX_HEADLESS_ID"
    )
    assert used.exit_code == 0, used.stdout
    assert f"name of display:    {started.outputs['display']}" in used.stdout
    assert "Default Source: he_mic" in used.stdout
    assert started.outputs["health"] == "healthy"
    assert int(started.outputs["ready-milliseconds"]) <= int(started.outputs["verified-milliseconds"])
    stopped = steps.run(mode="stop")
    assert stopped.exit_code == 0, stopped.stdout
    assert stopped.outputs["health"] == "healthy"
    assert traces(*who(started)) == []
    assert (Path(stopped.outputs["log-dir"]) / "supervisor.log").exists(), "logs stay"


def test_stop_gives_the_variables_their_earlier_values_back(runner, headless):
    job = runner.start_job(
        env={"HOME": headless.environ["HOME"], "DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-7"}
    )
    steps = Steps(job, headless)
    started = steps.run(mode="start", **SMALL)
    assert started.env["DISPLAY"] == started.outputs["display"] != ":0"
    assert started.env["WAYLAND_DISPLAY"] == ""
    stopped = steps.run(mode="stop")
    assert stopped.env["DISPLAY"] == ":0"
    assert stopped.env["WAYLAND_DISPLAY"] == "wayland-7"
    assert stopped.env["XDG_RUNTIME_DIR"] == os.environ.get("XDG_RUNTIME_DIR", "")


def test_the_env_file_takes_a_shell_into_the_environment(steps, headless):
    started = steps.run(mode="start", **SMALL)
    inside = steps.shell(
        'env -i PATH="$PATH" WAYLAND_DISPLAY=foreign '
        f"sh -c '. {started.outputs['env-file']}; xdpyinfo >/dev/null && echo $DISPLAY'"
    )
    assert started.outputs["display"] in inside.stdout
    steps.run(mode="stop")


def test_stop_without_start_is_an_error_that_says_what_to_do(steps):
    stopped = steps.run(mode="stop")
    assert stopped.exit_code == 1
    assert (
        "mode 'stop': this job has no headless environment. Use mode 'start' in an earlier step"
        in stopped.stdout
    )


def test_two_jobs_do_not_stop_each_others_environments(runner, headless):
    one, other = (Steps(runner.start_job(env={"HOME": headless.environ["HOME"]}), headless) for _ in range(2))
    first, second = one.run(mode="start", **SMALL), other.run(mode="start", **SMALL)
    assert first.outputs["display"] != second.outputs["display"]
    assert one.run(mode="stop").exit_code == 0
    assert traces(*who(first)) == []
    assert other.shell("xdpyinfo >/dev/null").exit_code == 0
    assert other.run(mode="stop").exit_code == 0


def test_environments_of_one_job_end_in_turn(steps):
    outer = steps.run(mode="start", **SMALL)
    inner = steps.run(mode="start", **SMALL)
    assert steps.run(mode="stop").env["DISPLAY"] == outer.outputs["display"]
    assert traces(*who(inner)) == []
    assert steps.shell("xdpyinfo >/dev/null").exit_code == 0
    assert steps.run(mode="stop").exit_code == 0
    assert traces(*who(outer)) == []


# --- the ends of a job -------------------------------------------------------------------------------------------


def test_it_ends_with_the_job_although_nobody_stopped_it(steps):
    started = steps.run(mode="start", **SMALL)
    killed = steps.job.finish()
    assert killed == [], "the runner's orphan clean-up must not be what ends it"
    poll_until(lambda: traces(*who(started)) == [], timeout_seconds=10, what="no traces")


def test_it_ends_when_the_worker_is_killed(steps):
    started = steps.run(mode="start", **SMALL)
    steps.job.kill_worker()
    poll_until(lambda: traces(*who(started)) == [], timeout_seconds=10, what="no traces")


def test_it_ends_when_it_is_too_old(steps):
    started = steps.run(mode="start", max_age_seconds=2, **SMALL)
    poll_until(lambda: traces(*who(started)) == [], timeout_seconds=15, what="no traces")
    stopped = steps.run(mode="stop")
    assert stopped.exit_code == 1
    assert "ended before 'stop'" in stopped.stdout
    assert "max-age-seconds" in stopped.stdout


@pytest.mark.parametrize("victim", ["pid", "keeper_pid"])
def test_supervisor_and_keeper_clean_up_after_each_other(steps, victim):
    started = steps.run(mode="start", verify="none")
    record = record_of(started.outputs["log-dir"])
    os.kill(record["supervisor"][victim], signal.SIGKILL)
    pids = (record["supervisor"]["pid"], record["supervisor"]["keeper_pid"])
    poll_until(
        lambda: traces(*who(started), supervisor_pids=pids) == [], timeout_seconds=10, what="no traces"
    )
    stopped = steps.run(mode="stop")
    assert stopped.exit_code == 1
    assert "ended before 'stop'" in stopped.stdout


def test_the_next_start_cleans_up_when_everything_was_killed(steps, headless):
    started = steps.run(mode="start", verify="none")
    supervisor = record_of(started.outputs["log-dir"])["supervisor"]
    os.kill(supervisor["keeper_pid"], signal.SIGSTOP)  # so that it cannot clean up in between
    os.kill(supervisor["pid"], signal.SIGKILL)
    os.kill(supervisor["keeper_pid"], signal.SIGKILL)
    poll_until(lambda: not is_running(supervisor["keeper_pid"]))
    assert traces(*who(started)) != []
    after = headless(mode="run", run="true", **SMALL)
    assert after.exit_code == 0, after.log
    assert after.facts["cleaned-up"] == [who(started)[0]]
    assert traces(*who(started)) == []


@pytest.mark.parametrize("scale", [0.2])
def test_a_start_that_the_runner_cancels_leaves_nothing(runner, headless, scale, tmp_path):
    job = runner.start_job(env={"HOME": headless.environ["HOME"]})
    steps = Steps(job, headless)
    before = set(Path("/tmp").glob("he-*"))
    step = steps.start(
        mode="run", run='echo "$COLDVOX_HEADLESS_ID $DISPLAY" >who; trap "" INT TERM; sleep 60', **SMALL
    )
    note = runner.workspace / "who"
    poll_until(lambda: note.exists() and note.read_text().endswith("\n"))
    step.cancel(scale)
    ended = step.wait(30)
    assert ended.exit_code != 0
    poll_until(lambda: traces(*note.read_text().split()) == [], timeout_seconds=10, what="no traces")
    assert set(Path("/tmp").glob("he-*")) <= before


# --- health ------------------------------------------------------------------------------------------------------


def test_check_names_every_component_with_its_state(steps):
    steps.run(mode="start", verify="none")
    checked = steps.run(mode="check")
    assert checked.exit_code == 0, checked.stdout
    assert checked.outputs["health"] == "healthy"
    for name in ("display", "window manager", "D-Bus session", "AT-SPI", "sound"):
        assert re.search(rf"^{name}: ", checked.stdout, re.MULTILINE)
        assert f"| {name} |" in checked.summary
    steps.run(mode="stop")


@pytest.mark.parametrize(
    ("program", "check"),
    [
        ("Xvfb", "display"),
        ("openbox", "window manager"),
        ("dbus-daemon", "D-Bus session"),
        ("pulseaudio", "sound"),
    ],
)
def test_a_component_that_dies_is_started_again_and_that_is_told(steps, program, check):
    started = steps.run(mode="start", verify="none")
    pid = component(steps, started, program)
    os.kill(pid, signal.SIGKILL)
    poll_until(lambda: record_of(started.outputs["log-dir"])["events"], what="an event")
    checked = steps.run(mode="check", verify="full")
    assert checked.exit_code == 0, checked.stdout
    assert checked.outputs["health"] == "restarted"
    assert "ended by signal 9" in checked.stdout
    assert "started again" in checked.stdout
    stopped = steps.run(mode="stop")
    assert stopped.outputs["health"] == "restarted"
    assert "::warning" in stopped.stdout
    assert traces(*who(started)) == []


@pytest.mark.parametrize(("program", "check"), [("openbox", "window manager"), ("pulseaudio", "sound")])
def test_without_restarts_the_environment_is_unhealthy(steps, program, check):
    started = steps.run(mode="start", verify="none", restart="never")
    os.kill(component(steps, started, program), signal.SIGKILL)
    poll_until(lambda: record_of(started.outputs["log-dir"])["state"] == "unhealthy", what="unhealthy")
    checked = steps.run(mode="check")
    assert checked.exit_code == 1
    assert checked.outputs["health"] == "unhealthy"
    assert re.search(rf"::error[^\n]*is unhealthy: {check}: ", checked.stdout), checked.stdout
    steps.run(mode="stop")
    assert traces(*who(started)) == []


def test_the_watch_finds_a_component_that_hangs(steps):
    started = steps.run(mode="start", verify="none", restart="never", watch_interval_seconds=1)
    os.kill(component(steps, started, "Xvfb"), signal.SIGSTOP)
    poll_until(
        lambda: record_of(started.outputs["log-dir"])["state"] == "unhealthy",
        timeout_seconds=60,
        what="unhealthy",
    )
    events = record_of(started.outputs["log-dir"])["events"]
    assert any("x11 does not answer" in event for event in events), events
    steps.run(mode="stop")
    assert traces(*who(started)) == []


def test_stop_takes_a_picture_when_the_job_has_failed(steps):
    started = steps.run(mode="start", **SMALL)
    stopped = steps.start(mode="stop", job_status="failure").wait()
    assert stopped.outputs["screenshot"], stopped.stdout
    assert Path(stopped.outputs["screenshot"]).read_bytes().startswith(b"\x89PNG")
    assert traces(*who(started)) == []
