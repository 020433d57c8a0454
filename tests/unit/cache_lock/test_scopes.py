from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cache_lock.scopes import HOST_SCOPE, Scope, scopes_for

MAIN = {
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_REF": "refs/heads/main",
}


def refs(environ: dict[str, str]) -> list[str]:
    return [scope.ref for scope in scopes_for(environ, share="repository", workspace=Path("/w"))]


def event(tmp_path: Path, content: object) -> str:
    (tmp_path / "event.json").write_text(json.dumps(content))
    return str(tmp_path / "event.json")


def test_a_pull_request_writes_its_own_scope_and_reads_its_base_and_the_default_branch(tmp_path) -> None:
    path = event(tmp_path, {"repository": {"default_branch": "main"}})
    environ = MAIN | {
        "GITHUB_REF": "refs/pull/5/merge",
        "GITHUB_BASE_REF": "release",
        "GITHUB_EVENT_PATH": path,
    }
    assert refs(environ) == ["refs/pull/5/merge", "refs/heads/release", "refs/heads/main"]


def test_the_main_branch_reads_nothing_but_itself(tmp_path) -> None:
    path = event(tmp_path, {"repository": {"default_branch": "main"}})
    assert refs(MAIN | {"GITHUB_EVENT_PATH": path}) == ["refs/heads/main"]


def test_an_event_that_tells_no_default_branch_is_no_error(tmp_path) -> None:
    for content in ([], {}, {"repository": None}, "x"):
        assert refs(MAIN | {"GITHUB_EVENT_PATH": event(tmp_path, content)}) == ["refs/heads/main"]
    assert refs(MAIN | {"GITHUB_EVENT_PATH": str(tmp_path / "absent")}) == ["refs/heads/main"]


def test_sharing_with_the_host_has_one_scope_for_all() -> None:
    assert scopes_for(MAIN, share="host", workspace=Path("/w")) == (HOST_SCOPE,)


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_two_scopes_never_share_a_folder(repository: str, ref: str, other: str) -> None:
    one, two = Scope("s", repository, ref), Scope("s", other, ref)
    assert (one.folder_parts() == two.folder_parts()) == (repository == other)
    for part in one.folder_parts():
        assert "/" not in part
        assert len(part) < 100
