"""The reusable dispatch workflow run by the real act, against a GitHub on 127.0.0.1."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from e2e.act import ROOT, Act, ActRun, make_repository, rust_options, stand_ins
from fakes.github_actions import GitHubActions
from fakes.github_server import serving
from smart_dispatch.heartbeats import Heartbeat

CALLED = ".github/workflows/smart-dispatch.yml"
CALLER = """
on: [push, pull_request]
permissions:
  actions: read
  contents: read
  statuses: read
  pull-requests: read
jobs:
  dispatch:
    uses: ./.github/workflows/smart-dispatch.yml
    secrets:
      token: ${{ secrets.RUNNERS_TOKEN }}
    with:
      job_name: build
      run: echo "script on $RUNNER_TYPE by $EXECUTION_STRATEGY" >> "$NOTES/script"
      INPUTS
  downstream:
    needs: dispatch
    if: ${{ !cancelled() }}
    runs-on: ${{ fromJSON(needs.dispatch.outputs.execution_runner || '["ubuntu-latest"]') }}
    steps:
      - env:
          RUNNER: ${{ needs.dispatch.outputs.execution_runner }}
          STRATEGY: ${{ needs.dispatch.outputs.strategy }}
          OUTCOME: ${{ needs.dispatch.outputs.execution_outcome }}
          MONITOR: ${{ needs.dispatch.outputs.monitor }}
        run: echo "$STRATEGY $RUNNER $OUTCOME $MONITOR" >> "$NOTES/downstream"
"""
PRIMARY, CLOUD = '["self-hosted", "linux"]', '["ubuntu-latest"]'


@pytest.fixture
def api() -> Iterator[GitHubActions]:
    with serving(GitHubActions()) as found:
        yield found


Run = Callable[..., ActRun]


@pytest.fixture
def dispatched(act: Act, api: GitHubActions, tmp_path: Path) -> Run:
    """Run the caller, with more inputs of the called workflow if any are given."""

    def run(
        *,
        event: str = "push",
        payload: dict | None = None,
        edit: Callable[[str], str] = str,
        caller: str = CALLER,
        secret: str = "RUNNERS_TOKEN=adm1n",
        **inputs: object,
    ) -> ActRun:
        called = (ROOT / CALLED).read_text()
        more = "\n      ".join(f"{name}: {json.dumps(value)}" for name, value in inputs.items())
        files = {".github/workflows/ci.yml": caller.replace("INPUTS", more), CALLED: edit(called)}
        repository = make_repository(tmp_path / "repo", files, with_actions=True)
        (tmp_path / "event.json").write_text(json.dumps(payload or {}))
        return act.run(
            repository,
            "--workflows=.github/workflows/ci.yml",
            f"--eventpath={tmp_path / 'event.json'}",
            f"--env=GITHUB_API_URL={api.url}",
            "--env=GITHUB_REPOSITORY=octo/repo",
            "--secret=GITHUB_TOKEN=t0ken",
            f"--secret={secret}",
            *stand_ins(tmp_path, called),
            event=event,
        )

    return run


def beat(**changed: object) -> str:
    values = {
        "time": time.time(),
        "health_score": 100,
        "load_per_core": 0.1,
        "memory_percent": 30.0,
        "slots": 1,
    }
    return Heartbeat(**{**values, "active_jobs": 0, **changed}).text()


def downstream(act: Act) -> str:
    (line,) = act.note("downstream")
    return line


def test_a_healthy_host_gets_the_job_and_the_callers_own(act: Act, api, dispatched):
    api.add_runner("r1")
    api.add_status("COLDVOX_RUNNER_HEARTBEAT/host", beat())
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
    run = dispatched(heartbeat=beat(health_score=30, load_per_core=3.5))
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


def broken(called: str) -> str:
    """As when its machine dies. (act ends the caller's run then, GitHub does not.)"""
    return re.sub(r"run: mkdir .coldvox-actions.*", "run: exit 1", called)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"fallback_runner": '{"group": "big", "labels": ["ubuntu-latest"]}'},
        {"fallback_runner": "", "enable_fallback": False},
    ],
    ids=["label", "object", "empty"],
)
def test_a_called_dispatch_that_fails_itself_leaves_the_script_its_fallback(act: Act, api, dispatched, given):
    run = dispatched(edit=broken, **given)
    assert run.exit_code != 0
    assert act.note("script") == ["script on cloud by cloud-fallback"], run.log[-3000:]


