"""Addresses, tokens and answers that no request can use: each is told once, and by its name."""

from __future__ import annotations

import signal
import time

import pytest

from fakes.steps import poll
from smart_dispatch.heartbeats import Heartbeat

ADDRESSES = ["ftp://x", "127.0.0.1", "http://[::1", "http://127.0.0.1:99999", "http://", "http://x y"]
TOKENS = {"line break": "ab\ns3cr3t", "not ASCII": "€s3cr3t", "blank": "a s3cr3t", "control": "\x01s3cr3t"}


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_that_is_none_is_named_once(dispatch, decide, url):
    given = {"GITHUB_API_URL": url, "GITHUB_REPOSITORY": "octo/repo"}
    step = dispatch(mode="heartbeat", token="t0ken", environ=given)
    assert f"GITHUB_API_URL is '{url}'; allowed: http(s)://HOST" in step.error()
    decided = decide(environ=given)
    assert [f"GITHUB_API_URL is '{url}'" in one for one in decided.warnings] == [True]


@pytest.mark.parametrize("token", TOKENS.values(), ids=list(TOKENS))
def test_a_token_that_is_none_is_told_once_and_never_shown(dispatch, decide, api, tmp_path, token):
    path = tmp_path / "file"
    path.write_text(token, encoding="utf-8")
    given = {"token": "", "token-file": str(path)}
    step = dispatch(
        mode="heartbeat", environ={"GITHUB_API_URL": api.url, "GITHUB_REPOSITORY": "octo/repo"}, **given
    )
    assert f"input 'token-file' is '{path}', which holds what no token can" in step.error()
    decided = decide(**given)
    assert ["holds what no token can" in one for one in decided.warnings] == [True]
    for log in (step.log, decided.log):
        assert "s3cr3t" not in log
    assert api.requests == []


@pytest.mark.parametrize(("text", "said"), [("", "which is empty"), (None, "which cannot be read")])
def test_without_a_token_what_is_known_without_github_still_counts(decide, dispatch, tmp_path, text, said):
    path = tmp_path / "file"
    if text is not None:
        path.write_text(text)
    beat = Heartbeat(time.time(), 100, load_per_core=0.1, slots=1, active_jobs=0).text()
    step = decide(token="", heartbeat=beat, **{"token-file": str(path)})
    assert step.outputs["strategy"] == "self-hosted-primary"
    assert [f"input 'token-file' is '{path}', {said}" in one for one in step.warnings] == [True]
    told = dispatch(mode="heartbeat", environ={"GITHUB_REPOSITORY": "octo/repo"}, **{"token-file": str(path)})
    assert f"input 'token-file' is '{path}', {said}" in told.error()


def test_silence_and_a_repository_that_has_moved_are_told_in_words(decide, api):
    api.faults = {"/actions/runs": "hang"}
    told = "\n".join(decide(**{"deadline-seconds": "3"}).warnings)
    assert "/actions/runs: there was no answer within 2 s" in told
    api.faults = {}

    def moved(*_: object) -> tuple[int, object, dict[str, str]]:
        return 301, {}, {"Location": "http://elsewhere.invalid/x"}

    api.answer = moved
    (told,) = decide().warnings
    assert "is the repository renamed? Set 'repository'" in told
    assert "Error" not in told


@pytest.mark.parametrize("fault", ["list", "html", 404])
def test_a_heartbeat_in_a_loop_outlives_whatever_answers(dispatch, api, fault):
    api.checked = False
    api.faults = {"variables": fault}
    step = dispatch.start(
        mode="heartbeat", loop=True, token="t0ken",
        environ={"GITHUB_API_URL": api.url, "GITHUB_REPOSITORY": "octo/repo"},
        **{"interval-seconds": "1", "heartbeat-sink": "variable"},
    )  # fmt: skip
    poll(lambda: api.requests)
    api.faults = {}
    poll(lambda: api.variables)
    step.signal(signal.SIGTERM)
    ended = step.wait()
    assert ended.exit_code == 130
    assert "the heartbeat is not published" in "\n".join(ended.warnings)


def test_the_jobs_own_token_is_not_asked_for_runners_unless_that_is_wanted(decide, api):
    api.admin = False
    own = {"JOB_TOKEN": "true"}
    step = decide(environ=own)
    assert step.warnings == []
    assert api.requests
    assert not any("/actions/runners" in request for request in api.requests)
    assert "administration: read" in "\n".join(decide(environ=own, runner_scope="repository").warnings)
    assert "administration: read" in "\n".join(decide(environ={"JOB_TOKEN": "false"}).warnings)


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in {
        "repository": ("../..", "octo/..", "./x", "octo", "a/b/c"),
        "heartbeat-ref": ("a b", "x/../y", "a?b", "-x", "/x", "a\nb"),
    }.items() for value in values],
)  # fmt: skip
def test_a_name_that_would_be_another_path_of_the_api_is_refused(dispatch, name, value):
    assert f"input '{name}' is '{value}'; allowed:" in dispatch(mode="decide", **{name: value}).error()


def test_a_branch_with_a_slash_carries_a_heartbeat(decide, api):
    decide(**{"heartbeat-ref": "ops/heart#1"})
    assert any("/commits/ops/heart%231/statuses" in one for one in api.requests)
    api.violations.clear()  # the fake knows refs of one part
