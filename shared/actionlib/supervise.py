"""Starting a supervisor: a process that outlives its step and ends what was begun for the job.

What would end it early is avoided here: an inherited pipe (after 5 s the runner kills the step's tree), the
step's terminal or process group, RUNNER_TRACKING_ID (its bearers are killed at the job's end), a working
directory or code that is deleted meanwhile.
"""

from __future__ import annotations

import ctypes
import os
import re
import select
import signal
import stat
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from actionlib.errors import ActionError
from actionlib.logs import tail
from actionlib.process_tree import kill_tree
from actionlib.processes import Process

BOOTSTRAP = Path(__file__).resolve().parent.parent / "bootstrap.py"
READY_VARIABLE = "COLDVOX_READY_FD"

# What marks us for the runner's orphan clean-up, and what a process that outlives its step must not hold.
_PRIVATE = re.compile(
    r"RUNNER_TRACKING_ID|INPUTS|INPUT_.*|GITHUB_TOKEN|GH_TOKEN|ACTIONS_.*TOKEN.*", re.DOTALL
)

# A Popen that is collected while its process runs warns; these run on when we have ended.
_started: list[subprocess.Popen[bytes]] = []


def detached_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without the runner's tracking id, the action's inputs and any token."""
    return {name: value for name, value in environ.items() if not _PRIVATE.fullmatch(name)}


def spawn_detached(
    module: str,
    arguments: Sequence[str],
    *,
    action_path: Path,
    environ: Mapping[str, str],
    log: Path,
    pass_fds: Sequence[int] = (),
    ready_timeout_seconds: float = 10,
) -> Process:
    """Start `module` of the action in `action_path` as a daemon; returns when it has called `announce_ready`.

    Its output is appended to `log`, whose folder must exist; of our descriptors it gets `pass_fds` only,
    which its own children then do not inherit through subprocess.
    Raises ActionError with the log's end when it dies or is not ready in time; it has then been ended.
    """
    try:
        sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ActionError(f"the log {log} of {module} cannot be written: {error.strerror}") from error
    begin = os.fstat(sink).st_size
    ready, announce = os.pipe()
    try:
        child = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", str(BOOTSTRAP), str(action_path), module, *arguments],
            env={**detached_environ(environ), READY_VARIABLE: str(announce)},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            pass_fds=(announce, *pass_fds),
        )
    except BaseException:
        os.close(ready)
        raise
    finally:
        os.close(announce)
        os.close(sink)
    process = Process.of(child.pid)  # cannot have been reaped: only we can do that
    try:
        problem = _await_ready(ready, ready_timeout_seconds)
        if problem:
            raise ActionError(
                f"the supervisor {module} {problem}",
                hint=f"The end of its log, {log}:\n{tail(log, begin=begin)}",
            )
    except BaseException:
        kill_tree(process, grace_seconds=1)
        child.wait()
        raise
    finally:
        os.close(ready)
    _started.append(child)
    return process


def fork_detached(body: Callable[[], int], *, log: Path, keep_fds: Sequence[int] = ()) -> Process:
    """Run `body` in a daemon that is forked from us; returns its process at once, which is our child.

    For supervisors whose start is waited for: `spawn_detached` costs an interpreter and its imports (0.1 s), a
    fork nothing. In exchange all modules that `body` needs must be imported, or be imported by it at once, and
    we must not have other threads. Output is appended to `log`; of our descriptors it keeps `keep_fds`.
    Raises ActionError when the log cannot be written.
    """
    try:
        sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ActionError(f"the log {log} cannot be written: {error.strerror}") from error
    try:
        pid = os.fork()
        if pid == 0:
            _be_daemon(body, sink, keep_fds)
    finally:
        os.close(sink)
    return Process.of(pid)


def _be_daemon(body: Callable[[], int], sink: int, keep_fds: Sequence[int]) -> None:
    """The child's half of `fork_detached`; does not return."""
    code = 70
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), 0)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        _close_all_but({0, 1, 2, *keep_fds})
        hide_environment()
        _leave_step()
        code = body()
    except BaseException:
        os.write(2, traceback.format_exc().encode("utf-8", "replace"))
    finally:
        os._exit(code)


def _close_all_but(kept: set[int]) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            with suppress(OSError):  # the listing's own
                os.close(int(name))


def hide_environment() -> None:
    """Blank out what `detached_environ` leaves out in /proc/self/environ, which a fork shares with its parent.

    The kernel shows that file from our own memory, at the addresses in fields 50 and 51 of /proc/self/stat
    (proc(5)); so the runner's orphan clean-up no longer finds its tracking id there, and nobody a token.
    """
    stat_fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    start = int(stat_fields[47])  # field 50, counted from field 3
    block = Path("/proc/self/environ").read_bytes()
    offset = 0
    for entry in block.split(b"\0"):
        if _PRIVATE.fullmatch(entry.partition(b"=")[0].decode("utf-8", "replace")):
            ctypes.memset(start + offset, ord("-"), len(entry))
        offset += len(entry) + 1


def _leave_step() -> None:
    """The folders of the step and of its code may be deleted while we run; and memory shortage is not ours."""
    os.chdir("/")
    with suppress(OSError):  # steps run with 500, as the first to be ended when memory is short
        Path("/proc/self/oom_score_adj").write_text("0", encoding="ascii")


def _await_ready(descriptor: int, timeout_seconds: float) -> str:
    """Empty when the child has announced itself, else what is wrong."""
    deadline = time.monotonic() + timeout_seconds
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
        return f"was not ready within {timeout_seconds:g} s"
    return "" if os.read(descriptor, 1) else "ended before it was ready"


def announce_ready(environ: Mapping[str, str]) -> None:
    """Called by the supervisor when all is imported and it stands ready: lets `spawn_detached` return.

    From here on the folders of its code and of the step may be deleted, so it leaves them: act deletes the
    action at the job's end, the runner before the next job.
    """
    _leave_step()
    number = environ.get(READY_VARIABLE, "")
    if not number.isdigit():
        return  # started by hand
    with suppress(OSError):  # nobody waits any more, or the variable is a leftover
        if stat.S_ISFIFO(os.fstat(int(number)).st_mode):
            os.write(int(number), b"1")
            os.close(int(number))
