"""What an environment may not leave behind."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from fakes.processes import is_running
from headless_env.environments import marked_processes

# Small and quick where a test is not about what is left out.
SMALL = {
    "at-spi": "false",
    "audio": "none",
    "window-manager": "none",
    "verify": "quick",
    "screen": "640x480x24",
}


def traces(identity: str, display: str, *, supervisor_pids: tuple[int, ...] = ()) -> list[str]:
    """Processes, display lock, sockets and folders that are still there."""
    number = display.removeprefix(":")
    found = [f"process {one.pid}: {command(one.pid)}" for one in marked_processes(identity)]
    found += [f"process {pid}" for pid in supervisor_pids if is_running(pid)]
    lock = Path(f"/tmp/.X{number}-lock")
    with suppress(OSError, ValueError):
        if not is_running(int(lock.read_text())):
            found.append(f"{lock} of a dead process")
    socket = Path(f"/tmp/.X11-unix/X{number}")
    if socket.exists() and not lock.exists():
        found.append(str(socket))
    found += [str(path) for path in Path("/tmp").glob(f"{identity}*")]
    return found


def command(pid: int) -> str:
    """Arguments of a process."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return "?"


def record_of(log_dir: str | Path) -> dict:
    """The record of a running environment."""
    return json.loads((Path("/tmp") / Path(log_dir).name / "environment.json").read_text())
