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
from actionlib.key_values import parse_key_values
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
    on_output: Callable[[bytes], None] | None = None,
) -> ScriptResult:
    """Run `script` with bash as the runner would, with our stdio and a GITHUB_OUTPUT of its own.

    With `on_output` its standard output goes there, as it comes and in whatever pieces it comes.

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
        command = [bash, *BASH_FLAGS, str(file)]
        child = _start(command, {**inner, "GITHUB_OUTPUT": str(output)}, cwd, captured=on_output is not None)
        run = _Run(child, spare, signals, on_timeout, on_output)
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


def _start(
    command: list[str], environ: Mapping[str, str], cwd: Path, *, captured: bool
) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def die_with_us() -> None:
        set_parent_death_signal(signal.SIGKILL)
        if os.getppid() != parent:  # we died before the call
            os._exit(137)

    try:
        return subprocess.Popen(  # a parent-death signal cannot be set in another way
            command,
            env=environ,
            cwd=cwd,
            stdout=subprocess.PIPE if captured else None,
            bufsize=0,
            start_new_session=True,
            preexec_fn=die_with_us,
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

    def next(self, *, until: float | None, ended: int | None, output: _Output | None) -> int | None:
        """A noted signal's number; None when `ended` (a pidfd) says so, it is `until` (monotonic), or output came."""
        poller = select.poll()
        more = output.descriptor if output else None
        for descriptor in (self._reading, ended, more):
            if descriptor is not None:
                poller.register(descriptor, select.POLLIN)
        left = None if until is None else max(0.0, until - time.monotonic())
        if ended is None:  # no pidfds here: the caller looks for itself
            left = 0.05 if left is None else min(0.05, left)
        ready = dict(poller.poll(None if left is None else left * 1000))
        if output and more in ready:
            output.read()
        return os.read(self._reading, 1)[0] if self._reading in ready else None


class _Output:
    """The reading end of a script's standard output."""

    def __init__(self, descriptor: int, sink: Callable[[bytes], None]) -> None:
        self.descriptor: int | None = descriptor
        self._sink = sink
        os.set_blocking(descriptor, False)

    def read(self) -> bool:
        """Pass on what is there. False when there is nothing now, or nothing will come any more."""
        if self.descriptor is None:
            return False
        try:
            piece = os.read(self.descriptor, 1 << 16)
        except BlockingIOError:
            return False
        if piece:
            self._sink(piece)
        else:
            self.descriptor = None
        return bool(piece)


class _Run:
    """One script while it runs: it ends by itself, by its timeout, or because we were told to stop."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        spare: frozenset[Process],
        signals: _Signals,
        on_timeout: Callable[[Process], None] | None,
        on_output: Callable[[bytes], None] | None,
    ) -> None:
        self._child = child
        pipe = child.stdout
        self._output = _Output(pipe.fileno(), on_output) if pipe and on_output else None
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
                number = self._signals.next(until=until, ended=pidfd, output=self._output)
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
            if self._output and self._child.stdout:
                while self._output.read():
                    pass
                self._child.stdout.close()

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
