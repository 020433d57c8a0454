"""`decide` by the health that a host tells of itself, wherever its heartbeat is found."""

from __future__ import annotations

import pytest

from fakes.github_actions import CLOUD, PRIMARY
from fakes.heartbeats import beat


def test_without_a_heartbeat_the_health_is_unknown_and_the_host_is_watched(api, decide):
    api.add_runner("r1")
    step = decide()
    assert step.outputs["runs-on"] == PRIMARY
    assert step.outputs["strategy"] == "self-hosted-monitored"
    assert step.outputs["monitor"] == "true"
    assert (step.outputs["health-status"], step.outputs["health-score"]) == ("unknown", "")
    assert step.outputs["recommendation"] == "use-fallback"


def test_an_overloaded_host_is_spared(api, decide):
    api.add_runner("r1")
    api.add_status(
        "COLDVOX_RUNNER_HEARTBEAT/host", beat(health_score=30, load_per_core=3.0, memory_percent=60.0)
    )
    step = decide()
    assert step.outputs["runs-on"] == CLOUD
    assert step.outputs["health-status"] == "unhealthy"
    assert step.outputs["recommendation"] == "use-fallback"


def test_a_degraded_host_is_used_and_watched(api, decide):
    api.add_runner("r1")
    api.add_status("COLDVOX_RUNNER_HEARTBEAT/host", beat(health_score=60))
    assert decide().outputs["strategy"] == "self-hosted-monitored"


def test_an_old_heartbeat_says_nothing(api, decide):
    import time

    api.add_runner("r1")
    api.add_status("COLDVOX_RUNNER_HEARTBEAT/host", beat(health_score=10, time=time.time() - 3600))
    step = decide()
    assert step.outputs["health-status"] == "unknown"
    assert "60 minutes old" in step.summary


@pytest.mark.parametrize("text", ["rubbish", "[]", '{"v": 2}', '{"v": 1, "h": 3}'])
def test_a_heartbeat_that_is_none_is_a_warning_with_its_name_and_value(api, decide, text):
    step = decide(heartbeat=text)
    assert step.exit_code == 0
    assert any(f"input heartbeat is '{text}', and it cannot be read" in one for one in step.warnings)
    assert any("allowed: what `mode: heartbeat` tells" in one for one in step.warnings)


def test_a_heartbeat_that_counts_no_runner_service_says_so(api, decide):
    api.faults = {"/actions/runners": 403}
    step = decide(heartbeat=beat(slots=None))
    assert any("counts no runner service on its host" in one for one in step.warnings)
    assert not any("counts no runner" in one for one in decide(heartbeat=beat()).warnings)


def test_after_a_push_the_heartbeat_is_found_on_the_commit_before(api, decide):
    api.add_runner("r1")
    api.add_status("COLDVOX_RUNNER_HEARTBEAT/host", beat(), sha="b" * 40)
    assert decide().outputs["health-status"] == "healthy"


@pytest.mark.parametrize(
    ("score", "fallback", "strategy", "runs_on"),
    [
        (75, True, "self-hosted-primary", PRIMARY),
        (74, True, "self-hosted-monitored", PRIMARY),
        (49, True, "cloud-fallback", CLOUD),
        (49, False, "force-self-hosted", PRIMARY),
        (None, True, "cloud-fallback", CLOUD),
        (None, False, "force-self-hosted", PRIMARY),
        (60, False, "self-hosted-monitored", PRIMARY),
    ],
)
def test_the_score_policy_is_the_source_documents_matrix(api, decide, score, fallback, strategy, runs_on):
    api.add_runner("r1")
    if score is not None:
        api.add_status("COLDVOX_RUNNER_HEARTBEAT/host", beat(health_score=score))
    step = decide(policy="score", enable_fallback=fallback)
    assert (step.outputs["strategy"], step.outputs["runs-on"]) == (strategy, runs_on)


def test_a_heartbeat_can_be_handed_over_or_be_a_variable_or_a_file(api, decide, dispatch):
    api.add_runner("r1")
    assert decide(heartbeat=beat()).outputs["health-score"] == "100"
    api.variables["COLDVOX_RUNNER_HEARTBEAT"] = beat(health_score=88)
    assert decide(**{"heartbeat-sink": "variable"}).outputs["health-score"] == "88"
    assert dispatch(mode="heartbeat", **{"heartbeat-sink": "file"}).exit_code == 0
    assert decide(**{"heartbeat-sink": "file"}).outputs["health-status"] != "unknown"
    assert decide(heartbeat="{broken").outputs["health-status"] == "unknown"