def test_a_called_dispatch_that_fails_itself_lets_nobody_in_where_it_might_have_refused(
    act: Act, api, dispatched
):
    run = dispatched(edit=broken, untrusted="refuse")
    assert run.exit_code != 0
    assert act.note("script") == [], run.log[-3000:]


def test_each_input_of_the_called_workflow_reaches_the_action():
    called = yaml.safe_load((ROOT / CALLED).read_text())
    given = next(one["with"] for one in called["jobs"]["dispatch"]["steps"] if one.get("id") == "decide")
    handed = {name: value for name, value in given.items() if name not in ("mode", "token")}
    assert handed == {name: f"${{{{ inputs.{name.replace('-', '_')} }}}}" for name in handed}
    declared = {name.replace("_", "-") for name in called[True]["workflow_call"]["inputs"]}
    assert declared - {"run", "dispatcher-runner"} == set(handed)
    assert {"heartbeat-ref", "runner-scope"} <= set(handed)


RUNS_ON = "jobs.dispatch.outputs.runs-on"
OUTPUTS = [  # of the called workflow: which, from what, and what it must be
    ("execution_outcome", {"jobs.execute.outputs.outcome": "failure", "jobs.execute.result": "failure"}, "failure"),
    ("execution_outcome", {"jobs.execute.outputs.outcome": "", "jobs.execute.result": "failure"}, "failure"),
    ("execution_outcome", {"jobs.execute.outputs.outcome": "", "jobs.execute.result": "cancelled"}, "cancelled"),
    ("execution_outcome", {"jobs.execute.outputs.outcome": "", "jobs.execute.result": "skipped"}, "not-executed"),
    ("strategy", {"jobs.dispatch.outputs.strategy": "", "inputs.untrusted": "refuse"}, "refused"),
    ("strategy", {"jobs.dispatch.outputs.strategy": "", "inputs.untrusted": "fallback"}, "cloud-fallback"),
    ("strategy", {"jobs.dispatch.outputs.strategy": "x", "inputs.untrusted": "refuse"}, "x"),
    ("legs", {"jobs.dispatch.outputs.legs": ""}, ""),
    ("execution_runner", {RUNS_ON: "", "inputs.fallback_runner": ""}, CLOUD),
    ("execution_runner", {RUNS_ON: "", "inputs.fallback_runner": "mac"}, '["mac"]'),
    ("execution_runner", {RUNS_ON: "", "inputs.fallback_runner": '["a", "b"]'}, '["a", "b"]'),
    ("execution_runner", {RUNS_ON: "", "inputs.fallback_runner": '{"group": "x"}'}, '{"group": "x"}'),
    ("execution_runner", {RUNS_ON: PRIMARY, "inputs.fallback_runner": "mac"}, PRIMARY),
]  # fmt: skip


def test_what_the_called_workflow_hands_out_without_a_decision_is_valid_and_true(act: Act, tmp_path):
    """Its expressions as act evaluates them, for what act cannot make happen."""
    declared = yaml.safe_load((ROOT / CALLED).read_text())[True]["workflow_call"]["outputs"]
    steps = []
    for number, (name, known, _) in enumerate(OUTPUTS):
        value = declared[name]["value"]
        for context, text in known.items():
            assert context in value
            value = value.replace(context, f"'{text}'")
        run = f'echo "{number}:$VALUE" >> "$NOTES/outputs"'
        steps.append({"run": run, "env": {"VALUE": value}})
    workflow = {"on": "push", "jobs": {"outputs": {"runs-on": "ubuntu-latest", "steps": steps}}}
    repository = make_repository(tmp_path / "repo", {".github/workflows/ci.yml": json.dumps(workflow)})
    run = act.run(repository)
    assert act.note("outputs") == [f"{number}:{one[2]}" for number, one in enumerate(OUTPUTS)], run.log[
        -3000:
    ]


