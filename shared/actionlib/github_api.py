"""GitHub's REST API through PyGithub, as an action may use it: bounded waits, few retries, errors for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from actionlib.errors import ActionError

if TYPE_CHECKING:
    from github import Github

TIMEOUT_SECONDS = 15
RETRIES = 2


def connect(
    environ: Mapping[str, str], *, token: str, timeout_seconds: int = TIMEOUT_SECONDS, retries: int = RETRIES
) -> Github:
    """A client for GITHUB_API_URL. Importing PyGithub takes 0.2 s: only who needs it should call this.

    `timeout_seconds` is the longest silence of the server. Raises ActionError for a GITHUB_API_URL that is none.
    """
    url = api_url(environ)
    from github import Auth, Github
    from urllib3 import Retry

    return Github(
        auth=Auth.Token(token),
        base_url=url,
        timeout=timeout_seconds,
        lazy=True,  # what is not looked at is not fetched
        # Not GithubRetry, which sleeps until a rate limit is lifted: an hour, perhaps. Nor is a POST sent twice.
        retry=Retry(
            total=retries,
            backoff_factor=0.5,
            status_forcelist=(500, 502, 503, 504),
            respect_retry_after_header=False,
            raise_on_status=False,
        ),
        seconds_between_requests=0,
        seconds_between_writes=0,
    )


def api_url(environ: Mapping[str, str]) -> str:
    """Where GitHub's API is. Raises ActionError for a GITHUB_API_URL that no request can be made to."""
    url = environ.get("GITHUB_API_URL") or "https://api.github.com"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port beyond 65535, a bracket that is not closed
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise ActionError(
            f"GITHUB_API_URL is '{url[:120]}'; allowed: http(s)://HOST, HOST:PORT and a path",
            hint="For example https://api.github.com, or https://HOST/api/v3; unset it for github.com",
        )
    return url


def read_event(environ: Mapping[str, str]) -> dict[str, Any]:
    """The event that triggered the workflow; empty where it cannot be read."""
    try:
        event = json.loads(Path(environ.get("GITHUB_EVENT_PATH", "")).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


def pull_request_number(event: Mapping[str, Any]) -> int | None:
    """Of the pull request that an event is about; also of a workflow_run's first one, and of a comment on one."""
    run = event.get("workflow_run")
    issue = event.get("issue")
    candidates = [
        event.get("pull_request"),
        *(run.get("pull_requests") or [] if isinstance(run, dict) else []),
        issue if isinstance(issue, dict) and issue.get("pull_request") else None,
    ]
    for one in candidates:
        if isinstance(one, dict) and isinstance(one.get("number"), int):
            return int(one["number"])
    return None
