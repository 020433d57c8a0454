"""What `runs-on` may be, and which runners have it."""

from __future__ import annotations

import json

import pytest

from actionlib.errors import ActionError
from smart_dispatch.runner_labels import parse_labels


@pytest.mark.parametrize(
    ("text", "plain", "expected"),
    [
        ('["self-hosted", "Linux"]', False, ["self-hosted", "Linux"]),
        ("ubuntu-latest", True, ["ubuntu-latest"]),
        ('"ubuntu-latest"', True, ["ubuntu-latest"]),
        ('["ubuntu-latest"]', True, ["ubuntu-latest"]),
        ('{"group": "big"}', False, {"group": "big"}),
        ('{"group": "big", "labels": "gpu"}', False, {"group": "big", "labels": ["gpu"]}),
    ],
)
def test_all_forms_of_github_become_json_for_fromjson(text, plain, expected):
    assert json.loads(parse_labels(text, name="x", plain=plain).as_json()) == expected


@pytest.mark.parametrize(
    "text",
    ["", "self-hosted", "[", "[]", "[1]", '[""]', '["a b"]', '{"labels": ["x"]}', '{"group": ""}',
     '{"group": "x", "os": "y"}', "null", '["a\\nb"]'],
)  # fmt: skip
def test_anything_else_is_refused_with_the_value_and_an_example(text):
    with pytest.raises(ActionError) as caught:
        parse_labels(text, name="primary-runner", plain=False)
    assert f"input 'primary-runner' is '{text}'" in str(caught.value)
    assert '["self-hosted", "linux"]' in str(caught.value)


def test_case_does_not_matter_and_every_label_does():
    wanted = parse_labels('["Self-Hosted", "GPU"]', name="x", plain=False)
    assert wanted.are_met_by(["self-hosted", "linux", "gpu"])
    assert not wanted.are_met_by(["self-hosted", "linux"])
