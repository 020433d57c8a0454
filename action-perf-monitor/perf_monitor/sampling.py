"""Starting and ending the sampler: the step's side."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

import actionlib
from actionlib.errors import ActionError
from actionlib.logs import tail
from actionlib.process_tree import send_signal
from actionlib.processes import Process, open_pidfd

# A sampler lives long, and a step's environment may hold secrets.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
READY_SECONDS = 10.0
STOP_SECONDS = 5.0

# Without `site`, and with the folders of what it imports only: an interpreter that starts in 10 ms and stays small.
_BOOT = (
    "import json, sys; sys.path[:0] = json.loads(sys.argv[1]); from perf_monitor.sampler import main; "
    "sys.exit(main(sys.argv[2:]))"
)


@dataclass(frozen=True, slots=True)
class Order:
    """What a sampler is to do. `stem`: the files' common path; `marks`: variables that the job's processes have."""

    stem: str
    job: Mapping[str, Any]  # Job.to_json()
    marks: Mapping[str, str]
    only_step: str  # the name of all that has the marks; empty: each step's own
    labels: Mapping[str, str]  # workflow_id, job_name, run_attempt
    interval_seconds: float
    max_runtime_seconds: float
    disk_path: str
    caches: Mapping[str, str]
    thresholds: Mapping[str, Mapping[str, float | None]]
    job_pattern: str


def start_sampler(order: Order, *, log: Path, environ: Mapping[str, str]) -> Process:
    """Start a sampler that outlives us; returns when its first row is written.

    Raises ActionError with the log's end when it is not ready in time; it has then been ended.
    """
    folders = {
        str(Path(str(file)).resolve().parent.parent)
        for file in (__file__, actionlib.__file__, psutil.__file__)
    }
    passed_on = {name: environ[name] for name in _PASSED_ON if name in environ}
    ready, announce = os.pipe()
    try:
        with log.open("ab", buffering=0) as sink:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-X", "utf8", "-c", _BOOT, json.dumps(sorted(folders)),
                 json.dumps(asdict(order)), str(announce)],
                env=passed_on, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                start_new_session=True, pass_fds=(announce,),
            )  # fmt: skip
    except BaseException:
        os.close(ready)
        raise
    finally:
        os.close(announce)
    process = Process.of(child.pid)
    try:
        if not select.select([ready], [], [], READY_SECONDS)[0] or not os.read(ready, 1):
            child.kill()
            child.wait()
            raise ActionError("the sampler did not start", hint=f"The end of its log, {log}:\n{tail(log)}")
    except BaseException:
        child.kill()
        raise
    finally:
        os.close(ready)
    child.returncode = 0  # it runs on when we have ended, and is not ours to wait for
    return process


def stop_sampler(process: Process, *, timeout_seconds: float = STOP_SECONDS) -> str:
    """End a sampler: `stopped` when it wrote its last row, `gone` when it had ended, `killed` when it had to be."""
    try:
        descriptor = open_pidfd(process)
    except ProcessLookupError:
        return "gone"
    if descriptor is None:
        raise ActionError("this kernel or Python has no pidfd_open", hint="Linux 5.3 or newer is needed")
    try:
        deadline = time.monotonic() + timeout_seconds
        send_signal(process, signal.SIGTERM)
        send_signal(process, signal.SIGCONT)  # a stopped one would not hear it
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        if poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return "stopped"
        send_signal(process, signal.SIGKILL)
        poller.poll(timeout_seconds * 1000)
        return "killed"
    finally:
        os.close(descriptor)
