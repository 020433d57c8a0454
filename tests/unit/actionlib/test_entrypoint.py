from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from actionlib.entrypoint import Action, Context, Interrupted, Result, run_with
from actionlib.errors import ActionError

ACTION = "name: Test\ndescription: D\ninputs:\n  key: {default: k}\noutputs:\n  key: {}\n  json-file: {}\n"


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def environ(tmp_path, monkeypatch) -> dict[str, str]:
    (tmp_path / "action.yml").write_text(ACTION)
    environ = {"GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(tmp_path)}
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        environ[name] = str(tmp_path / name)
        (tmp_path / name).touch()
        monkeypatch.setenv(name, environ[name])
    return environ


def run(action: Action, environ: dict[str, str], given: dict[str, str] | None = None) -> int:
    folder = Path(environ["RUNNER_TEMP"])
    return run_with(folder, action, given=lambda: given or {}, environ=environ)


def test_outputs_facts_and_exit_code_reach_the_runner(environ) -> None:
    def action(context: Context) -> Result:
        context.summary.heading("Done")
        return Result({"key": context.inputs.text("key")}, exit_code=3, facts={"n": 1})

    assert run(action, environ) == 3
    lines = Path(environ["GITHUB_OUTPUT"]).read_text().splitlines()
    assert lines[1] == "k"
    assert json.loads(Path(lines[4]).read_text()) == {"n": 1}
    assert Path(environ["GITHUB_STEP_SUMMARY"]).read_text().startswith("### Done")


def test_what_a_user_can_mend_is_one_annotation_without_a_traceback(environ, capsys) -> None:
    def action(_: Context) -> Result:
        raise ActionError("key is 'x'", hint="Use another")

    assert run(action, environ) == 1
    assert capsys.readouterr().out == "::error title=Test::key is 'x'. Use another\n"
    assert Path(environ["GITHUB_STEP_SUMMARY"]).read_text() == "**Test failed:** key is 'x'. Use another\n\n"


def test_a_summary_for_which_the_disk_has_no_room_is_a_warning(environ, capsys) -> None:
    def action(context: Context) -> Result:
        context.summary.heading("Done")
        return Result({"key": "k"})

    assert run(action, environ | {"GITHUB_STEP_SUMMARY": "/dev/full"}) == 0
    assert "::warning title=Test::there is no job summary" in capsys.readouterr().out
    assert "k" in Path(environ["GITHUB_OUTPUT"]).read_text().splitlines()


@pytest.mark.parametrize("mistake", [ActionError("key is 'x'"), ValueError("key is 'x'")])
def test_outputs_for_which_the_disk_has_no_room_fail_the_step_and_hide_nothing(
    environ, capsys, monkeypatch, mistake
) -> None:
    def fails(_: Context) -> Result:
        raise mistake

    environ["GITHUB_OUTPUT"] = "/dev/full"
    monkeypatch.setenv("GITHUB_OUTPUT", "/dev/full")
    assert run(lambda _: Result({"key": "k"}), environ) == 1
    said = "'key' cannot be handed on: GITHUB_OUTPUT is '/dev/full', which cannot be written: No space left"
    assert f"::error title=Test::{said}" in capsys.readouterr().out
    run_with(
        Path(environ["RUNNER_TEMP"]),
        fails,
        given=dict,
        environ=environ,
        last_resort=lambda _: {"key": "last"},
    )
    shown = capsys.readouterr().out
    assert f"::warning::{said}" in shown
    assert "key is 'x'" in shown


def test_wrong_inputs_are_reported_before_the_action_runs(environ, capsys) -> None:
    def action(_: Context) -> Result:
        raise AssertionError("must not run")

    assert run(action, environ, {"kee": "x"}) == 1
    assert "unknown input 'kee'" in capsys.readouterr().out


def test_a_bug_is_a_folded_traceback_that_cannot_run_commands_and_exit_code_70(environ, capsys) -> None:
    def action(_: Context) -> Result:
        raise ValueError("\n::set-output name=x::y")

    assert run(action, environ) == 70
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "::group::Traceback"
    assert lines[1].startswith("::stop-commands::")
    assert lines.index("::endgroup::") > lines.index("::set-output name=x::y")
    assert "please report it" in lines[-1]
    assert "please report it" in Path(environ["GITHUB_STEP_SUMMARY"]).read_text()


def test_an_undeclared_output_is_a_bug(environ, capsys) -> None:
    assert run(lambda _: Result({"kye": "x"}), environ) == 70


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_runners_signals_unwind_the_action_and_end_it_with_130(environ, number: int) -> None:
    given_back = []

    def action(_: Context) -> Result:
        try:
            signal.raise_signal(number)
        finally:
            given_back.append(True)
        return Result()

    assert run(action, environ) == 130
    assert given_back == [True]


def test_an_interruption_is_a_keyboard_interrupt_so_that_no_except_clause_swallows_it() -> None:
    assert issubclass(Interrupted, KeyboardInterrupt)
