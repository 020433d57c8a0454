"""The scoped form: real scripts below a real bash, which end as a `run:` step would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from actionlib.errors import ActionError
from actionlib.key_values import parse_key_values
from actionlib.scripts import run_script
from fakes.processes import marked_with
from fakes.runner import poll_until

SHARED = Path(__file__).resolve().parents[2] / "shared"

# An action's entry point in small: it runs the script in its first argument and tells how that ended.
ENTRY = """
import dataclasses, json, os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from actionlib.scripts import run_script
options = json.loads(sys.argv[4])
result = run_script(sys.argv[3], environ=os.environ, cwd=Path(sys.argv[2]), scratch=Path(sys.argv[2]), **options)
print("result", json.dumps(dataclasses.asdict(result)), flush=True)
"""


class Place:
    """A folder to run scripts in; whatever was started from it carries its mark."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"PATH": os.environ["PATH"], "SCRIPT_MARK": str(folder)}

    def run(self, script: str, *, environ=None, **options):
        given = self.environ if environ is None else environ
        return run_script(script, environ=given, cwd=self.folder, scratch=self.folder / "scratch", **options)

    def entry(self, script: str, **options) -> subprocess.Popen[str]:
        """Run the script below a process of its own, to which signals can be sent."""
        command = [sys.executable, "-c", ENTRY, str(SHARED), str(self.folder), script, json.dumps(options)]
        return subprocess.Popen(command, env=self.environ, stdout=subprocess.PIPE, text=True)

    def exists(self, name: str):
        return (self.folder / name).exists

    def alive(self) -> list[int]:
        return marked_with(f"SCRIPT_MARK={self.folder}")


def result_of(entry):
    output, _ = entry.communicate(timeout=60)
    (line,) = [line for line in output.splitlines() if line.startswith("result ")]
    return json.loads(line.removeprefix("result "))


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path)
    yield found
    for pid in found.alive():
        os.kill(pid, signal.SIGKILL)


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


def test_what_a_script_writes_to_github_output_comes_back(place):
    script = """
echo "first=1" >> "$GITHUB_OUTPUT"
echo "empty=" >> "$GITHUB_OUTPUT"
{ echo "many<<END"; echo "a=b"; echo; echo "c<<d"; echo END; } >> "$GITHUB_OUTPUT"
echo "first=2" >> "$GITHUB_OUTPUT"
"""
    assert place.run(script).outputs == {"first": "2", "empty": "", "many": "a=b\n\nc<<d"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("\n\n", {}),
        ("a=1", {"a": "1"}),
        ("a=b=c\n", {"a": "b=c"}),
        ("a=x<<y\n", {"a": "x<<y"}),
        ("a<<E=1\nv\nE=1\n", {"a": "v"}),
        ("a<<E\nE\n", {"a": ""}),
        ("a<<E\n\nE\n", {"a": ""}),
        ("a<<E\n\n\nE\nb=2", {"a": "\n", "b": "2"}),
        ("a<<E\n E\nE\n", {"a": " E"}),
        (" a =1 \n", {" a ": "1 "}),
        ("a=1\r\n", {"a": "1\r"}),
    ],
)
def test_output_lines_are_read_as_the_runner_reads_them(text, expected):
    assert parse_key_values(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=1\nnonsense\n", "line 2 .*'nonsense'"),
        ("=1\n", "line 1 "),
        ("<<E\nx\nE\n", "line 1 .*name and a delimiter"),
        ("a<<\nx\n", "line 1 .*name and a delimiter"),
        ("a=1\nb<<END\nx\ny\n", "line 2 .*'END' never comes"),
        ("b<<END\nx\nEND \n", "line 1 .*'END' never comes"),
        ("x" * 500, r"line 1 .*xxx\.\.\.'"),
    ],
)
def test_a_malformed_output_line_is_named(text, message):
    with pytest.raises(ActionError, match=message):
        parse_key_values(text)


def test_malformed_outputs_fail_a_script_that_succeeded(place):
    with pytest.raises(ActionError, match="line 1 that the script wrote to GITHUB_OUTPUT"):
        place.run('echo nonsense > "$GITHUB_OUTPUT"')


def test_malformed_outputs_do_not_hide_the_failure_of_a_script(place):
    result = place.run('echo nonsense > "$GITHUB_OUTPUT"; exit 5')
    assert (result.exit_code, result.outputs) == (5, {})


@pytest.mark.parametrize("script", ['rm "$GITHUB_OUTPUT"', 'printf "\\xff=\\xfe\\n" >> "$GITHUB_OUTPUT"'])
def test_a_strange_output_file_is_no_crash(place, script):
    assert place.run(script).exit_code == 0


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


def test_a_script_that_takes_too_long_is_ended_with_all_that_it_started(place):
    result = place.run("sleep 300 & (setsid sleep 300 &) ; sleep 300", timeout_seconds=0.3)
    assert (result.exit_code, result.timed_out, result.survivors) == (124, True, ())
    assert place.alive() == []


