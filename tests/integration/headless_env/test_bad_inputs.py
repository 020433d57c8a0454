"""Whatever a user gets wrong is named, and nothing is started or left behind."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from fakes.steps import ordinary_user

SCRIPT = {"mode": "run", "run": "true"}


@pytest.fixture(autouse=True)
def _nothing_is_left(headless):
    """In a TMPDIR of our own, short enough for sockets: others may be at work on this host."""
    base = Path(tempfile.mkdtemp(dir="/tmp"))
    headless.environ["TMPDIR"] = str(base)
    yield
    left = list(base.glob("he-*"))
    shutil.rmtree(base)
    assert left == []


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({**SCRIPT, "screen": "10000000x1"}, "input 'screen' is '10000000x1'; allowed: WIDTHxHEIGHT"),
        ({**SCRIPT, "screen": "0x0x24"}, "input 'screen' is '0x0x24'"),
        ({**SCRIPT, "screen": "640x480x13"}, "depth one of 8, 15, 16, 24, 30"),
        ({**SCRIPT, "display-server": "x12"}, "input 'display-server' is 'x12'; allowed: x11, wayland, both, none"),
        ({**SCRIPT, "window-manager": "openbx"}, "Did you mean 'openbox'?"),
        ({**SCRIPT, "timeout-seconds": "0"}, "input 'timeout-seconds' is '0'; allowed: a number from 1 to"),
        ({**SCRIPT, "dpi": "many"}, "input 'dpi' is 'many'; allowed: a whole number from 30 to 600"),
        ({"mode": "run", "run": "  \n"}, "input 'run' is empty, and mode 'run' needs it"),
        ({"mode": "start", "run": "true"}, "input 'run' is set, and mode 'start' runs nothing"),
        ({**SCRIPT, "server-args": "-ac"}, "input 'server-args' holds '-ac', which is not allowed: access control"),
        ({**SCRIPT, "server-args": ":7"}, "the display's number is claimed by the action"),
        ({**SCRIPT, "server-args": "'"}, "input 'server-args' is ''': No closing quotation"),
        ({**SCRIPT, "microphone-wav": "absent.wav"}, "input 'microphone-wav' is 'absent.wav': No such file"),
        ({**SCRIPT, "microphone-wav": "text.wav"}, "input 'microphone-wav' is 'text.wav': "),
        ({**SCRIPT, "microphone-wav": "x.wav", "audio": "none"}, "there is no microphone"),
        ({**SCRIPT, "record": "true", "display-server": "none"}, "only X11 is recorded"),
        ({**SCRIPT, "verify": "some"}, "input 'verify' is 'some'; allowed: full, quick, none"),
        ({**SCRIPT, "require": "xdotool no-such-tool"}, "this host lacks: no-such-tool"),
        ({**SCRIPT, "server-args": "-query host"}, "the display has no login (XDMCP)"),
        ({**SCRIPT, "microphone-wav": "fifo.wav"}, "input 'microphone-wav' is 'fifo.wav': not a regular file"),
        ({**SCRIPT, "artifacts-dir": "~no-such-user/x"}, "artifacts-dir '~no-such-user/x' cannot be written"),
        ({**SCRIPT, "artifacts-dir": "file/below"}, "artifacts-dir '"),
        ({"mode": "check"}, "mode 'check': this job has no headless environment"),
        ({"mode": "begin"}, "input 'mode' is 'begin'; allowed: run, start, stop, check, doctor"),
    ],
    ids=lambda value: str(sorted(value.items()))[:60] if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_bad_input_is_named_with_what_is_allowed(headless, workspace, inputs, message):
    (workspace / "file").touch()
    (workspace / "text.wav").write_text("this is no sound")
    os.mkfifo(workspace / "fifo.wav")
    step = headless(**inputs)
    assert message in step.error()


def test_a_runtime_path_too_long_for_sockets_is_an_error(headless, tmp_path):
    long = tmp_path / ("x" * 80)
    long.mkdir()
    step = headless.start(environ={"TMPDIR": str(long)}, **SCRIPT).wait()
    assert f"TMPDIR is '{long}'" in step.error()
    assert "allowed: up to 80" in step.error()
    assert list(long.iterdir()) == []


def test_an_artifacts_folder_that_this_user_may_not_write_is_an_error(headless, workspace):
    if os.geteuid() == 0 and not ordinary_user():
        pytest.skip("needs setpriv")
    (workspace / "readonly").mkdir()
    (workspace / "readonly").chmod(stat.S_IRUSR | stat.S_IXUSR)
    step = headless.start(ordinary=True, artifacts_dir="readonly", **SCRIPT).wait()
    assert "readonly' cannot be written: Permission denied" in step.error()


def test_missing_tools_are_named_with_their_packages_before_anything_starts(headless, tmp_path):
    few = tmp_path / "few-tools"
    few.mkdir()
    for tool in ("bash", "sh", "python3", "dbus-daemon", "env"):
        (few / tool).symlink_to(shutil.which(tool))
    step = headless.start(environ={"PATH": str(few)}, **SCRIPT).wait()
    assert "this host lacks: Xvfb" in step.error()
    assert "xvfb" in step.error()


def test_doctor_says_what_is_missing_and_changes_nothing(headless, tmp_path):
    few = tmp_path / "few-tools"
    few.mkdir()
    step = headless.start(environ={"PATH": str(few)}, mode="doctor").wait()
    assert step.exit_code == 1
    assert "Xvfb" in step.errors[0]
    assert "install" in step.errors[0]
    assert "Xvfb" in step.facts["missing"]


def test_doctor_is_content_with_a_host_that_has_all(headless):
    step = headless(mode="doctor")
    assert step.exit_code == 0, step.log
    assert step.facts["missing"] == []


def test_a_server_that_cannot_start_fails_with_its_own_words(headless):
    step = headless(mode="run", run="true", server_args="-no-such-option")
    assert "the environment did not come up: x11 (Xvfb) exited with code" in step.error()
    assert "Unrecognized option: -no-such-option" in step.error()