OWN_JOBS = r"""
on: push
jobs:
  dispatch:
    runs-on: ubuntu-latest
    IF
    outputs:
      runs-on: ${{ steps.decide.outputs.runs-on }}
    steps:
      - uses: actions/checkout@v7
      - run: BEFORE
      - id: decide
        uses: ./action-smart-dispatch
        with:
          mode: decide
          job-name: build
          heartbeat: ${{ vars.COLDVOX_RUNNER_HEARTBEAT }}
          token: ${{ github.token }}
          primary-runner: PRIMARY
  downstream:
    needs: dispatch
    if: ${{ !cancelled() }}
    runs-on: ${{ fromJSON(needs.dispatch.outputs.runs-on || '["ubuntu-latest"]') }}
    steps:
      - env:
          RUNNER: ${{ needs.dispatch.outputs.runs-on }}
        run: '[[ $RUNNER == \[* ]] || RUNNER=none; echo "$RUNNER" >> "$NOTES/downstream"'
"""
PLAIN = "needs.dispatch.outputs.runs-on ||"
SKIPPED = f"needs.dispatch.result != 'skipped' && {PLAIN}"


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


OWN_LIST = '[{"leg":"unit"},{"leg":"gui"},{"leg":"docs"}]'
THREE_LEGS = """
    strategy:
      matrix:
        include: ${{ fromJSON(needs.dispatch.outputs.legs || 'OWN') }}
    runs-on: ${{ matrix.runs-on || 'ubuntu-latest' }}
    steps:
      - env:
          LEG: ${{ matrix.leg }} ${{ matrix.runner-class }}
        run: echo "$LEG" >> "$NOTES/legs"
""".replace("OWN", OWN_LIST)


@pytest.mark.parametrize(
    ("changed", "known"),
    [({"BEFORE": "exit 1"}, False), ({"PRIMARY": "self-hosted"}, True)],
    ids=["not reached", "bad input"],
)
def test_a_dispatch_that_fails_loses_no_leg(act: Act, api, tmp_path, changed, known):
    text = OWN_JOBS.partition("  downstream:")[0].replace("IF", "")
    for name, default in {"BEFORE": "true", "PRIMARY": '\'["self-hosted", "linux"]\''}.items():
        text = text.replace(name, changed.get(name, default))
    text = text.replace("outputs:", "outputs:\n      legs: ${{ steps.decide.outputs.legs }}", 1)
    text = text.replace("mode: decide", 'mode: decide\n          legs: \'["unit","gui","docs"]\'')
    text += "  downstream:\n    needs: dispatch\n    if: ${{ !cancelled() }}" + THREE_LEGS
    repository = make_repository(tmp_path / "repo", {".github/workflows/ci.yml": text}, with_actions=True)
    run = act.run(repository, f"--env=GITHUB_API_URL={api.url}", "--env=GITHUB_REPOSITORY=octo/repo")
    assert run.exit_code != 0
    kind = "cloud" if known else ""  # the caller's own list says no more than the names
    expected = sorted(f"{leg} {kind}".strip() for leg in ("unit", "gui", "docs"))
    assert sorted(line.strip() for line in act.note("legs")) == expected, run.log[-3000:]


def test_a_called_dispatch_that_is_lost_loses_no_leg(act: Act, api, dispatched):
    """Its job is let end well, for act ends the caller's run with a called job that fails."""

    def lost(called: str) -> str:
        return called.replace("- id: decide\n        uses", "- id: decide\n        if: false\n        uses")

    caller = CALLER.partition("    runs-on: ${{ fromJSON(needs")[0] + THREE_LEGS
    run = dispatched(edit=lost, caller=caller, legs='["unit","gui","docs"]')
    assert sorted(line.strip() for line in act.note("legs")) == ["docs", "gui", "unit"], run.log[-3000:]


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
