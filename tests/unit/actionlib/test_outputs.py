from __future__ import annotations

import pytest

from actionlib.errors import ActionError
from actionlib.outputs import Outputs


def test_outputs_go_to_the_runners_file_whatever_they_hold(tmp_path, monkeypatch) -> None:
    file = tmp_path / "output"
    file.touch()
    monkeypatch.setenv("GITHUB_OUTPUT", str(file))
    Outputs({"GITHUB_OUTPUT": str(file)}).set_output("text", "a=b\nEOF\n")
    name, *lines = file.read_text().splitlines()
    delimiter = name.removeprefix("text<<")
    assert lines == ["a=b", "EOF", "", delimiter]


def test_a_variable_for_which_the_disk_has_no_room_is_an_error_that_names_it(monkeypatch) -> None:
    monkeypatch.setenv("GITHUB_ENV", "/dev/full")
    with pytest.raises(
        ActionError, match=r"'DISPLAY' cannot be handed on: GITHUB_ENV is '/dev/full'.*No space"
    ):
        Outputs({"GITHUB_ENV": "/dev/full"}).export_variable("DISPLAY", ":99")


def test_at_the_prompt_outputs_are_shown_and_annotations_go_to_standard_error(capsys) -> None:
    out = Outputs({})
    out.set_output("key", "k")
    out.error("wrong")
    shown = capsys.readouterr()
    assert shown.out == "key: k\n"
    assert shown.err == "error: wrong\n"


def test_an_annotation_stays_one_line(capsys) -> None:
    Outputs({"GITHUB_ACTIONS": "true"}).error("50 %\nnext", title="a: b, c")
    assert capsys.readouterr().out == "::error title=a%3A b%2C c::50 %25%0Anext\n"


@pytest.mark.parametrize("text", ["::set-output name=x::y", "::add-mask::secret"])
def test_quoted_text_cannot_act_as_a_workflow_command(capsys, text: str) -> None:
    Outputs({"GITHUB_ACTIONS": "true"}).quote(text)
    first, middle, last = capsys.readouterr().out.splitlines()
    token = first.removeprefix("::stop-commands::")
    assert len(token) >= 16
    assert middle == text
    assert last == f"::{token}::"


def test_two_quotes_use_two_tokens(capsys) -> None:
    out = Outputs({"GITHUB_ACTIONS": "true"})
    out.quote("a")
    out.quote("b")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] != lines[3]


def test_a_group_is_closed_also_after_an_error(capsys) -> None:
    out = Outputs({"GITHUB_ACTIONS": "true"})
    with pytest.raises(ValueError), out.group("Log"):
        raise ValueError
    assert capsys.readouterr().out == "::group::Log\n::endgroup::\n"


def test_quiet_leaves_standard_output_to_the_result(capsys) -> None:
    Outputs({}, quiet=True).say("for people")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "for people\n")
