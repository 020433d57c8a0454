"""`decide` as a step, with the real PyGithub against a server that is held to GitHub's description."""

from __future__ import annotations

import json

import pytest

from fakes.github_actions import CLOUD, LABELS, PRIMARY
from fakes.heartbeats import beat


def test_an_idle_runner_and_a_healthy_host_get_the_job(api, decide):
    api.add_runner("r1", labels=["Self-Hosted", "LINUX", "x64"])
    api.add_status("COLDVOX_RUNNER_HEARTBEAT/host/2026-11-25", beat())
    step = decide()
    assert step.exit_code == 0
    assert step.outputs["runs-on"] == step.outputs["execution-runner"] == PRIMARY
    assert step.outputs["strategy"] == "self-hosted-primary"
    assert step.outputs["health-status"] == "healthy"
    assert step.outputs["recommendation"] == "use-self-hosted"
    assert step.outputs["monitor"] == "false"
    assert json.loads(step.outputs["expected-minutes"]) == {"self-hosted": 5.0, "cloud": 8.5}
    assert step.warnings == []
    assert "1 online, 0 busy" in step.summary


@pytest.mark.parametrize("online", [False, None], ids=["offline", "none registered"])
def test_a_runner_that_is_not_there_is_not_waited_for(api, decide, online):
    if online is not None:
        api.add_runner("r1", online=online)
    api.add_runner("other", labels=["self-hosted", "windows"])
    step = decide()
    assert step.outputs["runs-on"] == CLOUD
    assert step.outputs["strategy"] == "cloud-fallback"
    assert "no self-hosted runner with these labels is online" in step.outputs["reason"]


def test_all_pages_of_runners_are_read(api, decide):
    for number in range(150):
        api.add_runner(f"w{number}", labels=["self-hosted", "windows"])
    api.add_runner("last")
    assert decide().outputs["runs-on"] == PRIMARY


def test_runners_of_an_organisation_and_of_one_group_count_if_asked_for(api, decide):
    api.add_runner("elsewhere", online=True)
    api.add_runner("grouped", online=False, group="Rust")
    spec = {"group": "rust", "labels": list(LABELS)}
    step = decide(runner_scope="organization", primary_runner=json.dumps(spec))
    assert step.outputs["runs-on"] == CLOUD
    api.groups["Rust"][0]["status"] = "online"
    step = decide(runner_scope="organization", primary_runner=json.dumps(spec))
    assert json.loads(step.outputs["runs-on"]) == spec


def test_a_queue_that_takes_longer_than_the_cloud_sends_the_job_there(api, decide):
    api.add_runner("r1", busy=True)
    run = api.add_run("CI", age=100)
    api.add_job(run, "build", status="in_progress", age=105)
    waits = json.loads(decide().outputs["expected-minutes"])
    assert waits["self-hosted"] == pytest.approx(5 + (300 - 100) / 60, abs=0.3)
    for number in range(3):
        api.add_job(run, f"test {number}", status="queued", age=30)
    step = decide()
    assert step.outputs["strategy"] == "cloud-fallback"
    assert "less to wait" in step.summary
    assert "3 jobs ahead" in step.summary
    assert decide(**{"cost-factor": "4"}).outputs["runs-on"] == PRIMARY
    assert "max-wait-minutes" in decide(**{"cost-factor": "4", "max-wait-minutes": "10"}).outputs["reason"]


def test_legs_are_split_between_the_slots_and_the_cloud(api, decide):
    for name in ("r1", "r2"):
        api.add_runner(name)
    step = decide(legs=json.dumps(["unit", "gui", "docs", {"os": "linux"}]))
    legs = json.loads(step.outputs["legs"])
    assert [one["leg"] for one in legs] == ["unit", "gui", "docs", {"os": "linux"}]
    assert [one["runner-class"] for one in legs] == ["self-hosted", "self-hosted", "cloud", "cloud"]
    assert legs[0]["runs-on"] == list(LABELS)
    assert "2 of 4 legs are self-hosted" in step.outputs["reason"]
    assert step.outputs["runs-on"] == PRIMARY


@pytest.mark.parametrize(
    ("policy", "busy", "expected"),
    [("online", True, PRIMARY), ("idle", True, CLOUD), ("idle", False, PRIMARY)],
)
def test_the_simple_policies_look_at_runners_only(api, decide, policy, busy, expected):
    api.add_runner("r1", busy=busy)
    assert decide(policy=policy).outputs["runs-on"] == expected


def test_a_decision_of_a_large_repository_takes_ten_requests_and_says_what_it_took_for_granted(api, decide):
    for number in range(100):
        api.add_runner(f"r{number}", busy=number < 90)
    for _ in range(20):
        run = api.add_run("CI", age=700)
        for job in range(10):
            api.add_job(run, f"test {job}", status="queued", age=100)
    api.checked = False
    step = decide()
    assert step.facts["requests"] <= 10
    assert len(api.requests) <= 10
    assert any("20 runs are under way: the jobs of" in text for text in step.warnings)
    queued = next(one["value"] for one in step.facts["evidence"] if one["what"] == "queue")
    assert queued.startswith("200 jobs ahead")


def test_later_steps_of_the_job_find_the_strategy_in_their_environment(api, decide, dispatch, tmp_path):
    api.add_runner("r1")
    exported = tmp_path / "env"
    exported.touch()
    decide(environ={"GITHUB_ENV": str(exported)})
    text = exported.read_text()
    assert "EXECUTION_STRATEGY" in text
    assert "self-hosted-monitored" in text
    assert "RUNNER_TYPE" in text


def test_no_more_requests_are_made_than_are_told(api, decide):
    api.add_runner("r1")
    api.faults = {"/actions/runs": 502}
    step = decide()
    assert len(api.requests) == step.facts["requests"] <= 10


def test_an_input_that_is_not_known_still_leaves_a_runner(dispatch):
    step = dispatch(mode="decide", primary_runners="x")
    assert "unknown input 'primary-runners'" in step.error()
    assert json.loads(step.outputs["runs-on"]) == ["ubuntu-latest"]
    assert json.loads(step.outputs["legs"])[0]["runs-on"] == ["ubuntu-latest"]