def test_what_ignores_the_end_of_the_time_is_reported(place):
    result = place.run(
        "trap '' TERM; touch up; while :; do sleep 0.05; done", timeout_seconds=0.3, grace_seconds=0.2
    )
    assert (result.exit_code, result.timed_out) == (124, True)
    assert "bash" in {one.comm for one in result.survivors}
    assert place.alive() == []


def test_a_script_may_clean_up_when_its_time_is_over(place):
    script = "trap 'touch cleaned; exit 1' TERM; sleep 300 & wait"
    assert place.run(script, timeout_seconds=0.5, grace_seconds=30).survivors == ()
    assert place.exists("cleaned")()


def test_background_processes_of_a_script_that_ended_live_on_and_delay_nothing(place):
    result = place.run("sleep 300 & exit 4", timeout_seconds=100)
    assert (result.exit_code, result.timed_out, result.survivors) == (4, False, ())
    assert result.seconds < 60
    assert len(place.alive()) == 1


def test_our_own_children_survive_a_script_that_is_ended(place):
    other = subprocess.Popen(["sleep", "300"])
    try:
        place.run("sleep 300", timeout_seconds=0.2)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


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


def test_an_interrupt_reaches_the_script_and_its_commands_as_at_a_terminal(place):
    script = f"""
{sys.executable} -c 'import signal, sys
signal.signal(signal.SIGINT, lambda *_: (open("child", "w"), sys.exit(3)))
open("up", "w")
signal.pause()' || true
touch after"""
    entry = place.entry("trap 'touch parent; exit 77' INT\n" + script)
    poll_until(place.exists("up"))
    entry.send_signal(signal.SIGINT)
    result = result_of(entry)
    assert (result["exit_code"], result["interrupted_by"]) == (77, signal.SIGINT)
    assert place.exists("child")()
    assert place.exists("parent")()
    assert not place.exists("after")()
    assert place.alive() == []


def test_after_an_interrupt_the_background_processes_are_ended_too(place):
    """A shell without job control lets its background processes ignore SIGINT."""
    # Not `touch up; sleep`: a shell whose command survived the SIGINT goes on.
    waits = f'{sys.executable} -c \'import signal; open("up", "w"); signal.pause()\' 2> /dev/null'
    entry = place.entry(f"sleep 300 & (setsid sleep 300 &); {waits}")
    poll_until(place.exists("up"))
    entry.send_signal(signal.SIGINT)
    result = result_of(entry)
    assert (result["exit_code"], result["interrupted_by"]) == (130, signal.SIGINT)
    assert place.alive() == []


def test_on_sigterm_everything_is_ended(place):
    entry = place.entry("trap '' INT TERM; touch up; while :; do sleep 0.05; done", grace_seconds=0.2)
    poll_until(place.exists("up"))
    entry.send_signal(signal.SIGTERM)
    result = result_of(entry)
    assert (result["exit_code"], result["interrupted_by"]) == (137, signal.SIGTERM)
    assert "bash" in {one["comm"] for one in result["survivors"]}
    assert place.alive() == []


def test_a_script_that_ignores_sigint_still_gets_sigterm(place):
    entry = place.entry("trap 'touch interrupted' INT; touch up; while :; do sleep 0.05 || true; done")
    poll_until(place.exists("up"))
    entry.send_signal(signal.SIGINT)
    poll_until(place.exists("interrupted"))
    assert entry.poll() is None
    entry.send_signal(signal.SIGTERM)
    result = result_of(entry)
    assert (result["exit_code"], result["interrupted_by"]) == (143, signal.SIGTERM)
    assert place.alive() == []


def test_a_script_that_ignores_sigint_ends_even_if_no_sigterm_follows(place):
    entry = place.entry("trap '' INT; touch up; while :; do sleep 0.05; done")
    poll_until(place.exists("up"))
    entry.send_signal(signal.SIGINT)
    result = result_of(entry)
    assert (result["exit_code"], result["interrupted_by"], result["timed_out"]) == (143, signal.SIGINT, False)
    assert place.alive() == []


def test_a_script_dies_with_us_even_if_we_are_killed(place):
    entry = place.entry("echo $$ > pid; mv pid up; exec sleep 300")
    poll_until(place.exists("up"))
    entry.kill()
    entry.communicate(timeout=60)
    poll_until(lambda: place.alive() == [], what="the script's end")


def test_signals_at_any_moment_leave_nothing_behind(place):
    """Also before the script begins and after it has ended; whatever the entry then does, it ends."""
    for pause in range(12):
        entry = place.entry("sleep 0.1")
        time.sleep(0.02 * pause)
        entry.send_signal(signal.SIGINT if pause % 2 else signal.SIGTERM)
        entry.communicate(timeout=60)
        assert place.alive() == []
