"""What is left when the dispatch job of the reusable workflow, or of a caller, is lost; by the real act."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from e2e.act import ROOT, Act, make_repository
from e2e.dispatch_workflows import CALLED, CALLER, OWN_JOBS
from fakes.github_actions import CLOUD, PRIMARY


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
