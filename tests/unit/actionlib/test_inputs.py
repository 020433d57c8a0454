from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from actionlib.errors import ActionError
from actionlib.inputs import ActionSpec, Inputs, InputSpec, load_action, parse_json


def inputs(**given: str) -> Inputs:
    specs = {
        "mode": InputSpec("mode", "What to do.", "", required=True),
        "size": InputSpec("size", "How much.", "10", required=False),
        "dry": InputSpec("dry", "Only tell.", "false", required=False),
        "path": InputSpec("path", "Where.", "", required=False),
    }
    return Inputs(ActionSpec("Test", "A test.", specs, {}), {"mode": "save"} | given)


def test_an_empty_value_means_the_default() -> None:
    assert inputs(size="").integer("size", minimum=0, maximum=99) == 10


def test_an_undeclared_input_is_an_error_that_suggests_the_nearest_name() -> None:
    with pytest.raises(ActionError, match=r"unknown input 'sise'\. Did you mean 'size'\?"):
        inputs(sise="3")


def test_a_required_input_that_is_missing_is_named_with_its_description() -> None:
    with pytest.raises(ActionError, match=r"input 'mode' is required\. What to do\."):
        inputs(mode="  ")


@pytest.mark.parametrize("value", ["True", "yes", "1", "on", "TRUE", "truee"])
def test_booleans_are_exactly_true_or_false(value: str) -> None:
    with pytest.raises(ActionError, match=r"input 'dry' is '.*'; allowed: true, false"):
        inputs(dry=value).boolean("dry")


@pytest.mark.parametrize("value", ["-1", "100", "1.5", "ten", "1e3", "0x10", "nan"])
def test_a_whole_number_out_of_range_names_value_and_range(value: str) -> None:
    with pytest.raises(ActionError, match=f"input 'size' is '{value}'; allowed: a whole number from 0 to 99"):
        inputs(size=value).integer("size", minimum=0, maximum=99)


@pytest.mark.parametrize("value", ["-0.1", "inf", "nan", "5 s", "-5"])
def test_a_number_must_be_finite_and_in_range(value: str) -> None:
    with pytest.raises(ActionError, match="allowed: a number from 0 to 100"):
        inputs(size=value).number("size", minimum=0, maximum=100)


def test_lines_are_stripped_and_empty_ones_dropped() -> None:
    assert inputs(path="  a \n\n\tb c\n").lines("path") == ("a", "b c")


def test_a_script_keeps_its_white_space() -> None:
    assert inputs(path="  if true\n    x\n").script("path") == "  if true\n    x\n"
    assert inputs(path=" \n ").script("path") == ""


def test_it_knows_which_inputs_nobody_has_read() -> None:
    some = inputs()
    some.text("mode")
    assert some.unread() == {"size", "dry", "path"}


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "null"])
def test_inputs_that_are_no_json_object_are_an_error(text: str) -> None:
    with pytest.raises(ActionError, match="INPUTS is not"):
        parse_json(text)


def test_json_values_become_the_text_that_a_runner_hands_out() -> None:
    assert parse_json('{"a": true, "b": 3, "c": null, "d": "x"}') == {
        "a": "true",
        "b": "3",
        "c": "",
        "d": "x",
    }


def test_yaml_defaults_become_the_text_that_a_runner_hands_out(tmp_path) -> None:
    (tmp_path / "action.yml").write_text(
        "name: N\ndescription: D\ninputs:\n  a: {description: x, default: true}\n  b: {default: 300}\n  c: {}\n"
    )
    spec = load_action(tmp_path)
    assert [one.default for one in spec.inputs.values()] == ["true", "300", ""]


@pytest.fixture
def prefix(tmp_path, monkeypatch) -> Path:
    """A virtual environment of our own."""
    folder = tmp_path / "environment"
    folder.mkdir()
    monkeypatch.setattr(sys, "prefix", str(folder))
    return folder


ACTION_YML = """\
name: N
description: D
inputs: {a: {default: 5}, b: {required: true}}
outputs: {o: {description: x  y}}
"""


def test_what_an_action_declares_is_kept_and_the_same_the_second_time(prefix, tmp_path):
    (tmp_path / "action.yml").write_text(ACTION_YML)
    parsed = load_action(tmp_path)
    assert len(list(prefix.glob("actions/*.json"))) == 1
    assert load_action(tmp_path) == parsed
    assert parsed.inputs["a"] == InputSpec("a", "", "5", required=False)
    assert parsed.outputs == {"o": "x y"}


def test_an_action_that_has_changed_is_read_anew(prefix, tmp_path):
    (tmp_path / "action.yml").write_text(ACTION_YML)
    load_action(tmp_path)
    (tmp_path / "action.yml").write_text(ACTION_YML.replace("default: 5", "default: 6"))
    assert load_action(tmp_path).inputs["a"].default == "6"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"name": "N"}', '{"inputs": {"a": {"nonsense": 1}}}']
)
def test_a_kept_file_that_is_damaged_is_made_anew(prefix, tmp_path, content):
    (tmp_path / "action.yml").write_text(ACTION_YML)
    parsed = load_action(tmp_path)
    (kept,) = prefix.glob("actions/*.json")
    kept.write_text(content)
    assert load_action(tmp_path) == parsed
    assert json.loads(kept.read_text())["name"] == "N"


def test_an_environment_that_cannot_be_written_costs_nothing_but_time(prefix, tmp_path):
    (tmp_path / "action.yml").write_text(ACTION_YML)
    (prefix / "actions").write_text("a file where a folder should be")
    assert load_action(tmp_path).name == "N"
