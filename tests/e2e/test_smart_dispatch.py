"""The reusable dispatch workflow run by the real act, against a GitHub on 127.0.0.1."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from e2e.act import ROOT, Act, make_repository, rust_options
from e2e.dispatch_workflows import OWN_JOBS, PLAIN, SKIPPED
from fakes.github_actions import CLOUD, PRIMARY
from fakes.heartbeats import beat


def downstream(act: Act) -> str:
    (line,) = act.note("downstream")
    return line


def test_a_healthy_host_gets_the_job_and_the_callers_own(act: Act, api, dispatched):
    api.add_runner("r1")
    api.add_status("COLDVOX_RUNNER_HEARTBEAT/host", beat(slots=1))
    run = dispatched()
    assert run.exit_code == 0, run.log[-5000:]
    assert downstream(act) == f"self-hosted-primary {PRIMARY} success false"
    assert act.note("script") == ["script on self-hosted by self-hosted-primary"]
    assert api.requests


def test_the_jobs_own_token_is_not_asked_what_it_can_never_know(act: Act, api, dispatched):
    api.admin = False
    run = dispatched(secret="OTHER=x")
    assert run.exit_code == 0, run.log[-5000:]
    assert any("/actions/runs" in request for request in api.requests)
    assert not any("/actions/runners" in request for request in api.requests)
    assert "administration: read" not in run.log


def test_an_overloaded_host_is_spared(act: Act, api, dispatched):
    api.add_runner("r1")
    run = dispatched(heartbeat=beat(slots=1, health_score=30, load_per_core=3.5))
    assert run.exit_code == 0, run.log[-5000:]
    assert downstream(act) == f"cloud-fallback {CLOUD} success false"
    assert act.note("script") == ["script on cloud by cloud-fallback"]


def test_a_host_that_is_offline_is_not_waited_for(act: Act, api, dispatched):
    api.add_runner("r1", online=False)
    run = dispatched()
    assert run.exit_code == 0, run.log[-5000:]
    assert any("/actions/runners" in request for request in api.requests)
    assert downstream(act) == f"cloud-fallback {CLOUD} success false"


def test_a_pull_request_of_a_fork_runs_in_the_cloud_and_can_be_refused(act: Act, api, dispatched, tmp_path):
    api.add_runner("r1")
    payload = {"pull_request": {
        "number": 7, "author_association": "NONE", "user": {"login": "eve", "type": "User"}, "labels": [],
        "head": {"sha": "a" * 40, "ref": "x", "repo": {"full_name": "eve/repo"}},
        "base": {"ref": "main", "repo": {"full_name": "octo/repo"}},
    }}  # fmt: skip
    run = dispatched(event="pull_request", payload=payload)
    assert run.exit_code == 0, run.log[-5000:]
    assert downstream(act) == f"cloud-fallback {CLOUD} success false"
    assert not any("/actions/runners" in request for request in api.requests)


def test_refused_code_gets_no_runner_and_the_run_fails(act: Act, api, dispatched):
    api.add_runner("r1")
    payload = {"pull_request": {"number": 7, "head": {"sha": "a" * 40, "repo": {"full_name": "eve/repo"}}}}
    run = dispatched(event="pull_request", payload=payload, untrusted="refuse")
    assert run.exit_code != 0
    assert act.note("script") == []
    assert "no runner for this code" in run.log


@pytest.mark.parametrize("fault", [500, "html", "hang"])
def test_a_broken_api_costs_knowledge_and_nothing_else(act: Act, api, dispatched, fault):
    api.add_runner("r1")
    api.faults = {"": fault}
    run = dispatched()
    assert run.exit_code == 0, run.log[-5000:]
    assert downstream(act) == f"cloud-fallback {CLOUD} success false"


@pytest.mark.parametrize(
    ("changed", "expected", "succeeds"),
    [
        ({}, CLOUD, True),  # no vars: a fork has none
        # To act, an output of a skipped job is the text of its expression; to GitHub, it is empty.
        ({"IF": "if: false", PLAIN: SKIPPED}, "none", True),
        ({"BEFORE": "exit 1"}, "none", False),
        ({"PRIMARY": "self-hosted"}, CLOUD, False),  # no JSON array
    ],
    ids=["without vars", "skipped", "failed", "bad input"],
)
def test_the_callers_own_pattern_starts_the_job_whatever_becomes_of_the_decision(
    act: Act, api, tmp_path, changed, expected, succeeds
):
    text = OWN_JOBS
    text = text.replace(PLAIN, changed.get(PLAIN, PLAIN))
    for name, default in {"IF": "", "BEFORE": "true", "PRIMARY": '\'["self-hosted", "linux"]\''}.items():
        text = text.replace(name, changed.get(name, default))
    repository = make_repository(tmp_path / "repo", {".github/workflows/ci.yml": text}, with_actions=True)
    options = (
        f"--env=GITHUB_API_URL={api.url}",
        "--env=GITHUB_REPOSITORY=octo/repo",
        "--secret=GITHUB_TOKEN=t0ken",
    )
    run = act.run(repository, *options)
    assert act.note("downstream") == [expected], run.log[-3000:]
    assert (run.exit_code == 0) is succeeds


@pytest.mark.parametrize("untrusted", ["refuse", "fallback"])
def test_the_callers_own_jobs_do_not_start_for_refused_code(act: Act, api, tmp_path, untrusted):
    text = OWN_JOBS.replace("on: push", "on: pull_request")
    text = text.replace("IF", "").replace("BEFORE", "true").replace("PRIMARY", '\'["self-hosted", "linux"]\'')
    text = text.replace("outputs:", "outputs:\n      strategy: ${{ steps.decide.outputs.strategy }}", 1)
    text = text.replace("mode: decide", f"mode: decide\n          untrusted: {untrusted}")
    text = text.replace(
        "if: ${{ !cancelled() }}",
        "if: ${{ !cancelled() && needs.dispatch.outputs.strategy != 'refused' }}",
    )
    repository = make_repository(tmp_path / "repo", {".github/workflows/ci.yml": text}, with_actions=True)
    payload = {"pull_request": {"number": 7, "head": {"sha": "a" * 40, "repo": {"full_name": "eve/repo"}}}}
    (tmp_path / "event.json").write_text(json.dumps(payload))
    run = act.run(
        repository,
        f"--eventpath={tmp_path / 'event.json'}",
        f"--env=GITHUB_API_URL={api.url}",
        "--env=GITHUB_REPOSITORY=octo/repo",
        "--secret=GITHUB_TOKEN=t0ken",
        event="pull_request",
    )
    refused = untrusted == "refuse"
    assert act.note("downstream") == ([] if refused else [CLOUD]), run.log[-3000:]
    assert (run.exit_code != 0) is refused


def test_the_example_runs_each_leg_where_the_decision_puts_it(act: Act, tmp_path):
    workflow = (ROOT / "examples/workflows/smart-dispatch.yml").read_text()
    repository = make_repository(tmp_path / "repo", {".github/workflows/ci.yml": workflow}, with_actions=True)
    shutil.copytree(
        ROOT / "examples/voice-app",
        repository / "examples/voice-app",
        ignore=shutil.ignore_patterns("target"),
    )
    run = act.run(repository, *rust_options())
    assert run.exit_code == 0, run.log[-5000:]
    assert "cloud-fallback" in run.log
    assert len(re.findall(r"\| test result:", run.log)) >= 2
