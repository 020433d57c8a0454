"""`decide` as a step, with the real PyGithub against a server that is held to GitHub's description."""

from __future__ import annotations

import json

import pytest

from fakes.github_actions import LABELS
from smart_dispatch.heartbeats import Heartbeat

PRIMARY = '["self-hosted", "linux"]'
CLOUD = '["ubuntu-latest"]'


def beat(**changed: object) -> str:
    """A fresh heartbeat."""
    import time

    values = {"time": time.time(), "health_score": 100, "load": 0.5, "load_per_core": 0.1, "memory_percent": 30.0,
              "disk_percent": 50.0, "slots": 2, "active_jobs": 0, **changed}  # fmt: skip
    return Heartbeat(**values).text()


def history(api, job: str, *, here: float, there: float, runs: int = 2) -> None:
    """Completed runs of a job, on both classes in turn; four in all can be read in one decision."""
    for number in range(runs):
        api.add_job(api.add_run("CI", status="completed", age=90000 - number), job, age=80000, seconds=here)
        run = api.add_run("CI", status="completed", age=89000 - number)
        api.add_job(run, job, age=80000, seconds=there, labels=["ubuntu-latest"], runner="Hosted 1")


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


def test_without_a_heartbeat_the_health_is_unknown_and_the_host_is_watched(api, decide):
    api.add_runner("r1")
    step = decide()
    assert step.outputs["runs-on"] == PRIMARY
    assert step.outputs["strategy"] == "self-hosted-monitored"
    assert step.outputs["monitor"] == "true"
    assert (step.outputs["health-status"], step.outputs["health-score"]) == ("unknown", "")
    assert step.outputs["recommendation"] == "use-fallback"


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


def test_history_tells_how_long_the_job_runs_on_each_class(api, decide):
    api.add_runner("r1")
    history(api, "build", here=1200, there=240)
    step = decide()
    assert step.outputs["runs-on"] == CLOUD
    minutes = json.loads(step.outputs["expected-minutes"])
    assert minutes["self-hosted"] > 13
    assert minutes["cloud"] < 11


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


def test_the_jobs_own_token_sees_runners_through_jobs_and_heartbeats(api, decide):
    api.admin = False
    unknown = decide()
    assert unknown.outputs["runs-on"] == CLOUD
    assert "administration: read" in "\n".join(unknown.warnings)
    run = api.add_run("CI", status="completed", age=900)
    api.add_job(run, "build", age=900, seconds=600)
    seen = decide()
    assert seen.outputs["runs-on"] == PRIMARY
    assert "jobs that ran lately" in seen.summary
    api.add_status("COLDVOX_RUNNER_HEARTBEAT/host", beat(slots=1, active_jobs=1))
    assert "1 online, 1 busy" in decide().summary


def test_a_job_that_waits_beside_a_free_runner_means_that_nobody_takes_it(api, decide):
    api.admin = False
    run = api.add_run("CI", status="completed", age=900)
    api.add_job(run, "build", age=900, seconds=600)
    waiting = api.add_run("CI", age=1200)
    api.add_job(waiting, "build", status="queued", age=1200)
    step = decide()
    assert step.outputs["runs-on"] == CLOUD
    assert "nobody takes them" in step.outputs["reason"]


def test_young_runs_are_expected_to_ask_for_what_such_runs_ask_for(api, decide):
    api.add_runner("r1")
    for _ in range(3):
        api.add_job(api.add_run("CI", status="completed", age=90000), "build", age=80000, seconds=600)
    assert decide().outputs["runs-on"] == PRIMARY
    for _ in range(2):
        api.add_run("CI", age=20)  # their jobs are not there yet
    step = decide()
    assert "2 more expected" in step.summary
    assert step.outputs["runs-on"] == CLOUD


def test_runners_that_fail_again_and_again_are_left_alone(api, decide):
    api.add_runner("r1")

    def lost(age: float) -> None:
        run = api.add_run("CI", status="completed", age=age)
        api.add_job(run, "build", age=age, seconds=10, conclusion="failure", steps=False)

    for age in (400, 300, 200):
        lost(age)
    for history in ("api", "api", "both"):  # also when what was read is remembered
        step = decide(history=history)
        assert step.outputs["runs-on"] == CLOUD
    assert "the last 3 jobs on self-hosted failed with their runner" in step.outputs["reason"]


