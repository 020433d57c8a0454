"""Running cargo: shown live, within a time, with what its messages and its tests say about the first error.

Messages: "External tools", JSON messages, in The Cargo Book. Panics: library/std/src/panicking.rs.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actionlib.entrypoint import Context, Interrupted
from actionlib.scoped_runs import run_in_workspace

# Those that take --message-format; what others say is read as text.
TELL_IN_JSON = frozenset({"bench", "build", "check", "clippy", "doc", "run", "rustc", "rustdoc", "test"})
KEPT_CHARACTERS = 6000
_PANIC = re.compile(r"thread '.*' (?:\(\d+\) )?panicked at (?P<file>[^\s:']+):(?P<line>\d+):\d+:?$")
_OLD_PANIC = re.compile(
    r"thread '.*' panicked at '(?P<text>.*)', (?P<file>[^\s:]+):(?P<line>\d+):\d+$"
)  # < 1.73
_RENDERED = re.compile(r"error(?:\[(?P<code>\w+)\])?: (?P<text>.+)")
_ARROW = re.compile(r"\s+--> (?P<file>[^\s:]+):(?P<line>\d+):\d+")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error. `file` is relative to the cargo workspace, as rustc names it; empty where there is none."""

    text: str
    code: str = ""
    file: str = ""
    line: int = 0

    def is_like(self, other: Diagnostic) -> bool:
        """The same mistake, wherever an edit has moved it to."""
        return (self.code, self.text, self.file) == (other.code, other.text, other.file)


@dataclass(frozen=True, slots=True)
class CargoResult:
    """How one command ended. By cargo's own messages, `units` were compiled anew, and `pages` begin documentations."""

    exit_code: int
    seconds: float
    errors: tuple[Diagnostic, ...]
    units: int
    pages: tuple[Path, ...]
    timed_out: bool
    log: str  # its end, without colours

    @property
    def passed(self) -> bool:
        """Whether the command succeeded."""
        return self.exit_code == 0 and not self.timed_out


def cargo_command(
    words: Sequence[str], *, manifest: Path, flags: Sequence[str], locked: bool, toolchain: str = ""
) -> list[str]:
    """A cargo command line: `words` are a subcommand and its arguments, `flags` choose package and features."""
    end = words.index("--") if "--" in words else len(words)
    whole = ["cargo", *([f"+{toolchain}"] if toolchain else []), *words[:end], f"--manifest-path={manifest}"]
    whole += flags
    whole += ["--locked"] if locked else []
    whole += ["--message-format=json"] if words[0] in TELL_IN_JSON else []
    return [*whole, *words[end:]]


class CargoRunner:
    """Runs cargo commands in the cargo workspace's folder, as a step of the job would."""

    def __init__(self, context: Context, *, folder: Path, timeout_seconds: float | None) -> None:
        self._context, self._folder, self._timeout = context, folder, timeout_seconds
        # Incremental compilation costs disk, and pays only for the next edit.
        self._environ = {"CARGO_INCREMENTAL": "0", **context.environ}

    def run(
        self, command: Sequence[str], *, shown: bool, environ: Mapping[str, str] | None = None
    ) -> CargoResult:
        """Run one command, which and all that it started is ended when its time is over.

        Raises Interrupted when the job was cancelled meanwhile.
        """
        reader = _Reader(self._context if shown else None)
        # Both streams as one, so that they stay in order.
        done = run_in_workspace(
            self._context,
            f"exec 2>&1\nexec {shlex.join(command)}",
            environ=self._environ | dict(environ or {}),
            folder=self._folder,  # whose .cargo/config.toml and rust-toolchain.toml hold
            timeout_seconds=self._timeout,
            on_output=reader.feed,
        )
        reader.end()
        if done.interrupted_by:
            raise Interrupted
        return CargoResult(
            exit_code=done.exit_code,
            seconds=done.seconds,
            errors=tuple(reader.errors),
            units=reader.units,
            pages=tuple(reader.pages),
            timed_out=done.timed_out,
            log=reader.log(),
        )


class _Reader:
    """Takes output in pieces; tells JSON messages of cargo from what is for people."""

    def __init__(self, context: Context | None) -> None:
        self._context = context
        self._rest = b""
        self._log: list[str] = []
        self._kept = 0
        self._panic: tuple[str, int] | None = None
        self._pending: tuple[str, str] | None = None
        self.errors: list[Diagnostic] = []
        self.units = 0
        self.pages: list[Path] = []

    def feed(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._line(line.decode("utf-8", "replace"))

    def end(self) -> None:
        if self._rest:
            self._line(self._rest.decode("utf-8", "replace"))
        self._close_pending()

    def log(self) -> str:
        return "\n".join(self._log)[-KEPT_CHARACTERS:]

    def _line(self, text: str) -> None:
        message = _message(text)
        if message is None:
            self._read_text(self._say(text).rstrip("\r"))
        elif message["reason"] == "compiler-artifact":
            self.units += not message.get("fresh", True)
            self.pages += [Path(name) for name in message.get("filenames", ()) if name.endswith(".html")]
        elif message["reason"] == "compiler-message":
            self._read_diagnostic(message.get("message") or {})

    def _say(self, text: str) -> str:
        """Show a line, and keep it without its colours: so it is given back."""
        if self._context is not None:
            self._context.out.say(text)
        plain = _COLOURS.sub("", text)
        self._log.append(plain)
        self._kept += len(plain) + 1
        while self._kept > 2 * KEPT_CHARACTERS and len(self._log) > 1:
            self._kept -= len(self._log.pop(0)) + 1
        return plain

    def _read_diagnostic(self, message: Mapping[str, Any]) -> None:
        self._say(str(message.get("rendered") or message.get("message", "")).rstrip("\n"))
        text = str(message.get("message", ""))
        if message.get("level") != "error" or text.startswith("aborting due to"):
            return
        spans = message.get("spans") or ()
        place = next((one for one in spans if one.get("is_primary")), None)
        self._add(
            Diagnostic(
                text,
                code=str((message.get("code") or {}).get("code", "")),
                file=str(place["file_name"]) if place else "",
                line=int(place["line_start"]) if place else 0,
            )
        )

    def _read_text(self, text: str) -> None:
        """Panics of tests, and errors of commands that have no JSON."""
        if self._panic:
            file, line = self._panic
            self._panic = None
            self._add(Diagnostic(text.strip() or "panicked", file=file, line=line))
        elif found := _PANIC.search(text):
            self._panic = (found["file"], int(found["line"]))
        elif found := _OLD_PANIC.search(text):
            self._add(Diagnostic(found["text"], file=found["file"], line=int(found["line"])))
        elif self._pending and (found := _ARROW.match(text)):
            message, code = self._pending
            self._pending = None
            self._add(Diagnostic(message, code, found["file"], int(found["line"])))
        elif found := _RENDERED.match(text):
            self._close_pending()
            self._pending = (found["text"], found["code"] or "")

    def _close_pending(self) -> None:
        if self._pending:
            text, code = self._pending
            self._pending = None
            if not text.startswith(("could not compile", "aborting due to", "test failed", "process didn't")):
                self._add(Diagnostic(text, code))

    def _add(self, one: Diagnostic) -> None:
        if not any(one.is_like(other) for other in self.errors):
            self.errors.append(one)


def _message(text: str) -> dict[str, Any] | None:
    if not text.startswith('{"reason":'):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
