"""Who is trusted with a self-hosted runner: the rules, and what an input changes of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from actionlib.errors import ActionError

# GitHub's author_association (REST API, CommentAuthorAssociation).
ASSOCIATIONS = (
    "COLLABORATOR", "CONTRIBUTOR", "FIRST_TIMER", "FIRST_TIME_CONTRIBUTOR", "MANNEQUIN", "MEMBER", "NONE", "OWNER",
)  # fmt: skip
SENSITIVE_PATHS = (
    ".github/**",
    "**/build.rs",
    "**/.cargo/config*",
    "**/rust-toolchain*",
    "**/hooks/**",
    "**/.githooks/**",
    "**/.pre-commit-config.yaml",
    "**/Makefile",
    "**/makefile",
    "**/GNUmakefile",
    "**/Cargo.toml",  # may name a build script, and dependencies that have one
    "**/Cargo.lock",
    "**/action.yml",  # what workflows use of this repository
    "**/action.yaml",
    "**/scripts/**",
    "**/*.sh",
    "**/justfile",
    "**/Justfile",
    "**/.justfile",
    "**/CMakeLists.txt",
    "**/.husky/**",
    ".gitmodules",
)


@dataclass(frozen=True, slots=True)
class TrustRules:
    """`associations` are trusted from a fork that is; `privileged` may change sensitive paths, too."""

    forks: bool = False
    first_time: bool = False
    bots: bool = False
    associations: frozenset[str] = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
    privileged: frozenset[str] = frozenset({"OWNER", "MEMBER"})
    sensitive_paths: tuple[str, ...] = SENSITIVE_PATHS
    approval_label: str = "safe-to-run"

    def sensitive(self, files: Iterable[str]) -> list[str]:
        """The files that match a sensitive path."""
        patterns = [re.compile(_as_pattern(one), re.DOTALL) for one in self.sensitive_paths]
        return [name for name in files if any(one.fullmatch(name) for one in patterns)]


def parse_rules(lines: Iterable[str], *, name: str) -> TrustRules:
    """The rules with what the lines `rule=value` of the input called `name` change. Raises ActionError."""
    rules = TrustRules()
    allowed = [one.replace("_", "-") for one in TrustRules.__slots__]
    for line in lines:
        key, equals, value = (part.strip() for part in line.partition("="))
        if key not in allowed or not equals:
            close = difflib.get_close_matches(key, allowed, n=1)
            raise ActionError(
                f"input '{name}' holds '{line}'; allowed: RULE=VALUE with one of {', '.join(allowed)}",
                hint=f"Did you mean '{close[0]}'?" if close else "",
            )
        changed: dict[str, Any] = {key.replace("-", "_"): _value(key, value, line=line, name=name)}
        rules = replace(rules, **changed)
    return rules


def _value(key: str, value: str, *, line: str, name: str) -> object:
    words = tuple(value.replace(",", " ").split())
    if key in ("forks", "first-time", "bots"):
        if value not in ("trusted", "untrusted"):
            raise ActionError(f"input '{name}' holds '{line}'; allowed: {key}=trusted or {key}=untrusted")
        return value == "trusted"
    if key == "sensitive-paths":
        return words
    if key == "approval-label":
        return value
    unknown = [one for one in words if one.upper() not in ASSOCIATIONS]
    if unknown:
        raise ActionError(
            f"input '{name}' holds '{line}': '{unknown[0]}' is no association; allowed: {', '.join(ASSOCIATIONS)}"
        )
    return frozenset(one.upper() for one in words)


def _as_pattern(glob: str) -> str:
    """`**/` is any number of folders, `*` anything within one, `?` one character."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(signs.get(one) or re.escape(one) for one in parts)
