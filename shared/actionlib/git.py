"""The checkout's git, also where the checkout belongs to another user than the job."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from actionlib.errors import ActionError

DEADLINE_SECONDS = 300


def run_git(workspace: Path, *arguments: str, why: str, hint: str, check: bool = True) -> bytes:
    """What `git ARGUMENTS` prints in this checkout.

    Raises ActionError, which begins with `why` git is needed, when there is no git, when it does not end in time, and,
    with `check`, when it refuses; that one ends with `hint`.
    """
    # The checkout may belong to another uid than the job (containers, sudo): git would refuse it.
    command = ["git", "-c", f"safe.directory={workspace}", "-C", str(workspace), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=DEADLINE_SECONDS, check=False)
    except FileNotFoundError as error:
        raise ActionError(f"{why} needs git", hint="Install git on the runner") from error
    except subprocess.TimeoutExpired as error:
        raise ActionError(
            f"{why}: git {arguments[0]} did not end in {DEADLINE_SECONDS} s in {workspace}"
        ) from error
    if check and done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        said = said or f"git {' '.join(arguments)} ended with {done.returncode}"
        raise ActionError(f"{why} needs a git checkout in {workspace}: {said}", hint=hint)
    return done.stdout


def split_names(output: bytes) -> list[str]:
    """The paths in the output of a git command with `-z`."""
    return [os.fsdecode(part) for part in output.split(b"\0") if part]
