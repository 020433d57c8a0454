"""No value becomes shell code, and nothing of others runs that is not pinned."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract import workflow_rules

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (".github/workflows", "examples/workflows", "examples/coldvox")
WORKFLOWS = sorted(path for folder in FOLDERS for path in ROOT.glob(f"{folder}/*.yml"))
FILES = [*WORKFLOWS, ROOT / "action.yml", *sorted(ROOT.glob("action-*/action.yml"))]

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def workflow(step: str) -> str:
    return f"on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - {step}\n"


def test_the_files_are_found():
    assert {path.name for path in FILES} >= {"check.yml", "cache-lock.yml", "action.yml"}


@every_file
def test_scripts_hold_no_expressions(path):
    assert workflow_rules.expressions_in_scripts(path.read_text()) == []


@every_file
def test_shell_values_are_quoted(path):
    assert workflow_rules.unquoted_values(path.read_text()) == []


@every_file
def test_actions_of_others_are_pinned_with_their_version(path):
    assert workflow_rules.unpinned_actions(path.read_text()) == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_run_evicts_another_that_waits(path):
    assert workflow_rules.evicting_group(path.read_text()) == ""


@pytest.mark.parametrize(
    ("group", "trigger", "evicts"),
    [
        ("ci-${{ github.ref }}", "push", True),
        ("ci-${{ github.ref }}", "{push: {branches: [main]}}", True),
        ("ci-${{ github.event.pull_request.number || github.run_id }}", "push", False),
        ("release-${{ github.ref }}", "{push: {tags: ['v*']}}", False),  # a tag is pushed once
    ],
)
def test_a_group_of_a_branch_evicts(group, trigger, evicts):
    text = f"on: {trigger}\nconcurrency: {{group: '{group}'}}\n"
    assert bool(workflow_rules.evicting_group(text)) is evicts


def test_scripts_are_found_in_jobs_in_actions_and_in_our_scoped_runs():
    steps = "uses: ./action-cache-lock\n        with: {mode: populate, run: make}"
    assert list(workflow_rules.run_blocks(workflow("run: echo"))) == [("build, step 1", "echo")]
    assert list(workflow_rules.run_blocks(workflow(steps))) == [("build, step 1, with.run", "make")]
    action = "runs: {using: composite, steps: [{run: echo}]}"
    assert list(workflow_rules.run_blocks(action)) == [("runs, step 1", "echo")]


@pytest.mark.parametrize(
    "step",
    [
        "run: echo ${{ github.head_ref }}",
        "run: |\n          true\n          echo '${{ inputs.name }}'",
        "uses: ./action-cache-lock\n        with: {mode: populate, run: 'make ${{ inputs.name }}'}",
    ],
)
def test_an_expression_in_a_script_is_a_violation(step):
    assert len(workflow_rules.expressions_in_scripts(workflow(step))) == 1


def test_an_expression_in_env_is_none():
    step = 'run: echo "$NAME"\n        env: {NAME: "${{ github.head_ref }}"}'
    assert workflow_rules.expressions_in_scripts(workflow(step)) == []


@pytest.mark.parametrize(
    "script",
    [
        "echo $NAME",
        "rm -r $(cat list)",
        "for x in $@; do :; done",
        'list=($NAME); echo "${list[@]}"',
        "n=1; echo $n",
    ],
)
def test_a_value_without_quotes_is_a_violation(script):
    assert workflow_rules.unquoted_values(workflow(f"run: |\n          {script}"))


@pytest.mark.parametrize("script", ['echo "$NAME"', "NAME=$OTHER", "[[ $NAME == x ]]", "echo '$NAME'"])
def test_a_quoted_value_is_none(script):
    assert workflow_rules.unquoted_values(workflow(f"run: |\n          {script}")) == []


@pytest.mark.parametrize(
    "uses",
    [
        "actions/checkout@v7",
        "actions/checkout@main # v7.0.1",
        "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1",
        "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # the newest",
        "actions/checkout@3d3c42e # v7.0.1",
        "docker://alpine:3",
    ],
)
def test_an_action_without_commit_or_version_is_a_violation(uses):
    assert workflow_rules.unpinned_actions(workflow(f"uses: {uses}")) == [f"uses: {uses}"]


@pytest.mark.parametrize(
    "uses",
    [
        "./action-cache-lock",
        "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
        "a/b/c@3d3c42e5aac5ba805825da76410c181273ba90b1 # v1",
    ],
)
def test_our_own_and_pinned_actions_are_none(uses):
    assert workflow_rules.unpinned_actions(workflow(f"uses: {uses}")) == []
