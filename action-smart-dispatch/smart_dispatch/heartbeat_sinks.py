"""Where heartbeats are published: a commit status, a repository variable, or a file below the state root."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from actionlib.errors import ActionError
from actionlib.github_api import TIMEOUT_SECONDS, connect
from actionlib.state import StateRoot, open_state
from smart_dispatch.github_requests import without_status
from smart_dispatch.heartbeats import Told

if TYPE_CHECKING:
    from github import Github

_STEM = re.compile(r"[^A-Za-z0-9_.-]+")


def host_name() -> str:
    """This host's name, as a part of a path or a status's context."""
    return _STEM.sub("-", socket.gethostname())[:60] or "host"


def to_file(environ: Mapping[str, str], name: str, text: str) -> str:
    """Write `heartbeats/v1/NAME.HOST.json` below the state root, whole or not at all. Returns where."""
    state = open_state(environ)
    path = state.folder("heartbeats", "v1") / f"{name}.{host_name()}.json"
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        draft.write_text(text + "\n", encoding="utf-8")
        draft.chmod(state.file_mode())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ActionError(f"the heartbeat {path} cannot be written: {error.strerror}") from error
    return str(path)


def from_files(environ: Mapping[str, str], name: str) -> list[Told]:
    """Each such file that one whom we trust has written. Raises ActionError, OSError."""
    state = open_state(environ)
    return [
        Told(
            path.name.removeprefix(f"{name}.").removesuffix(".json"),
            path.read_text(encoding="utf-8", errors="replace"),
        )
        for path in sorted((state.path / "heartbeats/v1").glob(f"{name}.*.json"))
        if _is_trusted(state, path)
    ]


def _is_trusted(state: StateRoot, path: Path) -> bool:
    return state.trusts(path.lstat().st_uid) and path.is_file() and not path.is_symlink()


def to_status(
    environ: Mapping[str, str], token: str, repository: str, *, name: str, ref: str, text: str
) -> str:
    """Put a status on the commit of `ref` (empty: the default branch's head). Returns where.

    Its state is always `success`: a host that is ill must not redden a commit. The context names the day, because a
    commit takes no more than 1,000 statuses of one context.
    """
    context = f"{name}/{host_name()}/{datetime.now(UTC):%Y-%m-%d}"

    def publish(client: Github) -> str:
        base = f"/repos/{repository}"
        _, commit = client.requester.requestJsonAndCheck(
            "GET", f"{base}/commits/{quote(ref or 'HEAD')}/status"
        )
        sha = str(commit["sha"])
        given = {"state": "success", "context": context, "description": text}
        client.requester.requestJsonAndCheck("POST", f"{base}/statuses/{sha}", input=given)
        return f"{context} on {sha[:12]}"

    return _ask(environ, token, publish, permission="statuses: write")


def to_variable(environ: Mapping[str, str], token: str, repository: str, *, name: str, text: str) -> str:
    """Set the repository's variable, which is made if it is absent. Returns its name."""

    def publish(client: Github) -> str:
        from github import UnknownObjectException

        base = f"/repos/{repository}/actions/variables"
        given = {"name": name, "value": text}
        try:
            client.requester.requestJsonAndCheck("PATCH", f"{base}/{name}", input=given)
        except UnknownObjectException:
            client.requester.requestJsonAndCheck("POST", base, input=given)
        return f"the variable {name}"

    return _ask(environ, token, publish, permission="variables: write, which the job's own token never has")


def _ask(environ: Mapping[str, str], token: str, work: Callable[[Github], str], *, permission: str) -> str:
    """Talk to GitHub. Raises ActionError that says what is lacking, and never shows the token."""
    from github import GithubException

    client = connect(environ, token=token)
    try:
        return work(client)
    except GithubException as error:
        data: Any = error.data
        said = str(data.get("message", "")) if isinstance(data, dict) else ""
        lacking = f"; the token needs {permission}" if error.status in (401, 403, 404) else ""
        raise ActionError(
            f"the heartbeat is not published: GitHub answered {error.status} {said}{lacking}"
        ) from None
    except Exception as error:  # whatever a proxy's page is to PyGithub: a service must go on
        raise ActionError(
            f"the heartbeat is not published: {without_status(error, TIMEOUT_SECONDS)}"
        ) from None
    finally:
        client.close()
