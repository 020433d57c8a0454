"""A GitHub with runners and jobs, and decisions as steps of a job that runs in the cloud."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.github_actions import GitHubActions
from fakes.github_server import serving
from fakes.steps import ActionStarter, StepRun

Decide = Callable[..., StepRun]


@pytest.fixture
def api() -> Iterator[GitHubActions]:
    with serving(GitHubActions()) as found:
        yield found


@pytest.fixture
def event(tmp_path) -> Callable[..., dict[str, str]]:
    """The variables of an event: `event("pull_request", {...})`."""

    def make(name: str, payload: dict[str, Any] | None = None) -> dict[str, str]:
        path = Path(tmp_path) / f"{name}.json"
        path.write_text(json.dumps(payload or {}))
        return {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path)}

    return make


@pytest.fixture
def decide(dispatch: ActionStarter, api: GitHubActions, event) -> Decide:
    """A `decide` step with a token, in a push; every answer must be one that a workflow can use."""

    def run(*, environ: dict[str, str | None] | None = None, **inputs: object) -> StepRun:
        variables = {
            "GITHUB_API_URL": api.url, "GITHUB_REPOSITORY": "octo/repo", "GITHUB_WORKFLOW": "CI",
            "GITHUB_RUN_ID": "77", **event("push", {"before": "b" * 40}),
        }  # fmt: skip
        given = {"job_name": "build", "token": "t0ken", **inputs}
        step = dispatch(mode="decide", environ=variables | (environ or {}), **given)
        assert "Traceback" not in step.log, step.log
        assert "t0ken" not in step.log + json.dumps(dict(step.outputs)) + step.summary
        assert isinstance(json.loads(step.outputs["runs-on"]), list | dict)
        return step

    return run
