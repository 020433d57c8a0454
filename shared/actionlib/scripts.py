"""The scoped form: a user's script that runs as a `run:` step of its own would, and ends with our step."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from actionlib.errors import ActionError
from actionlib.process_tree import Survivor, adopting_orphans, children, kill_tree, set_parent_death_signal
from actionlib.processes import Process, open_pidfd

BASH_FLAGS = ("--noprofile", "--norc", "-eo", "pipefail")  # what the runner gives to `shell: bash`
EXIT_TIMED_OUT = 124  # as timeout(1)

# On cancel the runner sends SIGINT, SIGTERM 7.5 s later and SIGKILL 2.5 s after that (ProcessInvoker.cs).
INTERRUPT_SECONDS = 8.0  # no SIGTERM came: this was a person at a prompt
TERMINATE_GRACE_SECONDS = 1.0  # leaves the rest of the 2.5 s to killing, and to the caller's own clean-up


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """How a script ended.

    `interrupted_by` is the signal that we got meanwhile: the caller then cleans up and exits 130. `survivors`
    are the processes that did not heed SIGTERM and were killed.
    """

    exit_code: int
    outputs: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    timed_out: bool = False
    survivors: tuple[Survivor, ...] = ()
    interrupted_by: int | None = None


def run_script(
    script: str,
    *,
    environ: Mapping[str, str],
    cwd: Path,
    scratch: Path,
    timeout_seconds: float | None = None,
    grace_seconds: float = 5,
    on_timeout: Callable[[Process], None] | None = None,
) -> ScriptResult:
    """Run `script` with bash as the runner would, with our stdio and a GITHUB_OUTPUT of its own.

    SIGINT and SIGTERM to us are for the script while it runs (in the main thread; elsewhere Python allows no
    handlers). When its time is over, `on_timeout` is called with its first process before anything is ended.
    Background processes of a script that ended by itself are left alone, as a runner leaves them.
    Raises ActionError for an empty script, a missing bash or folder, and malformed outputs of a script that
    succeeded.
    """
    if not script.strip():
        raise ActionError("the script to run is empty")
    bash = shutil.which("bash", path=environ.get("PATH"))
    if bash is None:
        raise ActionError(
            f"there is no bash on PATH ({environ.get('PATH', 'not set')})", hint="Install bash on the runner"
        )
    if not cwd.is_dir():
        raise ActionError(f"the folder {cwd} to run the script in does not exist")
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="script-", dir=scratch.absolute()))
    file, output = folder / "script.sh", folder / "output"
    file.write_text(script, encoding="utf-8", errors="surrogateescape", newline="")
    output.touch()
    inner = {name: value for name, value in environ.items() if name != "INPUTS"}
    begin = time.monotonic()
    with adopting_orphans(), _Signals() as signals:
        spare = children(os.getpid())
        child = _start([bash, *BASH_FLAGS, str(file)], {**inner, "GITHUB_OUTPUT": str(output)}, cwd)
        run = _Run(child, spare, signals, on_timeout)
        run.wait(timeout_seconds=timeout_seconds, grace_seconds=grace_seconds)
    succeeded = child.returncode == 0 and not run.timed_out and signals.latest is None
    return ScriptResult(
        exit_code=EXIT_TIMED_OUT if run.timed_out else _exit_code(child.returncode),
        outputs=_read_outputs(output, strict=succeeded),
        seconds=time.monotonic() - begin,
        timed_out=run.timed_out,
        survivors=run.survivors,
        interrupted_by=signals.latest,
    )


def _exit_code(returncode: int | None) -> int:
    if returncode is None:  # not even SIGKILL ended it, or we may not send it one
        return 128 + signal.SIGKILL
    return 128 - returncode if returncode < 0 else returncode


def _start(command: list[str], environ: Mapping[str, str], cwd: Path) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def die_with_us() -> None:
        set_parent_death_signal(signal.SIGKILL)
        if os.getppid() != parent:  # we died before the call
            os._exit(137)

    try:
        return subprocess.Popen(  # a parent-death signal cannot be set in another way
            command, env=environ, cwd=cwd, start_new_session=True, preexec_fn=die_with_us
        )
    except OSError as error:
        raise ActionError(f"the script could not be started: {error.strerror}") from error


class _Signals:
    """While entered, SIGINT and SIGTERM to us are noted instead of unwinding the stack."""

    def __init__(self) -> None:
        self.latest: int | None = None
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        os.close(self._reading)
        os.close(self._writing)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.latest = number
        with suppress(BlockingIOError):
            os.write(self._writing, bytes([number]))

    def next(self, *, until: float | None, ended: int | None) -> int | None:
        """A noted signal's number, or None when `ended` (a pidfd) says so or it is `until` (monotonic)."""
        poller = select.poll()
        for descriptor in (self._reading, *(() if ended is None else (ended,))):
            poller.register(descriptor, select.POLLIN)
        left = None if until is None else max(0.0, until - time.monotonic())
        if ended is None:  # no pidfds here: the caller looks for itself
            left = 0.05 if left is None else min(0.05, left)
        ready = dict(poller.poll(None if left is None else left * 1000))
        return os.read(self._reading, 1)[0] if self._reading in ready else None


