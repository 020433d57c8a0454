"""Mode `run`: a script in an environment of its own."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from fakes.processes import is_running
from fakes.runner import poll_until
from integration.headless_env.traces import SMALL, traces

FOREIGN = {
    "DISPLAY": ":0", "WAYLAND_DISPLAY": "", "XDG_RUNTIME_DIR": "/run/user/4711", "SWAYSOCK": "/run/foreign",
    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/foreign", "GDK_BACKEND": "wayland", "PULSE_SINK": "speakers",
    "YDOTOOL_SOCKET": "/run/foreign",
}  # fmt: skip


def test_a_script_has_all_that_a_desktop_has_and_nothing_is_left(headless, workspace):
    step = headless(
        mode="run",
        run="""
            xdpyinfo >dpy.txt
            dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetId >bus.txt
            pactl info >pulse.txt
            env >env.txt
            echo "answer=42" >>"$GITHUB_OUTPUT"
        """,
    )
    assert step.exit_code == 0, step.log
    assert "1920x1080" in (workspace / "dpy.txt").read_text()
    assert "method return" in (workspace / "bus.txt").read_text()
    assert "Default Sink: he_speaker" in (workspace / "pulse.txt").read_text()
    env = dict(line.split("=", 1) for line in (workspace / "env.txt").read_text().splitlines() if "=" in line)
    for name in ("DISPLAY", "XAUTHORITY", "AT_SPI_BUS_ADDRESS", "PULSE_SERVER", "ALSA_CONFIG_PATH"):
        assert step.outputs[name.lower().replace("_", "-")] == env[name]
    assert json.loads(step.outputs["run-outputs"]) == {"answer": "42"}
    assert step.outputs["health"] == "healthy"
    assert step.outputs["timed-out"] == "false"
    assert step.outputs["exit-code"] == "0"
    checks = {one["check"]: one for one in step.facts["checks"]}
    assert {
        "display",
        "window manager",
        "clipboard",
        "D-Bus session",
        "AT-SPI",
        "speaker",
        "microphone",
    } <= set(checks)
    assert not [one for one in checks.values() if one["problem"]]
    assert traces(step.facts["environment"], env["DISPLAY"]) == []


def test_foreign_variables_are_truly_unset_for_the_script(headless, workspace):
    step = headless.start(
        environ=FOREIGN,
        mode="run",
        run="for name in WAYLAND_DISPLAY SWAYSOCK GDK_BACKEND PULSE_SINK YDOTOOL_SOCKET\n"
        "do echo $name=${!name-unset}; done\n"
        'echo "$DISPLAY $XDG_RUNTIME_DIR"',
        **SMALL,
    ).wait()
    assert step.exit_code == 0, step.log
    for name in ("WAYLAND_DISPLAY", "SWAYSOCK", "GDK_BACKEND", "PULSE_SINK", "YDOTOOL_SOCKET"):
        assert f"{name}=unset" in step.log
    assert f"{step.outputs['display']} {step.outputs['xdg-runtime-dir']}" in step.log
    assert step.outputs["display"] != ":0"


def test_the_step_ends_with_the_scripts_code_and_shows_what_there_was_to_see(headless, workspace):
    step = headless(
        mode="run", run="xterm -T witness -e sleep 60 &\nxdotool search --sync --name witness >&2\nexit 7"
    )
    assert step.exit_code == 7, step.log
    assert step.outputs["exit-code"] == "7"
    picture = Path(step.outputs["screenshot"]).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 2000, "a picture of nothing"
    assert "witness" in next(Path(step.outputs["log-dir"]).glob("windows-*.txt")).read_text()
    assert "xterm" in next(Path(step.outputs["log-dir"]).glob("processes-*.txt")).read_text()
    assert "::group::Windows" in step.log
    assert step.outputs["screenshot"] in step.summary
    assert traces(step.facts["environment"], step.outputs["display"]) == []


def test_what_a_script_left_in_the_background_ends_with_the_environment(headless, workspace):
    step = headless(
        mode="run", run="setsid sh -c 'trap \"\" TERM HUP; echo $$ >pid; sleep 300' >/dev/null 2>&1 &\n"
        "until [ -s pid ]; do :; done", **SMALL,
    )  # fmt: skip
    assert step.exit_code == 0, step.log
    assert not is_running(int((workspace / "pid").read_text()))
    assert traces(step.facts["environment"], step.outputs["display"]) == []


HANG = r"""
import os, signal, sys, time
for number in range(20):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            open(f"hang-{number}", "w").write(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("hanging", flush=True)
time.sleep(600)
"""


def test_a_hanging_test_is_cut_with_everything_that_it_started_however_that_hides(headless, workspace):
    (workspace / "hang.py").write_text(HANG)
    begin = time.monotonic()
    step = headless(
        mode="run",
        run="python3 hang.py",
        timeout_seconds=2,
        grace_seconds=1,
        at_spi=False,
        audio="none",
        verify="quick",
    )
    seconds = time.monotonic() - begin
    assert step.exit_code == 124, step.log
    assert step.outputs["timed-out"] == "true"
    assert "hanging" in step.log
    assert "still running when the grace of 1 s was over" in step.errors[0]
    assert len(step.facts["survivors"]) >= 21
    # 2 s of patience and 1 s of grace; the rest is start, capture, killing and teardown.
    assert seconds < 3 + 4
    started = [int(path.read_text()) for path in workspace.glob("hang-*")]
    assert len(started) == 20
    assert [pid for pid in started if is_running(pid)] == []
    assert Path(step.outputs["screenshot"]).exists(), "taken before the end"
    assert "hang.py" in next(Path(step.outputs["log-dir"]).glob("processes-*.txt")).read_text()
    assert traces(step.facts["environment"], step.outputs["display"]) == []


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_an_interrupted_step_tears_down(headless, workspace, number):
    import signal

    step = headless.start(mode="run", run="echo $COLDVOX_HEADLESS_ID $DISPLAY >who; sleep 100", **SMALL)
    poll_until(lambda: (workspace / "who").exists() and (workspace / "who").read_text().endswith("\n"))
    step.signal(getattr(signal, number))
    ended = step.wait(20)
    assert ended.exit_code == 130, ended.log
    assert traces(*(workspace / "who").read_text().split()) == []


def test_a_step_that_is_killed_leaves_nothing(headless, workspace):
    step = headless.start(
        mode="run", run="echo $COLDVOX_HEADLESS_ID $DISPLAY >who; setsid sleep 100", **SMALL
    )
    poll_until(lambda: (workspace / "who").exists() and (workspace / "who").read_text().endswith("\n"))
    step.kill()
    who = (workspace / "who").read_text().split()
    poll_until(lambda: traces(*who) == [], timeout_seconds=10, what=f"no traces of {who}")


def test_eight_jobs_at_once_have_environments_of_their_own(headless, workspace):
    script = 'printf %s "$RANDOM$RANDOM" >token-$COLDVOX_HEADLESS_ID; '
    script += "xclip -selection clipboard -i <token-$COLDVOX_HEADLESS_ID; "
    script += 'sleep 1; test "$(xclip -selection clipboard -o)" = "$(cat token-$COLDVOX_HEADLESS_ID)"'
    started = [headless.start(mode="run", run=script) for _ in range(8)]
    ended = [step.wait() for step in started]
    assert [step.exit_code for step in ended] == [0] * 8, "\n".join(
        step.log for step in ended if step.exit_code
    )
    assert len({step.outputs["display"] for step in ended}) == 8
    assert len({step.outputs["pulse-server"] for step in ended}) == 8
    assert [
        trace for step in ended for trace in traces(step.facts["environment"], step.outputs["display"])
    ] == []


def test_a_screen_can_be_recorded(headless, workspace):
    step = headless(mode="run", run="sleep 1.5", record=True, **SMALL)
    assert step.exit_code == 0, step.log
    assert Path(step.outputs["recording"]).stat().st_size > 1000
    assert os.path.basename(step.outputs["recording"]) == "recording.mkv"
