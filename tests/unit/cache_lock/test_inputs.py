"""Inputs that are one value for the action and another for the runner or the file system."""

from __future__ import annotations

from pathlib import Path

import pytest

from actionlib.errors import ActionError
from actionlib.inputs import Inputs, load_action
from cache_lock.inputs import Settings, parse

ACTION = load_action(Path(__file__).resolve().parents[3] / "action-cache-lock")


def settings(**given: str) -> Settings:
    values = {"mode": "restore", "key": "k", "path": "p"} | given
    return parse(Inputs(ACTION, {name.replace("_", "-"): value for name, value in values.items()}))


@pytest.mark.parametrize("key", ["a\rb", "a\tb", "a\0b", "a\x1fb", "a\udcffb", "a,", "x" * 513])
def test_a_key_that_a_log_line_or_a_file_name_cannot_hold_is_refused(key):
    with pytest.raises(ActionError, match="input 'key'"):
        settings(key=key)
    with pytest.raises(ActionError, match=r"input 'restore-keys'|input 'key'"):
        settings(restore_keys=f"fine\n{key}" if "\r" not in key else f"fine\n{'x' * 513}")


def test_white_space_around_a_key_is_not_part_of_it():
    assert settings(key=" k \n").key == "k"
    assert settings(restore_keys="\n a-\r\n\n b- \n").restore_keys == ("a-", "b-")


def test_only_line_ends_end_a_line_of_path():
    assert settings(path="form\x0cfeed\nnext\x85line\nsep\u2028x").path == (
        "form\x0cfeed",
        "next\x85line",
        "sep\u2028x",
    )


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("self-hosted, linux", ("self-hosted", "linux")),
        ('["self-hosted","linux"]', ("self-hosted", "linux")),
        ('[\n  "self-hosted",\n  "linux"\n]', ("self-hosted", "linux")),
        ("a\nb  c", ("a", "b", "c")),
        ("", ()),
    ],
)
def test_labels_may_be_a_list_of_any_usual_form(labels, expected):
    assert settings(labels=labels).labels == expected


def test_every_declared_input_is_read():
    given = Inputs(ACTION, {"mode": "status"})
    parse(given)
    assert given.unread() == set()
