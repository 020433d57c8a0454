"""Starting a supervisor: a process that outlives its step and ends what was begun for the job.

What would end it early is avoided here: an inherited pipe (after 5 s the runner kills the step's tree), the
step's terminal or process group, RUNNER_TRACKING_ID (its bearers are killed at the job's end), a working
directory or code that is deleted meanwhile.
"""

from __future__ import annotations

import os
import re
import select
import stat
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from actionlib.errors import ActionError
from actionlib.process_tree import kill_tree
from actionlib.processes import Process

BOOTSTRAP = Path(__file__).resolve().parent.parent / "bootstrap.py"
READY_VARIABLE = "COLDVOX_READY_FD"
TAIL_BYTES = 4000

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
                hint=f"The end of its log, {log}:\n{_tail(log, begin)}",
            )
    except BaseException:
        kill_tree(process, grace_seconds=1)
        child.wait()
        raise
    finally:
        os.close(ready)
    _started.append(child)
    return process


def _await_ready(descriptor: int, timeout_seconds: float) -> str:
    """Empty when the child has announced itself, else what is wrong."""
    deadline = time.monotonic() + timeout_seconds
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
        return f"was not ready within {timeout_seconds:g} s"
    return "" if os.read(descriptor, 1) else "ended before it was ready"


def _tail(log: Path, begin: int) -> str:
    """The last lines that were added to the log since it had `begin` bytes."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(begin, size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace").strip()
    except OSError as error:
        return f"(cannot be read: {error.strerror})"
    return text or "(empty)"


def announce_ready(environ: Mapping[str, str]) -> None:
    """Called by the supervisor when all is imported and it stands ready: lets `spawn_detached` return.

    From here on the folders of its code and of the step may be deleted, so it leaves them: act deletes the
    action at the job's end, the runner before the next job.
    """
    os.chdir("/")
    with suppress(OSError):  # steps run with 500, as the first to be ended when memory is short
        Path("/proc/self/oom_score_adj").write_text("0", encoding="ascii")
    number = environ.get(READY_VARIABLE, "")
    if not number.isdigit():
        return  # started by hand
    with suppress(OSError):  # nobody waits any more, or the variable is a leftover
        if stat.S_ISFIFO(os.fstat(int(number)).st_mode):
            os.write(int(number), b"1")
            os.close(int(number))
