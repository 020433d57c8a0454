"""The runner's own processes: how many jobs run on this host, and what the runners themselves use."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from perf_monitor.host_counters import Values
from perf_monitor.kernel_files import read_once
from perf_monitor.process_scan import ProcessStat, key_of

_OWN = "Runner."  # Runner.Listener waits for jobs, Runner.Worker runs one


class RunnerProcesses:
    """Counts jobs by a pattern that is searched in a process's first two arguments."""

    def __init__(self, job_pattern: re.Pattern[str], *, proc: str = "/proc") -> None:
        self._pattern, self._proc = job_pattern, proc
        self._is_job: dict[tuple[tuple[int, int], str], bool] = {}
        self._before: tuple[float, dict[tuple[int, int], int]] | None = None
        self._ticks, self._page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
        self._pages = os.sysconf("SC_PHYS_PAGES")

    def read(self, world: Mapping[int, ProcessStat], *, monotonic: float, complete: bool = True) -> Values:
        """active_jobs, runner_cpu (per cent of a core since the look before) and runner_mem (per cent)."""
        verdicts = {}
        for stat in world.values():
            key = (key_of(stat), stat.comm)  # a process that becomes another program has another name
            known = self._is_job.get(key)
            verdicts[key] = self._asks_for_job(stat.pid) if known is None else known
        self._is_job = verdicts if complete else {**self._is_job, **verdicts}
        own = [stat for stat in world.values() if stat.comm.startswith(_OWN)]
        row: Values = {
            "active_jobs": float(sum(verdicts.values())),
            "runner_mem": sum(stat.resident_pages for stat in own) / self._pages * 100,
        }
        used = {key_of(stat): stat.own_ticks for stat in own}
        if self._before and monotonic > self._before[0]:
            earlier = self._before[1]
            ticks = sum(max(0, value - earlier.get(key, 0)) for key, value in used.items())
            row["runner_cpu"] = ticks / self._ticks / (monotonic - self._before[0]) * 100
        self._before = (monotonic, used)
        return row

    def matters(self, stat: ProcessStat) -> bool:
        """Whether the last look counted a process, as a job's or the runner's own."""
        return stat.comm.startswith(_OWN) or self._is_job.get((key_of(stat), stat.comm), False)

    def _asks_for_job(self, pid: int) -> bool:
        try:
            words = read_once(f"{self._proc}/{pid}/cmdline").split(b"\0", 2)[:2]
        except OSError:
            return False
        return bool(self._pattern.search(b" ".join(words).decode("utf-8", "replace")))
