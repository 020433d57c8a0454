"""The sampler: a process of its own that outlives its step and writes a row at each beat, until the job ends."""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from actionlib.jobs import Job, JobWatch
from actionlib.metrics import METRICS, Metric
from perf_monitor.alerts import Watch
from perf_monitor.attribution import Attribution
from perf_monitor.folder_sizes import FolderWatch
from perf_monitor.host_counters import HostCounters
from perf_monitor.job_marks import JobMarks
from perf_monitor.kernel_files import try_read
from perf_monitor.ledger import append_alerts, replace_json, steps_record
from perf_monitor.monitor_files import MonitorFiles
from perf_monitor.process_scan import list_pids, scan
from perf_monitor.runner_processes import RunnerProcesses
from perf_monitor.samples import SampleWriter, cache_column

Cells = dict[str, float | str | None]

FULL_SCAN_SAMPLES = 10
LEDGER_SECONDS = 5.0  # how often the steps file is written at least


class Stop(Exception):
    """Told to end."""


class Sampler:
    """One run of sampling, from its order (see `sampling.Order`) to its last row."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._files = MonitorFiles(Path(order["stem"]))
        self._job = Job.from_json(order["job"])
        self._interval: float = order["interval_seconds"]
        self._max_runtime: float = order["max_runtime_seconds"]
        self._labels: dict[str, str] = order["labels"]
        self._writer = SampleWriter(self._files.csv, list(order["caches"]))
        self._host = HostCounters(cores=os.cpu_count() or 1, disk_path=order["disk_path"])
        self._folders = FolderWatch({name: Path(path) for name, path in order["caches"].items()})
        self._runner = RunnerProcesses(re.compile(order["job_pattern"]))
        self._alerts = Watch(
            {
                name: Metric(name, one.unit, one.meaning, **order["thresholds"].get(name, {}))
                for name, one in METRICS.items()
            }
        )
        anchor = self._job.anchor.pid if self._job.kind == "runner" and not order["only_step"] else 0
        clock_ticks = os.sysconf("SC_CLK_TCK")
        self._attribution = Attribution(
            JobMarks(order["marks"], anchor, order["only_step"]),
            since_ticks=int(time.clock_gettime(time.CLOCK_BOOTTIME) * clock_ticks),
        )
        self._begin = time.monotonic()
        self._samples = 0
        self._latest: float | None = None
        self._others: frozenset[int] = frozenset()
        self._ledger_due = 0.0
        self._said: set[str] = set()

    def run(self, ready: int) -> str:
        """Sample until there is a reason to end; returns it. `ready` is told by a byte when the first row is there."""
        try:
            self._sample()
            os.write(ready, b"1")
            os.close(ready)
            ended = self._beat()
        except Stop:
            ended = "stop"
        except Exception:
            self._write_ledger("failed")
            raise
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._sample()
        self._write_ledger(ended)
        return ended

    def _beat(self) -> str:
        due = self._begin
        with JobWatch(self._job) as watch:
            while True:
                now = time.monotonic()
                if now - self._begin >= self._max_runtime:
                    return "max-runtime"
                # On the beat, not an interval after the last sample; beats that were missed are left out.
                due += self._interval * max(1, int((now - due) / self._interval) + 1)
                until = min(due, self._begin + self._max_runtime)
                if watch.wait(timeout_seconds=max(0.0, until - time.monotonic())).job_ended:
                    return "job-end"
                if not self._files.stem.parent.is_dir():
                    return "folder-gone"
                if time.monotonic() >= due:
                    self._sample()

    def _sample(self) -> None:
        """One row. What cannot be written is said once in the log; the next beat tries again."""
        now = time.monotonic()
        elapsed, interval = now - self._begin, None if self._latest is None else now - self._latest
        self._latest = now
        wall = time.time()
        row: Cells = {
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall)),
            "unix_seconds": round(wall, 3),
            "elapsed_seconds": elapsed,
            "interval_seconds": interval,
            **self._labels,
            **self._host.read(interval),
            **self._processes(elapsed),
            **self._caches(),
        }
        self._samples += 1
        try:
            self._writer.add(row)
            append_alerts(
                self._files.alerts, self._alerts.feed(row, elapsed_seconds=elapsed), unix_seconds=wall
            )
            if elapsed >= self._ledger_due:
                self._ledger_due = elapsed + LEDGER_SECONDS
                self._write_ledger(None)
        except OSError as error:
            self._say_once(f"a sample could not be written: {error.strerror}")

    def _processes(self, elapsed: float) -> Cells:
        """What belongs to the job or a runner is read each time, all others (kernel threads, services) now and then."""
        everything = self._samples % FULL_SCAN_SAMPLES == 0
        world = scan(skip=() if everything else self._others)
        row: Cells = {**self._runner.read(world, monotonic=self._begin + elapsed, complete=everything)}
        world.pop(os.getpid(), None)  # what we cost is told by itself
        look = self._attribution.look(world, elapsed_seconds=elapsed, complete=everything)
        if everything:
            strangers = (stat for stat in world.values() if self._attribution.is_stranger(stat))
            self._others = frozenset(stat.pid for stat in strangers if not self._runner.matters(stat))
        ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
        return row | {
            "processes": float(len(list_pids())),
            "step_name": look.step,
            "job_cpu_seconds": look.ticks / ticks,
            "job_memory_mb": look.pages * page / 2**20,
            "job_processes": float(look.processes),
        }

    def _caches(self) -> Cells:
        sizes = self._folders.sizes()
        row: Cells = {cache_column(name): one.mebibytes for name, one in sizes.items()}
        return row | {"cache_partial": " ".join(name for name, one in sizes.items() if one.partial)}

    def _write_ledger(self, ended: str | None) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        own = {
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
            "peak_memory_mb": round(_peak_kibibytes() / 1024, 1),
            "samples": self._samples,
        }
        try:
            replace_json(self._files.steps, steps_record(self._attribution, sampler=own, ended=ended))
        except OSError as error:
            self._say_once(f"the steps file could not be written: {error.strerror}")

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            say(text)


def _peak_kibibytes() -> int:
    """Our highest resident set. Not ru_maxrss: that begins with what our parent had when it started us."""
    found = re.search(rb"VmHWM:\s+(\d+) kB", try_read("/proc/self/status"))
    return int(found[1]) if found else 0


def say(text: str) -> None:
    """One line in the sampler's log."""
    with suppress(OSError):
        os.write(2, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n".encode("utf-8", "backslashreplace"))


def main(argv: Sequence[str]) -> int:
    """The daemon: its order as JSON, and the descriptor that it tells to when its first row is written."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Stop

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = json.loads(argv[0])
    os.chdir("/")
    sampler = Sampler(order)
    gc.freeze()  # what is there now stays: later collections need not look at it
    signal.signal(signal.SIGTERM, stop)
    say(f"sampling every {order['interval_seconds']:g} s as pid {os.getpid()}")
    say(f"ended: {sampler.run(int(argv[1]))}")
    return 0
