"""Hosts of their own for trials: pids, /tmp and abstract sockets that nobody else has, and that end together."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOST = Path(__file__).with_name("headless_host.py")
PRIVATE_TMP = Path(__file__).with_name("baseline") / "private_tmp.sh"


def usable() -> str:
    """Why there can be no such host here; empty when there can."""
    if shutil.which("unshare") is None:
        return "there is no unshare (util-linux)"
    done = subprocess.run([*unshare("mended"), "true"], capture_output=True, text=True, check=False)
    return done.stderr.strip()


def unshare(side: str) -> list[str]:
    """The action needs the network for its first step; what it leaves is seen without a network of its own."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    network = [] if side == "actions" else ["--net"]
    kinds = ["--pid", "--mount", "--ipc", *network, "--fork", "--mount-proc", "--kill-child"]
    return ["unshare", *user, *kinds, "--"]


def run_host(side: str, workload: str, jobs: int, folder: Path, *, seconds: float) -> dict[str, Any]:
    """What headless_host.py prints. Raises SystemExit with its errors."""
    folder.mkdir()
    kept = [
        folder,
        ROOT,
        Path(sys.executable).parent.parent,
    ]  # a virtual environment may be a link to elsewhere
    command = [
        *unshare(side), "bash", str(PRIVATE_TMP), *map(str, kept), "--",
        sys.executable, str(HOST), side, workload, str(jobs), str(folder / "host"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode:
        raise SystemExit(f"{side}, {workload}: {done.stdout}{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
