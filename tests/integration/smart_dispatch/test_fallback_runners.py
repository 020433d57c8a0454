"""A fallback that is self-hosted too: untrusted code must not reach the primary by way of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FORK = {"pull_request": {"number": 7, "head": {"sha": "a" * 40, "repo": {"full_name": "eve/repo"}}}}
SAME = ["linux", '["self-hosted", "linux"]', '["Self-Hosted"]']


@pytest.mark.parametrize("fallback", SAME)
def test_untrusted_code_is_refused_where_the_fallback_is_the_primary(api, decide, event, fallback):
    api.add_runner("r1")
    fork = event("pull_request", FORK)
    step = decide(environ=fork, fallback_runner=fallback, legs=2)
    message = step.error()
    assert "'fallback-runner'" in message
    assert "'primary-runner'" in message
    assert (step.outputs["strategy"], step.outputs["runs-on"]) == ("refused", '["ubuntu-latest"]')
    assert [one["runs-on"] for one in json.loads(step.outputs["legs"])] == [["ubuntu-latest"]] * 2
    assert decide(environ=fork, fallback_runner=fallback, untrusted="primary").exit_code == 0


@pytest.mark.parametrize("fallback", SAME)
def test_also_where_nothing_could_be_decided(dispatch, fallback):
    lost = dispatch(mode="decide", fallback_runner=fallback, policy="fast")
    assert lost.outputs["runs-on"] == '["ubuntu-latest"]'


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"fallback_runner": "linux", "untrusted": "primary"}, ["linux"]),
        ({"fallback_runner": '["self-hosted", "apart"]'}, ["self-hosted", "apart"]),
        ({"fallback_runner": "linux", "primary_runner": '["self-hosted", "mac"]'}, ["linux"]),
    ],
)
def test_a_fallback_that_is_wanted_so_or_is_apart_stands_without_a_decision(dispatch, given, expected):
    assert json.loads(dispatch(mode="decide", policy="fast", **given).outputs["runs-on"]) == expected


def test_trusted_code_is_told_that_the_fallback_is_the_primary(api, decide):
    step = decide(fallback_runner="linux")
    assert step.exit_code == 0
    assert any("'fallback-runner' is 'linux'" in one for one in step.warnings)
    assert json.loads(step.outputs["legs"])[0]["runner-class"] == "self-hosted"


def test_a_fallback_apart_takes_untrusted_code_and_is_not_called_the_cloud(api, decide, event, tmp_path):
    exported = Path(tmp_path) / "env"
    exported.touch()
    step = decide(
        environ={**event("pull_request", FORK), "GITHUB_ENV": str(exported)},
        fallback_runner='["self-hosted", "apart"]',
    )
    assert step.outputs["strategy"] == "cloud-fallback"
    assert "the fallback, self-hosted, apart" in step.outputs["reason"]
    assert "cloud" not in step.outputs["reason"]
    assert json.loads(step.outputs["legs"])[0]["runner-class"] == "self-hosted"
    assert "self-hosted" in exported.read_text().partition("RUNNER_TYPE")[2]
    assert any("is self-hosted too" in one for one in step.warnings)
