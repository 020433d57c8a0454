"""What an environment, or a peer's X server, takes and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

TMP = Path("/tmp")
MARKER = "COLDVOX_HEADLESS_ID"


def processes_with(variable: str, value: str) -> list[int]:
    """Pids of the processes that have `variable=value` in their environment."""
    needle = f"{variable}={value}".encode()
    found = []
    for pid in psutil.pids():
        with suppress(OSError):
            if needle in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def proportional_bytes(pids: Iterable[int]) -> int:
    """Their memory, what they share divided by those who share it (Pss of proc(5))."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
            total += sum(int(found) for found in re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)) * 1024
    return total


def display_files(display: str) -> list[Path]:
    """Lock and socket of a display that are there."""
    number = display.removeprefix(":").partition(".")[0]
    files = (TMP / f".X{number}-lock", TMP / f".X11-unix/X{number}")
    return [path for path in files if path.exists()]


def remove_dead_display(display: str) -> list[str]:
    """Remove the socket of a display that nobody listens on, and that has no lock; returns what was there."""
    left = display_files(display)
    for path in left if len(left) == 1 else ():
        with socket.socket(socket.AF_UNIX) as client, suppress(ConnectionRefusedError):
            client.connect(str(path))
            return []  # somebody else's by now
        path.unlink(missing_ok=True)
    return [str(path) for path in left]


@dataclass(frozen=True)
class Environment:
    """One environment of the action that runs."""

    folder: Path
    display: str
    supervisor: int
    keeper: int

    @classmethod
    def read(cls, folder: Path, display: str) -> Environment:
        ids = json.loads((folder / "environment.json").read_text())["supervisor"]
        return cls(folder, display, ids["pid"], ids["keeper_pid"])

    def processes(self) -> set[int]:
        """All processes that belong to it: those with its marker (the script too), the supervisor and the keeper."""
        own = {pid for pid in (self.supervisor, self.keeper) if psutil.pid_exists(pid)}
        return own | set(processes_with(MARKER, self.folder.name))

    def own_processes(self) -> set[int]:
        """What makes up the environment itself, without the script: the keeper and all below it."""
        keeper = psutil.Process(self.keeper)
        return {keeper.pid, *(child.pid for child in keeper.children(recursive=True))}

    def traces(self) -> list[str]:
        """What is left of it."""
        found = [f"process {pid}" for pid in self.processes()] + [
            str(path) for path in display_files(self.display)
        ]
        return found + ([str(self.folder)] if self.folder.exists() else [])


@dataclass(frozen=True)
class PeerServer:
    """The X server that a peer has started, with BENCH_ID=`token` in its environment."""

    token: str
    display: str
    pid: int
    folders: tuple[Path, ...]

    @classmethod
    def find(cls, token: str, display: str) -> PeerServer:
        for pid in processes_with("BENCH_ID", token):
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            if Path(words[0]).name == "Xvfb":
                # xvfb-run keeps the display's cookie in a folder of its own.
                own = [Path(word).parent for word in words if word.startswith("/tmp/xvfb-run.")]
                return cls(token, display, pid, tuple(own))
        raise RuntimeError(f"no X server of {token} runs on {display}")

    def traces(self) -> list[str]:
        """What is left of it."""
        files = [*display_files(self.display), *(folder for folder in self.folders if folder.exists())]
        return [f"process {pid}" for pid in processes_with("BENCH_ID", self.token)] + list(map(str, files))

    def remove(self) -> None:
        """Clean up after it."""
        for pid in processes_with("BENCH_ID", self.token):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not processes_with("BENCH_ID", self.token), timeout_seconds=5)
        wait_until(
            lambda: not psutil.pid_exists(self.pid), timeout_seconds=5
        )  # only then are its sockets closed
        lock = TMP / f".X{self.display.removeprefix(':')}-lock"
        if lock.exists() and lock.read_text().strip() == str(self.pid):
            for path in display_files(self.display):
                path.unlink(missing_ok=True)
        remove_dead_display(self.display)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


def wait_until(condition: Callable[[], object], *, timeout_seconds: float) -> float | None:
    """Seconds until `condition()` is true; None when it is not in time."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > timeout_seconds:
            return None
        time.sleep(0.005)
    return time.monotonic() - begin
