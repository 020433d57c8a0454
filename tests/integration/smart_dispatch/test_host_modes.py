"""`health`, `heartbeat`, `record`, `explain` and `simulate` as steps."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fakes.steps import ROOT, poll
from smart_dispatch.dispatch_history import DispatchHistory
from smart_dispatch.heartbeats import MOST_CHARACTERS, parse_heartbeat

REPOSITORY = {"GITHUB_REPOSITORY": "octo/repo", "GITHUB_WORKFLOW": "CI"}


def records(state_home, repository="octo/repo"):
    from actionlib.state import open_state

    return DispatchHistory(open_state({"COLDVOX_ACTIONS_HOME": str(state_home)}), repository).jobs(limit=9999)


def test_health_tells_score_and_recommendation(dispatch):
    step = dispatch(mode="health")
    assert step.exit_code == 0
    assert step.outputs["health-status"] in ("healthy", "degraded", "unhealthy")
    assert 0 <= int(step.outputs["health-score"]) <= 100
    assert float(step.outputs["load-average"]) >= 0
    assert 0 < float(step.outputs["memory-usage"]) < 100


def test_limits_of_ones_own_and_missing_caches_cost_points_and_fail_if_asked(dispatch, tmp_path):
    given = {
        "thresholds": "memory-percent=0,0",
        "cache-paths": str(tmp_path / "none"),
        "network-host": "127.0.0.1:9",
    }
    step = dispatch(mode="health", fail_on="degraded", **given)
    assert step.facts["health-score"] <= 100 - 30 - 15 - 20
    assert step.exit_code == 1
    assert "'fail-on' is 'degraded'" in step.error()
    assert "caches-missing 1 above 0: -15" in step.summary


def test_a_heartbeat_goes_to_a_status_that_is_small_and_green(dispatch, api):
    environ = REPOSITORY | {"GITHUB_API_URL": api.url}
    step = dispatch(mode="heartbeat", token="t0ken", environ=environ)
    assert step.exit_code == 0, step.log
    (status,) = api.statuses["HEAD"]
    assert status["context"].startswith("COLDVOX_RUNNER_HEARTBEAT/")
    assert status["state"] == "success"
    assert len(status["description"]) <= MOST_CHARACTERS
    assert parse_heartbeat(status["description"]).time == pytest.approx(time.time(), abs=30)
    dispatch(mode="heartbeat", token="t0ken", environ=environ)
    assert len({one["context"] for one in api.statuses["HEAD"]}) == 1  # GitHub shows the newest of a context


def test_a_heartbeat_goes_to_a_variable_that_is_made_if_it_is_not_there(dispatch, api):
    for _ in range(2):
        step = dispatch(
            mode="heartbeat", token="t0ken", environ=REPOSITORY | {"GITHUB_API_URL": api.url},
            **{"heartbeat-sink": "variable", "heartbeat-name": "RUNNER"},
        )  # fmt: skip
        assert step.exit_code == 0, step.log
    assert parse_heartbeat(api.variables["RUNNER"])


@pytest.mark.parametrize("sink", ["status", "variable"])
def test_a_heartbeat_that_cannot_be_published_says_what_the_token_lacks(dispatch, api, sink):
    api.faults = {"": 403}
    step = dispatch(
        mode="heartbeat",
        token="t0ken",
        environ=REPOSITORY | {"GITHUB_API_URL": api.url},
        **{"heartbeat-sink": sink},
    )
    lacking = {"status": "statuses: write", "variable": "variables: write"}[sink]
    assert lacking in step.error()
    assert "t0ken" not in step.log


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "'token' is empty"),
        ({"token": "x", "repository": "octo"}, "input 'repository' is 'octo'; allowed: OWNER/NAME"),
        ({"heartbeat-sink": "none"}, "publishes nothing"),
        ({"token": "x", "token-file": "y"}, "are both given"),
        ({"token-file": "/nonexistent"}, "input 'token-file' is '/nonexistent', which cannot be read"),
    ],
)
def test_a_heartbeat_without_what_it_needs_says_so(dispatch, inputs, said):
    assert said in dispatch(mode="heartbeat", environ=REPOSITORY, **inputs).error()


def test_a_heartbeat_in_a_loop_goes_on_until_it_is_stopped_and_survives_a_github_that_is_away(
    dispatch, api, tmp_path
):
    api.faults = {"": 500}
    (tmp_path / "token").write_text("t0ken\n")
    step = dispatch.start(
        mode="heartbeat", loop=True, environ=REPOSITORY | {"GITHUB_API_URL": api.url},
        **{"token-file": str(tmp_path / "token"), "interval-seconds": "1"},
    )  # fmt: skip
    poll(lambda: api.requests)
    api.faults = {}
    poll(lambda: len(api.statuses.get("HEAD", [])) > 1)
    step.signal(signal.SIGTERM)
    assert step.wait().exit_code == 130


def test_a_job_that_is_recorded_is_known_to_the_next_decision(dispatch, state_home):
    step = dispatch(
        mode="record", job_name="build", outcome="success", environ=REPOSITORY, **{"duration-seconds": "123"}
    )
    assert step.exit_code == 0
    (one,) = records(state_home)
    assert (one.job, one.workflow, one.runner_class, one.outcome) == ("build", "CI", "self-hosted", "success")
    assert one.duration_seconds == 123
    decided = dispatch(mode="decide", job_name="build", environ=REPOSITORY)
    assert "1 run" in decided.summary


def test_as_a_last_step_it_knows_class_outcome_and_duration_by_itself(dispatch, state_home):
    environ = REPOSITORY | {
        "RUNNER_ENVIRONMENT": "github-hosted",
        "JOB_STATUS": "failure",
        "GITHUB_RUN_ID": "5",
    }
    for _ in range(2):  # a run of a job counts once
        assert dispatch(mode="record", job_name="build", environ=environ).exit_code == 0
    (one,) = records(state_home)
    assert (one.runner_class, one.outcome, one.key) == ("cloud", "failure", "5/1/build")
    assert 0 <= one.duration_seconds < 60


def test_the_source_documents_history_is_taken_over_once(dispatch, workspace, state_home):
    half = {
        "total_runs": 10,
        "successful_runs": 5,
        "total_duration": 900,
        "success_rate": 50,
        "avg_duration": 90.5,
    }
    (workspace / "history.json").write_text(json.dumps({"self_hosted": half, "cloud": {"total_runs": 0}}))
    given = {"job_name": "build", "environ": REPOSITORY, "history-file": "history.json"}
    decided = dispatch(mode="decide", **given)
    assert any(
        one["what"] == "self-hosted run" and "10 runs" in one["source"] for one in decided.facts["evidence"]
    )
    step = dispatch(mode="record", **given, **{"duration-seconds": "90"})
    assert step.facts["migrated"] == 1
    other = {**given, "environ": REPOSITORY | {"GITHUB_RUN_ID": "2"}}
    assert dispatch(mode="record", **other, **{"duration-seconds": "90"}).facts["migrated"] == 0
    (workspace / "history.json").unlink()
    decided = dispatch(mode="decide", job_name="build", environ=REPOSITORY)
    assert any("12 runs" in one["source"] for one in decided.facts["evidence"])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"self_hosted": {"total_runs": "many"}}', '{"cloud": 3}'])
def test_a_file_that_is_no_such_history_is_told(dispatch, workspace, text):
    (workspace / "history.json").write_text(text)
    step = dispatch(mode="record", job_name="build", environ=REPOSITORY, **{"history-file": "history.json"})
    assert "which is no job history" in step.error()


def test_fifty_records_at_once_with_kills_lose_none_that_was_finished(dispatch, state_home):
    started = [
        dispatch.start(
            mode="record", job_name=f"job {number}", environ=REPOSITORY | {"GITHUB_RUN_ID": str(number)},
            **{"duration-seconds": "1"},
        )
        for number in range(50)
    ]  # fmt: skip
    for step in started[::5]:
        time.sleep(0.05)
        step.kill()
    done = {number for number, step in enumerate(started) if number % 5 and step.wait().exit_code == 0}
    assert len(done) == 40
    kept = {one.job for one in records(state_home)}
    assert kept >= {f"job {number}" for number in done}
    with sqlite3.connect(state_home / "history/v1/dispatch.sqlite3") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_a_damaged_history_is_put_aside_and_a_full_disk_costs_no_job(dispatch, state_home, mount_tmpfs):
    folder = mount_tmpfs(state_home, 1)
    with (folder / "fill").open("wb") as file:
        try:
            while True:
                file.write(b"x" * 65536)
                file.flush()
        except OSError:
            pass
    step = dispatch(mode="record", job_name="build", environ=REPOSITORY, **{"duration-seconds": "1"})
    assert step.exit_code == 0
    assert "the job is not recorded" in step.log
    (folder / "fill").unlink()
    (folder / "history/v1").mkdir(parents=True, exist_ok=True)
    (folder / "history/v1/dispatch.sqlite3").write_bytes(b"no database" * 100)
    step = dispatch(mode="record", job_name="build", environ=REPOSITORY, **{"duration-seconds": "1"})
    assert "was damaged" in step.log
    assert [one.job for one in records(state_home)] == ["build"]


def test_the_last_decision_is_explained_in_words(dispatch, tmp_path):
    assert "no decision was made on this host" in dispatch(mode="explain").error()
    decided = dispatch(mode="decide", job_name="build", environ=REPOSITORY)
    told = dispatch(mode="explain")
    assert "nothing tells that a self-hosted runner is online" in told.log
    assert told.outputs["strategy"] == decided.outputs["strategy"]
    elsewhere = dispatch(
        mode="explain",
        environ={"COLDVOX_ACTIONS_HOME": str(tmp_path / "other")},
        **{"decision-file": decided.outputs["json-file"]},
    )
    assert elsewhere.outputs["reason"] == decided.outputs["reason"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"strategy": 1}'])
def test_a_file_that_is_no_decision_is_told(dispatch, workspace, text):
    (workspace / "d.json").write_text(text)
    assert "decision-file" in dispatch(mode="explain", **{"decision-file": "d.json"}).error()


def test_a_trace_is_replayed_under_every_policy_and_can_be_kept(dispatch, workspace):
    made = dispatch(mode="simulate", jobs=200, **{"trace-file": "trace.csv"})
    assert made.exit_code == 0
    names = {"always self-hosted", "clairvoyant", "expected-time", "score", "online", "idle"}
    assert set(made.facts["policies"]) == names
    again = dispatch(mode="simulate", trace="trace.csv")
    assert again.facts["jobs"] == 200
    for name in names:
        assert again.facts["policies"][name]["p95-minutes"] == pytest.approx(
            made.facts["policies"][name]["p95-minutes"], rel=0.01
        )
    assert "p95 minutes" in made.summary


BAD = [
    (
        {"primary-runner": "self-hosted"},
        "input 'primary-runner' is 'self-hosted'; allowed: a JSON array of labels",
    ),
    ({"primary-runner": "[]"}, "input 'primary-runner' is '[]'"),
    ({"fallback-runner": " "}, "input 'fallback-runner' is empty, and 'enable-fallback' is 'true'"),
    ({"fallback-runner": "[1]"}, "input 'fallback-runner' is '[1]'"),
    ({"thresholds": "load-per-core=-1"}, "input 'thresholds' holds 'load-per-core=-1'"),
    ({"thresholds": "oom-kills=1"}, "no part of the health score"),
    ({"policy": "best"}, "input 'policy' is 'best'; allowed: expected-time, score, online, idle"),
    ({"cost-factor": "-1"}, "input 'cost-factor' is '-1'"),
    ({"legs": "0"}, "input 'legs' is '0'"),
    ({"legs": "[]"}, "input 'legs' is '[]'"),
    ({"legs": "a,b"}, "input 'legs' is 'a,b'"),
    ({"peak-hours": "9-25"}, "input 'peak-hours' is '9-25'"),
    ({"timezone": "Mars/Base"}, "input 'timezone' is 'Mars/Base'"),
    ({"deadline-seconds": "0"}, "input 'deadline-seconds' is '0'"),
    ({"trust-rules": "fork=trusted"}, "Did you mean 'forks'?"),
    ({"heartbeat-name": "a b"}, "input 'heartbeat-name' is 'a b'"),
    ({"mode": "decice"}, "Did you mean 'decide'?"),
]


@pytest.mark.parametrize(("inputs", "said"), BAD, ids=[str(inputs) for inputs, _ in BAD])
def test_a_wrong_input_is_named_and_still_leaves_a_runner(dispatch, inputs, said):
    step = dispatch(**{"mode": "decide", **inputs})
    assert said in step.error()
    if inputs.get("mode") is None:
        assert json.loads(step.outputs["runs-on"]) == ["ubuntu-latest"]


def test_a_record_needs_a_name_and_at_the_prompt_a_duration(dispatch, home, state_home):
    assert "input 'job-name' is empty" in dispatch(mode="record").error()
    command = [sys.executable, str(ROOT / "shared/coldvox_actions.py"), "smart-dispatch", "--mode", "record"]
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "COLDVOX_ACTIONS_HOME": str(state_home)}
    done = subprocess.run(
        [*command, "--job-name", "x", "--outcome", "success"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "input 'duration-seconds' is empty" in done.stderr
    assert not Path(state_home / "history").exists()
