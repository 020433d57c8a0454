"""Who may see an entry: server, repository and ref, as GitHub's own cache scopes them.

A ref writes its own scope, and reads its own, its base's and the default branch's: a pull request from a
fork cannot put anything where the main branch would find it.
(Rule: GitHub documentation, "Dependency caching", section "Restrictions for accessing a cache".)
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Scope:
    """One compartment of the store."""

    server: str
    repository: str
    ref: str

    def folder_parts(self) -> tuple[str, str]:
        """Two folder names: readable, and unique by a digest."""
        return _folder_name(f"{self.server}/{self.repository}", self.repository), _folder_name(
            self.ref, self.ref
        )

    def label(self) -> str:
        """For people."""
        return "host" if self == HOST_SCOPE else f"{self.repository}@{self.ref}"


HOST_SCOPE = Scope(server="host", repository="host", ref="host")


def _folder_name(identity: str, readable: str) -> str:
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", readable)[-40:].strip("-")
    return f"{slug}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


def scopes_for(environ: Mapping[str, str], *, share: str, workspace: Path) -> tuple[Scope, ...]:
    """Scopes to read, in order; the first one is the one to write."""
    if share == "host":
        return (HOST_SCOPE,)
    server = environ.get("GITHUB_SERVER_URL", "local")
    repository = environ.get("GITHUB_REPOSITORY") or str(workspace)
    refs = [environ.get("GITHUB_REF") or "local"]
    if base := environ.get("GITHUB_BASE_REF"):
        refs.append(f"refs/heads/{base}")
    if default := _default_branch(environ.get("GITHUB_EVENT_PATH", "")):
        refs.append(f"refs/heads/{default}")
    return tuple(Scope(server, repository, ref) for ref in dict.fromkeys(refs))


def _default_branch(event_path: str) -> str:
    try:
        event = json.loads(Path(event_path).read_text(encoding="utf-8")) if event_path else {}
        return str(event["repository"]["default_branch"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