def test_later_one_job_tries_them_again(api, decide):
    for name in ("r1", "r2"):
        api.add_runner(name)
    for age in (3000, 2500, 2000):
        run = api.add_run("CI", status="completed", age=age)
        api.add_job(run, "build", age=age, seconds=10, conclusion="failure", steps=False)
    legs = json.loads(decide(legs="2").outputs["legs"])
    assert [one["runner-class"] for one in legs] == ["self-hosted", "cloud"]
    assert "one job tries it again" in decide(legs="2").outputs["reason"]


@pytest.mark.parametrize(
    ("policy", "busy", "expected"),
    [("online", True, PRIMARY), ("idle", True, CLOUD), ("idle", False, PRIMARY)],
)
def test_the_simple_policies_look_at_runners_only(api, decide, policy, busy, expected):
    api.add_runner("r1", busy=busy)
    assert decide(policy=policy).outputs["runs-on"] == expected


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


def test_peak_hours_keep_the_host_free(api, decide):
    api.add_runner("r1")
    assert decide().outputs["runs-on"] == PRIMARY  # 5 minutes against 8.5
    history(api, "build", here=470, there=480)
    assert decide().outputs["runs-on"] == PRIMARY
    step = decide(**{"peak-hours": "0-23", "timezone": "Europe/Berlin"})
    assert step.outputs["runs-on"] == CLOUD
    assert "peak hours" in step.summary


def test_what_was_read_once_is_not_asked_for_again(api, decide):
    api.add_runner("r1")
    history(api, "build", here=300, there=400)
    first, second = decide(), decide()
    assert second.facts["requests"] < first.facts["requests"] <= 10
    assert second.outputs["expected-minutes"] == first.outputs["expected-minutes"]


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


def test_a_token_that_may_not_list_runners_need_not_ask(api, decide):
    api.admin = False
    step = decide(**{"runner-scope": "none"})
    assert step.warnings == []
    assert not any("/actions/runners" in request for request in api.requests)


def test_a_token_for_another_repository_is_told_what_it_lacks(api, decide):
    api.faults = {"": 404}
    step = decide()
    assert step.outputs["runs-on"] == CLOUD
    assert "a token that may see this repository" in "\n".join(step.warnings)


def test_no_more_requests_are_made_than_are_told(api, decide):
    api.add_runner("r1")
    api.faults = {"/actions/runs": 502}
    step = decide()
    assert len(api.requests) == step.facts["requests"] <= 10


def test_untrusted_code_is_told_without_a_warning_that_nothing_was_asked(api, decide, event):
    payload = {"pull_request": {"number": 7, "head": {"sha": "a" * 40, "repo": {"full_name": "eve/repo"}}}}
    step = decide(environ=event("pull_request", payload))
    assert step.outputs["trusted"] == "false"
    assert step.warnings == []
    assert api.requests == []
    other = decide(environ=event("pull_request", payload), **{"fallback-runner": '["self-hosted", "apart"]'})
    assert "is self-hosted too" in "\n".join(other.warnings)


def test_names_from_outside_cannot_act_as_workflow_commands(api, decide, event):
    api.add_runner("r1")
    api.files = [".cargo/config\n::error::pwned"]
    payload = {"pull_request": {
        "number": 7, "author_association": "COLLABORATOR", "user": {"login": "ada", "type": "User"},
        "head": {"sha": "a" * 40, "repo": {"full_name": "octo/repo"}},
    }}  # fmt: skip
    step = decide(environ=event("pull_request", payload))
    assert step.outputs["trusted"] == "false"
    stopped = step.log.split("::stop-commands::")[1]
    assert "::error::pwned" not in step.log.replace(stopped, "")


def test_an_input_that_is_not_known_still_leaves_a_runner(dispatch):
    step = dispatch(mode="decide", primary_runners="x")
    assert "unknown input 'primary-runners'" in step.error()
    assert json.loads(step.outputs["runs-on"]) == ["ubuntu-latest"]
    assert json.loads(step.outputs["legs"])[0]["runs-on"] == ["ubuntu-latest"]


def test_a_history_that_others_hold_costs_no_decision(api, decide, state_home):
    import fcntl

    api.add_runner("r1")
    decide()
    with (state_home / "history/v1/dispatch.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        step = decide(**{"deadline-seconds": "2"})
    assert step.outputs["runs-on"] == PRIMARY
    assert "other jobs have held it" in "\n".join(step.warnings)
