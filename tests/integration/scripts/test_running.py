"""The scoped form: real scripts below a real bash, which end as a `run:` step would."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from actionlib.errors import ActionError
from actionlib.scripts import run_script


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("true", 0),
        ("exit 7", 7),
        ("false; true", 1),  # -e
        ("false | true", 1),  # pipefail
        ("nosuchcommand", 127),
        ("if", 2),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
        ("echo $UNSET_VARIABLE", 0),  # no -u
    ],
)
def test_a_script_ends_as_under_the_runners_bash(place, script, code):
    result = place.run(script)
    assert (result.exit_code, result.timed_out, result.interrupted_by) == (code, False, None)


def test_no_start_up_file_of_the_user_takes_part(place):
    (place.folder / ".bashrc").write_text("exit 9\n")
    (place.folder / ".bash_profile").write_text("exit 9\n")
    environ = {**place.environ, "HOME": str(place.folder)}
    assert place.run("! shopt -q login_shell", environ=environ).exit_code == 0


def test_a_script_writes_straight_to_our_output(place, capfd):
    place.run("echo '::add-mask::s3cret'; echo problem >&2; pwd; echo -n end")
    captured = capfd.readouterr()
    assert captured.out == f"::add-mask::s3cret\n{place.folder}\nend"
    assert captured.err == "problem\n"


def test_output_can_be_taken_as_it_comes_and_none_is_lost(place):
    pieces = []
    script = "echo first; seq 200000; exec 2>&1; echo last >&2; exit 3"
    assert place.run(script, on_output=pieces.append).exit_code == 3
    lines = b"".join(pieces).split()
    assert lines[0] == b"first"
    assert lines[-1] == b"last"
    assert len(lines) == 200_002
    assert len(pieces) > 1


def test_background_processes_that_keep_taken_output_open_delay_nothing(place):
    pieces = []
    begin = time.monotonic()
    place.run("echo here; sleep 30 & echo $! >background", on_output=pieces.append)
    assert time.monotonic() - begin < 20
    assert b"".join(pieces) == b"here\n"
    os.kill(int((place.folder / "background").read_text()), signal.SIGKILL)


def test_a_script_gets_the_given_environment_without_inputs(place):
    environ = {**place.environ, "INPUTS": "s3cret", "GITHUB_OUTPUT": "/ours", "GITHUB_ENV": "/env", "ÄÖ": "ü"}
    result = place.run(
        'env -0 > seen; [ "$GITHUB_ENV" = /env ]; [ "$GITHUB_OUTPUT" != /ours ]', environ=environ
    )
    assert result.exit_code == 0
    assert "s3cret" not in (place.folder / "seen").read_text()
    assert "ÄÖ=ü" in (place.folder / "seen").read_text()


def test_scripts_may_hold_anything(place):
    text = "cat <<'E' > seen\n" + "ü $x `y` \\ \" ' ${{ z }} \t\n" + "E"
    assert place.run(text).exit_code == 0
    assert (place.folder / "seen").read_text() == "ü $x `y` \\ \" ' ${{ z }} \t\n"


@pytest.mark.parametrize("script", ["", "  \n\t\n"])
def test_an_empty_script_is_an_error(place, script):
    with pytest.raises(ActionError, match="empty"):
        place.run(script)


def test_a_missing_bash_is_an_error_that_says_where_it_was_looked_for(place, tmp_path):
    with pytest.raises(ActionError, match=f"no bash on PATH .*{tmp_path}"):
        place.run("true", environ={"PATH": str(tmp_path)})


def test_a_missing_folder_is_named(place, tmp_path):
    with pytest.raises(ActionError, match="absent"):
        run_script("true", environ=place.environ, cwd=tmp_path / "absent", scratch=tmp_path)


def test_an_environment_that_is_too_large_is_an_error(place):
    with pytest.raises(ActionError, match="too long"):
        place.run("true", environ={**place.environ, "LARGE": "x" * 200_000})


def test_a_script_can_run_outside_of_the_main_thread(place):
    results = []
    thread = threading.Thread(target=lambda: results.append(place.run("exit 3")))
    thread.start()
    thread.join(60)
    assert [one.exit_code for one in results] == [3]


def test_it_works_where_the_kernel_has_no_pidfds(place, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    assert place.run("exit 3").exit_code == 3
    assert place.run("sleep 300", timeout_seconds=0.2).timed_out
    assert place.alive() == []


def test_running_leaks_nothing(place):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    before = sorted(os.listdir("/proc/self/fd"))
    place.run("true")
    place.run("sleep 300", timeout_seconds=0.1)
    with pytest.raises(ActionError):
        place.run("true", environ={**place.environ, "LARGE": "x" * 200_000})
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
