"""One comment on the pull request for each job, which is written anew and never repeated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from actionlib.errors import ActionError
from actionlib.github_api import connect, pull_request_number, read_event

if TYPE_CHECKING:
    from github import Github
    from github.Issue import Issue
    from github.IssueComment import IssueComment

# GitHub takes 65,536 characters (docs: "Body is too long"); a cut at a line's end and a sentence about it must fit.
MAX_CHARACTERS = 65_000
CUT = "\n\n*The rest is in the job summary: a comment holds no more.*\n"


def comment(
    environ: Mapping[str, str], body: str, *, token: str, identity: Mapping[str, Any]
) -> tuple[str, bool]:
    """Write the comment of the job that `identity` names. Returns a sentence about it, and whether it is there.

    A fork's token may not comment, an API may be down: that is said, and fails nothing.
    """
    number = pull_request_number(read_event(environ))
    if number is None:
        return "no comment: this is not a pull request", False
    repository = environ.get("GITHUB_REPOSITORY", "")
    import requests
    from github import GithubException

    try:
        client = connect(environ, token=token)
    except ActionError as error:
        return f"no comment: {error}", False
    try:
        issue = client.get_repo(repository).get_issue(number)
        return _put(client, issue, marker_of(identity), body), True
    except GithubException as error:
        said = error.data.get("message", "") if isinstance(error.data, dict) else ""
        hint = ""
        if error.status == 403 and "rate limit" not in said:
            hint = " (a fork's token may not; else give the job `pull-requests: write`)"
        return f"no comment: GitHub answered {error.status} {said}{hint}", False
    except requests.exceptions.InvalidHeader:  # its text shows the token
        return "no comment: input 'token' holds what no token can", False
    except requests.RequestException as error:
        return f"no comment: {type(error).__name__}: {error}"[:300], False
    except (TypeError, ValueError, AttributeError, AssertionError, RuntimeError) as error:
        # What PyGithub raises where a proxy's page, or nothing, answers instead of GitHub.
        return f"no comment: {client.requester.base_url} does not answer as GitHub does ({error})"[
            :300
        ], False
    finally:
        client.close()


def marker_of(identity: Mapping[str, Any]) -> str:
    """A line that nobody sees, by which the comment is found again. It counts only as a comment's first line."""
    names = ("workflow", "job")
    text = json.dumps([str(identity.get(name, "")) for name in names])
    return f"<!-- coldvox-actions perf-monitor {hashlib.sha256(text.encode()).hexdigest()[:16]} -->"


def cut(text: str, *, limit: int = MAX_CHARACTERS) -> str:
    """At most `limit` characters, cut at a line's end, with a sentence that says so."""
    if len(text) <= limit:
        return text
    head = text[: limit - len(CUT)]
    return head[: head.rfind("\n")] + CUT


def _put(client: Github, issue: Issue, marker: str, body: str) -> str:
    full = cut(f"{marker}\n{body}")
    login = _own_login(client)
    if earlier := _ours(issue, marker, login):
        earlier[0].edit(full)
        return f"the comment {earlier[0].html_url} was updated"
    made = issue.create_comment(full)
    # Another attempt may have done the same at the same time: the oldest stays.
    oldest = min([*_ours(issue, marker, login), made], key=lambda one: one.id)
    if oldest.id != made.id:
        made.delete()
        oldest.edit(full)
    return f"the comment {oldest.html_url} was written"


def _own_login(client: Github) -> str:
    """Who we are; empty for an app's token (the job's own is one), which may not ask."""
    from github import GithubException

    try:
        return client.get_user().login
    except GithubException as error:
        if error.status in (401, 403, 404):
            return ""
        raise


def _ours(issue: Issue, marker: str, login: str) -> list[IssueComment]:
    """Comments that begin with the marker and are ours, or an app's: nobody else can be one. The oldest first."""
    found = [
        one
        for one in issue.get_comments()
        if (one.body or "").startswith(marker)
        and one.user
        and (one.user.login == login if login else one.user.type == "Bot")
    ]
    return sorted(found, key=lambda one: one.id)
