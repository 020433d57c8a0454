"""Who used the processors and the memory: each step of the job, each program, and what nobody saw.

The kernel keeps the sum: what a process has used moves to its parent (cutime, cstime) when it is reaped. So the growth
of that sum, less what we had already counted of children that have vanished, is what those children used that came and
went between two looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from perf_monitor.job_marks import JobMarks
from perf_monitor.process_scan import Key, ProcessStat, key_of

OTHER = ""  # the step of processes that belong to the job and to no step: the runner's own


@dataclass(slots=True)
class Account:
    """What a step or a program has used so far."""

    ticks: float = 0.0
    peak_pages: int = 0
    first_seconds: float = 0.0
    last_seconds: float = 0.0
    processes: int = 0  # that were seen


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the processes found of the job."""

    ticks: float  # used since the look before
    pages: int
    processes: int
    step: str  # that of the youngest process


class Attribution:
    """Accounts of one job, kept by looking at all processes again and again."""

    def __init__(self, marks: JobMarks, *, since_ticks: int) -> None:
        """`since_ticks`: when the monitor started, in the unit of start_ticks. What was used before does not count."""
        self._marks = marks
        self._since_ticks = since_ticks
        self._before: dict[int, ProcessStat] = {}  # the job's processes at the last look
        self._steps: dict[Key, str] = {}  # and their steps
        self._strangers: dict[
            Key, str
        ] = {}  # other processes, with the names that they had when they were asked
        self.steps: dict[str, Account] = {}
        self.programs: dict[str, Account] = {}
        self.unseen_ticks = 0.0

    def look(self, now: Mapping[int, ProcessStat], *, elapsed_seconds: float, complete: bool = True) -> Look:
        """Take one look. The first one only notes what has been used by then.

        One that is not `complete` may lack processes that an earlier look found to be strangers.
        """
        before = self._steps
        steps = self._sort(now, complete=complete)
        used = 0.0
        orphaned = 0  # of children that the runner's own process has reaped: steps that ended
        vanished = self._vanished(now)
        for pid, step in steps.items():
            stat = now[pid]
            own, children = self._growth(stat, vanished)
            used += own + children
            if pid == self._marks.anchor_pid:
                orphaned, children = children, 0
            self._credit(step, stat, own=own, children=children, elapsed_seconds=elapsed_seconds)
        self._settle(orphaned, {key_of(stat) for stat in now.values()}, before, elapsed_seconds)
        pages = self._note_memory(now, steps)
        self._before = {pid: now[pid] for pid in steps}
        counted = [pid for pid, step in steps.items() if step != OTHER]
        _, latest = max(((now[pid].start_ticks, steps[pid]) for pid in counted), default=(0, OTHER))
        return Look(used, pages, len(counted), latest)

    def is_stranger(self, stat: ProcessStat) -> bool:
        """Whether the last look found a process to be none of the job's."""
        return key_of(stat) in self._strangers

    # --- who belongs to what -------------------------------------------------------------------------------------

    def _sort(self, now: Mapping[int, ProcessStat], *, complete: bool) -> dict[int, str]:
        """The step of each process of the job, by pid."""
        strangers: dict[Key, str] = {}
        found: dict[int, str | None] = {}

        def step_of(stat: ProcessStat) -> str | None:
            """Parents first. What a step has started belongs to it; anything else tells by its variables.

            As these change when a process becomes another program, who has no step is asked again: below the runner
            each time, a stranger when its name has changed.
            """
            if stat.pid not in found:
                found[stat.pid] = None  # should a chain of parents lead back to us
                parent = now.get(stat.parent)
                above = step_of(parent) if parent else None
                verdict = above or self._steps.get(key_of(stat))
                if not verdict and (above is not None or self._strangers.get(key_of(stat)) != stat.comm):
                    verdict = self._marks.step_of(stat.pid, below_anchor=above is not None)
                if verdict is None:
                    strangers[key_of(stat)] = stat.comm
                found[stat.pid] = verdict
            return found[stat.pid]

        steps = {pid: step for pid, stat in now.items() if (step := step_of(stat)) is not None}
        self._strangers = strangers | ({} if complete else self._strangers)
        self._steps = {key_of(now[pid]): step for pid, step in steps.items()}
        return steps

    # --- what was used -------------------------------------------------------------------------------------------

    def _vanished(self, now: Mapping[int, ProcessStat]) -> dict[int, int]:
        """Ticks that were counted of processes that are gone, by their nearest ancestor that is not."""
        gone = {
            pid: stat
            for pid, stat in self._before.items()
            if pid not in now or key_of(now[pid]) != key_of(stat)
        }
        ticks: dict[int, int] = {}
        for stat in gone.values():
            heir = stat.parent
            for _ in range(len(gone) + 1):
                if heir not in gone:
                    break
                heir = gone[heir].parent
            ticks[heir] = ticks.get(heir, 0) + stat.own_ticks + stat.reaped_ticks
        return ticks

    def _growth(self, stat: ProcessStat, vanished: Mapping[int, int]) -> tuple[int, int]:
        """Own ticks, and those of its unseen children, since the look before; never negative."""
        before = self._before.get(stat.pid)
        if before is not None and key_of(before) == key_of(stat):
            children = stat.reaped_ticks - before.reaped_ticks - vanished.get(stat.pid, 0)
            return max(0, stat.own_ticks - before.own_ticks), max(0, children)
        if stat.start_ticks < self._since_ticks:
            return 0, 0  # was there before us
        return stat.own_ticks, stat.reaped_ticks

    def _credit(
        self, step: str, stat: ProcessStat, *, own: float, children: float, elapsed_seconds: float
    ) -> None:
        before = self._before.get(stat.pid)
        is_new = before is None or key_of(before) != key_of(stat)
        account = self.steps.setdefault(step, Account(first_seconds=elapsed_seconds))
        account.ticks += own + children
        account.last_seconds = elapsed_seconds
        account.processes += is_new
        program = self.programs.setdefault(stat.comm, Account())
        program.ticks += own
        program.processes += is_new
        if children:
            unseen = self.programs.setdefault(f"children of {stat.comm}", Account())
            unseen.ticks += children

    def _settle(
        self, ticks: float, living: AbstractSet[Key], steps: Mapping[Key, str], elapsed_seconds: float
    ) -> None:
        """What steps used between the last look and their end came to the runner; who has left tells whose it is."""
        left = {
            steps[key_of(stat)]
            for stat in self._before.values()
            if stat.parent == self._marks.anchor_pid
            and key_of(stat) not in living
            and steps.get(key_of(stat))
        }
        if not left:
            self.unseen_ticks += ticks
        weights = {step: self.steps[step].ticks + 1 for step in left}
        for step, weight in weights.items():
            self.steps[step].ticks += ticks * weight / sum(weights.values())
            self.steps[step].last_seconds = elapsed_seconds

    def _note_memory(self, now: Mapping[int, ProcessStat], steps: Mapping[int, str]) -> int:
        by_step: dict[str, int] = {}
        by_program: dict[str, int] = {}
        for pid, step in steps.items():
            stat = now[pid]
            by_step[step] = by_step.get(step, 0) + stat.resident_pages
            by_program[stat.comm] = by_program.get(stat.comm, 0) + stat.resident_pages
        for sums, accounts in ((by_step, self.steps), (by_program, self.programs)):
            for name, pages in sums.items():
                accounts[name].peak_pages = max(accounts[name].peak_pages, pages)
        return sum(pages for step, pages in by_step.items() if step != OTHER)
