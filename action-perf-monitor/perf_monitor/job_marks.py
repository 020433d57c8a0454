"""By what a process is known to belong to our job, and to which of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perf_monitor.kernel_files import read_all

# The runner gives all processes of one job a tracking id of its own. act gives none; there no other job has the same
# folder at the same time.
TRACKING = "RUNNER_TRACKING_ID"
FALLBACK = ("GITHUB_RUN_ID", "GITHUB_JOB", "GITHUB_RUN_ATTEMPT", "RUNNER_TEMP")
STEP = "GITHUB_ACTION"
# In a composite action act sets the id of the inner step, which says nothing; the runner keeps the workflow's own.
ACT, ACTION_FOLDER = "ACT", "GITHUB_ACTION_PATH"


@dataclass(frozen=True, slots=True)
class JobMarks:
    """The job's variables, and its anchor process if all below that one is the job's (0: there is none)."""

    variables: Mapping[str, str]
    anchor_pid: int = 0
    only_step: str = ""  # the step of all that has the marks, where there is but one
    proc: str = "/proc"

    @classmethod
    def of(cls, environ: Mapping[str, str], *, anchor_pid: int = 0) -> JobMarks:
        """The marks that this step's own environment has."""
        names = (TRACKING,) if environ.get(TRACKING) else FALLBACK
        return cls({name: environ[name] for name in names if environ.get(name)}, anchor_pid)

    def step_of(self, pid: int, *, below_anchor: bool) -> str | None:
        """The id of its step, empty when it belongs to the job and to no step, None when it is a stranger.

        Asked for a process whose parent belongs to no step.
        """
        if pid == self.anchor_pid:
            return ""
        found = self._variables(pid)
        if found is None:
            return "" if below_anchor else None
        ours = bool(self.variables) and all(
            found.get(name.encode()) == value.encode("utf-8", "surrogateescape")
            for name, value in self.variables.items()
        )
        if ours or below_anchor:
            return self.only_step or _step_named_by(found)
        return None

    def _variables(self, pid: int) -> dict[bytes, bytes] | None:
        """Those of a process's environment that matter, as they were at its exec; None when it cannot be read."""
        try:
            block = read_all(f"{self.proc}/{pid}/environ")
        except OSError:
            return None
        wanted = {name.encode() for name in (*self.variables, STEP, ACT, ACTION_FOLDER)}
        pairs = (entry.partition(b"=") for entry in block.split(b"\0"))
        return {name: value for name, _, value in pairs if name in wanted}


def _step_named_by(variables: Mapping[bytes, bytes]) -> str:
    folder = variables.get(ACTION_FOLDER.encode(), b"").rstrip(b"/") if variables.get(ACT.encode()) else b""
    name = folder.rpartition(b"/")[2] or variables.get(STEP.encode(), b"")
    return name.decode("utf-8", "replace")
