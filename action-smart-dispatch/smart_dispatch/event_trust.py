"""Trust in this workflow run's event; only who changes what is asked of the API, and only if it decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actionlib.entrypoint import Context
from actionlib.github_api import pull_request_number
from smart_dispatch.github_requests import Requests
from smart_dispatch.inputs import Settings
from smart_dispatch.trust import Trust, assess

FILE_PAGES = 3  # of a pull request's files: of more, nobody knows all


def trust_in(
    context: Context,
    settings: Settings,
    event: Mapping[str, Any],
    *,
    requests: Requests | None,
) -> Trust:
    """The verdict. Without `requests`, whoever it would depend on what a pull request changes is not trusted.

    The event is of the workflow's own repository, whichever one input `repository` names for other questions.
    """
    repository = context.environ.get("GITHUB_REPOSITORY", "")

    def changed() -> list[str] | None:
        if settings.changed_files:
            return list(settings.changed_files)
        number = pull_request_number(event)
        return _files(requests, f"/repos/{repository}/pulls/{number}/files") if requests and number else None

    return assess(
        context.environ.get("GITHUB_EVENT_NAME", ""),
        event,
        repository=repository,
        rules=settings.trust_rules,
        changed_files=changed,
    )


def _files(requests: Requests, path: str) -> list[str] | None:
    """All names, those before a renaming too; None where they cannot be had whole."""
    names: list[str] = []
    for page in range(1, FILE_PAGES + 1):
        part = requests.get(path, per_page=100, page=page)
        if not isinstance(part, list) or not all(isinstance(one, dict) for one in part):
            requests.note(f"{path}: what the pull request changes is not known")
            return None
        names += [str(one.get(key) or "") for one in part for key in ("filename", "previous_filename")]
        if len(part) < 100:
            return [name for name in names if name]
    return None
