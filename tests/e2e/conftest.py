from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.act import ACT, ROOT, Act, ActRun, make_repository, stand_ins
from e2e.dispatch_workflows import CALLED, CALLER
from fakes.github_actions import GitHubActions
from fakes.github_server import serving

Run = Callable[..., ActRun]


@pytest.fixture(scope="session")
def act_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not ACT.exists():
        pytest.fail(f"{ACT} is missing: run `make setup`")
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def act(tmp_path: Path, act_home: Path) -> Act:
    return Act(tmp_path, act_home)


@pytest.fixture
def api() -> Iterator[GitHubActions]:
    """GitHub for the dispatcher."""
    with serving(GitHubActions()) as found:
        yield found


@pytest.fixture
def dispatched(act: Act, api: GitHubActions, tmp_path: Path) -> Run:
    """Run the caller of the reusable dispatch workflow, with more inputs of the called workflow if any are given."""

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
