"""Guards over workflows and action.yml files. Each takes a file's text and returns a list of violations."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

PINNED = re.compile(r"[\w.-]+(/[\w.-]+)+@[0-9a-f]{40} +# v\d\S*")
USES = re.compile(r"^\s*(?:- +)?[\"']?uses[\"']?\s*:\s*(.+?)\s*$", re.MULTILINE)
SHELLCHECK = Path(sys.executable).with_name("shellcheck")
# Values without quotes: $x, $(x), "$@" forgotten, and also those that happen to hold no blank today.
QUOTING = ("SC2046", "SC2048", "SC2068", "SC2086", "SC2206", "SC2207", "SC2248")


def run_blocks(text: str) -> Iterator[tuple[str, str]]:
    """The scripts of a workflow or an action.yml, each with the place where it stands."""
    document: dict[str, Any] = yaml.safe_load(text)
    for owner in [*document.get("jobs", {}).items(), ("runs", document.get("runs", {}))]:
        for number, step in enumerate(owner[1].get("steps", ()), start=1):
            if "run" in step:
                yield f"{owner[0]}, step {number}", step["run"]
            # A scoped `run` of ours is a script just as well.
            if str(step.get("uses", "")).startswith("./") and "run" in step.get("with", {}):
                yield f"{owner[0]}, step {number}, with.run", step["with"]["run"]


def expressions_in_scripts(text: str) -> list[str]:
    """`${{ }}` inside a script: its value would become code."""
    return [f"{where}: ${{{{ }}}} in a script" for where, script in run_blocks(text) if "${{" in script]


def unquoted_values(text: str) -> list[str]:
    """Shell values without quotes, as shellcheck finds them."""
    found = []
    for where, script in run_blocks(text):
        checked = subprocess.run(
            [SHELLCHECK, "--norc", "--shell=bash", "--format=gcc", "--enable=quote-safe-variables", "-"],
            input=script,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert checked.returncode in (0, 1), checked.stderr
        lines = checked.stdout.splitlines()
        found += [f"{where}: {line}" for line in lines if any(f"[{code}]" in line for code in QUOTING)]
    return found


def evicting_group(text: str) -> str:
    """The concurrency group in which a third push of a branch would end the second while it waits; empty: none.

    GitHub keeps one waiting run in a group, whatever `cancel-in-progress` says.
    """
    document: dict[Any, Any] = yaml.safe_load(text)
    triggers = document.get("on", document.get(True, {}))  # YAML 1.1 reads `on` as true
    push = triggers.get("push", {}) if isinstance(triggers, dict) else {}
    group = str((document.get("concurrency") or {}).get("group", ""))
    shared = bool(group) and "github.run_id" not in group and "tags" not in (push or {})
    return group if shared else ""


def unpinned_actions(text: str) -> list[str]:
    """Actions of others that are not named by a commit with its version in a comment."""
    return [
        f"uses: {value}"
        for value in USES.findall(text)
        if not value.lstrip("\"'").startswith("./") and not PINNED.fullmatch(value)
    ]
