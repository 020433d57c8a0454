"""What tests ask the host about its processes."""

from __future__ import annotations

import os
from pathlib import Path

from actionlib.processes import read_stat


def pids() -> list[int]:
    """All processes that /proc shows."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def environment_of(pid: int) -> list[bytes]:
    """The variables that it was started with, as NAME=VALUE; none if it is gone or not ours to read."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def marked_with(variable: str) -> list[int]:
    """The processes that were started with `variable`, a NAME=VALUE."""
    return [pid for pid in pids() if variable.encode() in environment_of(pid)]


def is_running(pid: int | str) -> bool:
    """Whether there is such a process that is no zombie."""
    try:
        return read_stat(int(pid)).is_running
    except ProcessLookupError:
        return False
