"""What is left for the jobs that wait when a decision fails: each leg on the fallback, or the caller's own list."""

from __future__ import annotations

import json

import pytest

LEGS = '["unit","gui",{"os":"x"}]'


@pytest.mark.parametrize(
    "wrong", [{"policy": "fast"}, {"primary_runners": "x"}, {"deadline-seconds": "0"}], ids=str
)
def test_every_leg_gets_the_fallback(dispatch, wrong):
    step = dispatch(mode="decide", legs=LEGS, fallback_runner="ubuntu-24.04", **wrong)
    assert step.exit_code == 1
    legs = json.loads(step.outputs["legs"])
    assert [one["leg"] for one in legs] == json.loads(LEGS)
    assert all(one["runs-on"] == ["ubuntu-24.04"] and one["runner-class"] == "cloud" for one in legs)


@pytest.mark.parametrize("legs", ["a,b", "[]", '["a",NaN]', "257"])
def test_legs_that_cannot_be_read_are_left_to_the_caller(dispatch, legs):
    step = dispatch(mode="decide", legs=legs)
    assert "input 'legs' is" in step.error()
    assert step.outputs["legs"] == ""
    assert json.loads(step.outputs["runs-on"]) == ["ubuntu-latest"]


def test_without_legs_there_is_one_without_a_name(dispatch):
    step = dispatch(mode="decide", policy="fast")
    assert [one["leg"] for one in json.loads(step.outputs["legs"])] == [""]
