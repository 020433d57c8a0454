"""Processes that take a lock in turn and write down when it was theirs."""

from __future__ import annotations

import os
import time
from pathlib import Path

from actionlib.locking import FileLocks


def waiting(root: Path, name: str = "l") -> int:
    return len(FileLocks(root).inspect(name).waiting)


def hold(root: Path, log: Path, label: str, priority: int, slots: int, go: Path | None) -> None:
    """Acquire, write the label, keep the lock until `go` exists (or let go at once)."""
    with FileLocks(root).acquire("l", timeout_seconds=60, priority=priority, slots=slots):
        append(log, label)
        while go is not None and not go.exists():
            time.sleep(0.002)


def append(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