class _Run:
    """One script while it runs: it ends by itself, by its timeout, or because we were told to stop."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        spare: frozenset[Process],
        signals: _Signals,
        on_timeout: Callable[[Process], None] | None,
    ) -> None:
        self._child = child
        self._on_timeout = on_timeout
        self._root = Process.of(child.pid)
        self._spare = spare
        self._signals = signals
        self.timed_out = False
        self.survivors: tuple[Survivor, ...] = ()

    def wait(self, *, timeout_seconds: float | None, grace_seconds: float) -> None:
        """Return when the script has ended, and with it, unless it did so by itself, all that it started."""
        cancel_grace = min(grace_seconds, TERMINATE_GRACE_SECONDS)
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        pidfd = None
        try:
            with suppress(ProcessLookupError):
                pidfd = open_pidfd(self._root)
            while not self._has_ended():
                number = self._signals.next(until=until, ended=pidfd)
                if number == signal.SIGINT:
                    self._interrupt()
                    limit = time.monotonic() + INTERRUPT_SECONDS
                    until = limit if until is None else min(until, limit)
                elif number is not None:
                    break
                elif until is not None and time.monotonic() >= until:
                    self.timed_out = self._signals.latest is None
                    break
            if self.timed_out:
                if self._on_timeout is not None:
                    self._on_timeout(self._root)
                self._end(grace_seconds)
            elif self._signals.latest is not None:
                self._end(cancel_grace)
        except BaseException:
            self._end(0)
            raise
        finally:
            if pidfd is not None:
                os.close(pidfd)
            self._child.poll()

    def _has_ended(self) -> bool:
        # WNOWAIT: as long as it is a zombie, its process group and session cannot be anybody else's.
        return os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _interrupt(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGINT)

    def _end(self, grace_seconds: float) -> None:
        self.survivors += kill_tree(self._root, grace_seconds=grace_seconds, spare=self._spare)


def _read_outputs(path: Path, *, strict: bool) -> dict[str, str]:
    try:
        return parse_key_values(path.read_text(encoding="utf-8-sig", errors="replace"))
    except FileNotFoundError:
        return {}
    except ActionError:
        if strict:
            raise
        return {}  # the script's own failure is the news, and it may have cut a line short


def parse_key_values(text: str) -> dict[str, str]:
    """Read `name=value` lines and `name<<DELIMITER` blocks as the runner does (FileCommandManager.cs).

    Raises ActionError that names the line.
    """
    found: dict[str, str] = {}
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line:
            continue
        name, equals, value = line.partition("=")
        start, heredoc, delimiter = line.partition("<<")
        if heredoc and len(start) < len(name):
            end = next((i for i in range(number, len(lines)) if lines[i] == delimiter), None)
            if not start or not delimiter:
                raise _malformed(number, line, "a name and a delimiter must stand around '<<'")
            if end is None:
                raise _malformed(
                    number, line, f"its delimiter '{delimiter}' never comes on a line of its own"
                )
            found[start] = "\n".join(lines[number:end])
            number = end + 1
        elif equals and name:
            found[name] = value
        else:
            raise _malformed(number, line, "allowed: name=value, or name<<DELIMITER and its lines")
    return found


def _malformed(number: int, line: str, why: str) -> ActionError:
    shown = line if len(line) <= 80 else line[:77] + "..."
    return ActionError(
        f"line {number} that the script wrote to GITHUB_OUTPUT is malformed: '{shown}'; {why}",
        hint='Write outputs as: echo "name=value" >> "$GITHUB_OUTPUT"',
    )
