"""One comment on the pull request for each job, by the real PyGithub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fakes.github_api import BOT, GitHubApi, github_api
from perf_monitor.pr_comment import MAX_CHARACTERS, comment, cut, marker_of

JOB = {"workflow": "CI", "job": "build"}
MARKER = marker_of(JOB)


@pytest.fixture
def api() -> Iterator[GitHubApi]:
    with github_api() as found:
        yield found


@pytest.fixture
def environ(api, tmp_path) -> dict[str, str]:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7}}))
    return {"GITHUB_API_URL": api.url, "GITHUB_REPOSITORY": "octo/repo", "GITHUB_EVENT_PATH": str(event)}


def put(environ: dict[str, str], body: str, **job: str) -> tuple[str, bool]:
    return comment(environ, body, token="t0ken", identity={**JOB, **job})


def test_a_comment_is_written_once_and_updated_afterwards(api, environ):
    said, there = put(environ, "first")
    assert there
    assert "was written" in said
    said, there = put(environ, "second")
    assert there
    assert "was updated" in said
    assert api.bodies(BOT) == [f"{MARKER}\nsecond"]


def test_each_job_has_a_comment_of_its_own(api, environ):
    put(environ, "one")
    put(environ, "two", job="test")
    assert len(api.bodies(BOT)) == 2


def test_it_is_found_behind_more_than_one_page_of_comments(api, environ):
    put(environ, "first")
    mine = next(iter(api.comments))
    for number in range(130):
        api.add_comment(f"talk {number}", login="octocat")
    api.comments[9999] = {**api.comments.pop(mine), "id": 9999}
    api.comments[9999]["url"] = f"{api.url}/repos/octo/repo/issues/comments/9999"
    put(environ, "second")
    assert api.bodies(BOT) == [f"{MARKER}\nsecond"]


def test_a_comment_of_somebody_else_is_never_touched(api, environ):
    api.add_comment(f"{MARKER}\nforged", login="mallory")
    api.add_comment(f"> {MARKER}\nquoted", login=BOT)
    put(environ, "ours")
    assert api.bodies("mallory") == [f"{MARKER}\nforged"]
    assert sorted(api.bodies(BOT)) == sorted([f"> {MARKER}\nquoted", f"{MARKER}\nours"])


def test_with_a_persons_token_only_that_persons_comment_is_ours(api, environ):
    api.login = "octocat"
    api.add_comment(f"{MARKER}\nthe job's own", login=BOT)
    put(environ, "first")
    put(environ, "second")
    assert api.bodies("octocat") == [f"{MARKER}\nsecond"]
    assert api.bodies(BOT) == [f"{MARKER}\nthe job's own"]


def test_two_attempts_at_once_leave_one_comment(api, environ):
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda body: put(environ, body), ["one", "two"]))
    assert all(there for _, there in results)
    assert len(api.bodies(BOT)) == 1


@pytest.mark.parametrize(
    ("method", "status", "words"),
    [("POST", 403, "pull-requests: write"), ("GET", 404, "404"), ("GET", 401, "401"), ("POST", 422, "422")],
)
def test_what_github_refuses_is_said_and_no_error(api, environ, method, status, words):
    api.failures = {method: [status] * 10}
    said, there = put(environ, "text")
    assert not there
    assert words in said


def test_a_server_that_stumbles_once_is_asked_again(api, environ):
    api.failures = {"GET": [502]}
    assert put(environ, "text")[1]


def test_nobody_there_is_said_and_no_error(environ):
    said, there = put({**environ, "GITHUB_API_URL": "http://127.0.0.1:9"}, "text")
    assert not there
    assert "Connection" in said


def test_an_address_that_is_none_is_said_and_no_error(environ):
    said, there = put({**environ, "GITHUB_API_URL": "ftp://x"}, "text")
    assert said.startswith("no comment: GITHUB_API_URL is 'ftp://x'; allowed: http(s)://HOST")
    assert not there


def test_what_is_no_pull_request_gets_no_comment(api, environ, tmp_path):
    (tmp_path / "event.json").write_text(json.dumps({"ref": "refs/heads/main"}))
    assert put(environ, "text") == ("no comment: this is not a pull request", False)
    assert api.requests == []


def test_a_long_report_is_cut_at_a_lines_end(api, environ):
    put(environ, "\n".join(f"line {number}" for number in range(20_000)))
    (body,) = api.bodies(BOT)
    assert len(body) <= MAX_CHARACTERS
    assert body.endswith("*The rest is in the job summary: a comment holds no more.*\n")
    assert body.split("\n\n*The rest")[0].splitlines()[-1].startswith("line ")


def test_a_short_report_is_left_as_it_is():
    assert cut("text", limit=4) == "text"


def test_a_step_comments_and_is_not_failed_by_a_forks_token(monitor, api, environ):
    inputs = {
        "mode": "run",
        "run": "true",
        "sample-interval-seconds": "0.5",
        "comment-pr": "true",
        "token": "t0ken",
    }
    step = monitor(environ=environ, **inputs)
    assert step.exit_code == 0, step.log
    (body,) = api.bodies(BOT)
    assert "### Performance of" in body
    api.failures = {"PATCH": [403] * 10}
    refused = monitor(environ=environ, **inputs)
    assert refused.exit_code == 0
    assert "::notice" in refused.log
    assert "t0ken" not in refused.log
