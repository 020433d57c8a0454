"""A program that is asked answers, or it is known why not."""

from __future__ import annotations

import os

from actionlib.programs import EXIT_NOT_STARTED, EXIT_TIMED_OUT, ask

ENVIRON = {"PATH": os.environ["PATH"]}


def test_both_streams_and_the_exit_code_are_told(tmp_path):
    answer = ask(["sh", "-c", "pwd; echo bad >&2; exit 3"], environ=ENVIRON, folder=tmp_path, seconds=10)
    assert (answer.exit_code, answer.text, answer.errors) == (3, f"{tmp_path}\n", "bad\n")


def test_it_gets_no_input_and_only_the_given_environment():
    answer = ask(["sh", "-c", "cat; env | grep -c ^HOME="], environ=ENVIRON, seconds=10)
    assert answer.text == "0\n"


def test_one_that_does_not_end_is_ended():
    answer = ask(["sleep", "60"], environ=ENVIRON, seconds=0.2)
    assert answer.exit_code == EXIT_TIMED_OUT
    assert answer.errors == "sleep did not end in 0.2 s"


def test_one_that_is_not_there_is_told_from_one_that_fails(tmp_path):
    answer = ask([str(tmp_path / "absent")], environ=ENVIRON, seconds=10)
    assert answer.exit_code == EXIT_NOT_STARTED
    assert "cannot be started: No such file or directory" in answer.errors


def test_what_is_no_text_is_replaced():
    assert ask(["printf", r"a\377b"], environ=ENVIRON, seconds=10).text == "a\ufffdb"


def test_why_leaves_rustups_backtrace_out():
    script = "printf 'info: x\\nerror: no toolchain\\n\\nStack backtrace:\\n  0: main' >&2; exit 1"
    assert ask(["sh", "-c", script], environ=ENVIRON, seconds=10).why == "error: no toolchain"
