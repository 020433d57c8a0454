"""What an action hands to the workflow: outputs, environment, annotations, log groups.

All of it goes through actions_toolkit's `file_command` and `command` modules, which import in a few
milliseconds (its `core` module costs about 100 ms, because it imports requests).
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from actions_toolkit.command import issue, issue_command
from actions_toolkit.file_command import issue_file_command, prepare_key_value_message

from actionlib.errors import ActionError


class Outputs:
    """The runner's side of a step. Away from a runner (at the prompt) the same things are shown for people."""

    def __init__(self, environ: Mapping[str, str], *, quiet: bool = False) -> None:
        """`quiet` keeps what is meant for people away from standard output (at the prompt only)."""
        files = {kind: environ.get(f"GITHUB_{kind}", "") for kind in ("OUTPUT", "ENV")}
        self._files = {kind: path for kind, path in files.items() if path}
        self._log = sys.stderr if quiet else sys.stdout
        self._on_runner = environ.get("GITHUB_ACTIONS") == "true"

    @property
    def at_prompt(self) -> bool:
        """Whether nothing takes outputs, and they are shown to a person instead."""
        return "OUTPUT" not in self._files

    def set_output(self, name: str, value: str) -> None:
        """Set one output of the step. Raises `ActionError` where its file cannot be written."""
        if "OUTPUT" in self._files:
            self._append("OUTPUT", name, value)
        elif value:
            self.say(f"{name}: {value}")

    def export_variable(self, name: str, value: str) -> None:
        """Set a variable for the job's later steps. Raises `ActionError` where its file cannot be written."""
        if "ENV" in self._files:
            self._append("ENV", name, value)
        else:
            self.say(f"export {name}={value}")

    def _append(self, kind: str, name: str, value: str) -> None:
        try:
            issue_file_command(kind, prepare_key_value_message(name, value))
        except OSError as error:  # later steps must not go on with a value that is missing
            raise ActionError(
                f"{name!r} cannot be handed on: GITHUB_{kind} is {self._files[kind]!r}, which cannot be written:"
                f" {error.strerror}",
                hint="Free space on that disk, or look at its permissions",
            ) from error

    def say(self, text: str) -> None:
        """One line in the log, flushed: people watch it live."""
        try:
            self._log.write(f"{text}\n")
            self._log.flush()
        except OSError:  # `… | head`, a full disk: what the action does must not depend on who reads its log
            with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
                os.dup2(nowhere.fileno(), self._log.fileno())

    def error(self, message: str, *, title: str = "", file: str = "", line: int = 0) -> None:
        """An error annotation; at the prompt a line on standard error. `file` is relative to the repository."""
        self._annotate("error", message, title, file, line)

    def warning(self, message: str, *, title: str = "") -> None:
        """A warning annotation; at the prompt a line on standard error."""
        self._annotate("warning", message, title)

    def notice(self, message: str, *, title: str = "") -> None:
        """A notice annotation; at the prompt a line on standard error."""
        self._annotate("notice", message, title)

    def _annotate(self, level: str, message: str, title: str, file: str = "", line: int = 0) -> None:
        if self._on_runner:
            properties = {"title": title, "file": file, "line": str(line or "")}
            issue_command(level, {name: value for name, value in properties.items() if value}, message)
            sys.stdout.flush()
        else:
            place = f"{file}:{line}: " if file else ""
            sys.stderr.write(f"{level}: {place}{message}\n")

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold what is written inside into one group of the log."""
        if self._on_runner:
            issue("group", title)
        else:
            self.say(title)
        try:
            yield
        finally:
            if self._on_runner:
                issue("endgroup")
                sys.stdout.flush()

    def quote(self, text: str) -> None:
        """Write text that comes from elsewhere, so that no line of it can act as a workflow command."""
        with self.quoting():
            self.say(text)

    @contextmanager
    def quoting(self) -> Iterator[None]:
        """Let no line that is written inside act as a workflow command."""
        token = uuid.uuid4().hex
        if self._on_runner:
            issue("stop-commands", token)
            sys.stdout.flush()
        try:
            yield
        finally:
            if self._on_runner:
                issue(token)
                sys.stdout.flush()
