"""Programs that are asked a question: what they print, within a time."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

EXIT_TIMED_OUT, EXIT_NOT_STARTED = 124, 127  # as timeout(1) and shells have it


@dataclass(frozen=True, slots=True)
class Answer:
    """How a program ended, and what it wrote to its two streams."""

    exit_code: int
    text: str
    errors: str

    @property
    def why(self) -> str:
        """Why it failed: what it says from its first `error:` on, without the backtrace that rustup adds."""
        begin = max(0, self.errors.find("error:"))
        return self.errors[begin:].partition("\n\nStack backtrace:")[0].strip()[:3000]


def ask(
    command: Sequence[str], *, environ: Mapping[str, str], folder: Path | str = "/", seconds: float
) -> Answer:
    """Run a program in this folder, without input, and end it after so many seconds.

    One that takes longer ends with 124, and one that cannot be started with 127.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(EXIT_TIMED_OUT, "", f"{command[0]} did not end in {seconds:g} s")
    except OSError as error:
        return Answer(EXIT_NOT_STARTED, "", f"{command[0]} cannot be started: {error.strerror}")
    return Answer(done.returncode, done.stdout, done.stderr)
