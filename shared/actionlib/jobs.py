"""Who is the job: the process, or under act the folder, with whose end everything held for a job ends too.

GITHUB_RUN_ID cannot tell jobs apart: act always says 1, and a matrix shares it.
"""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, get_args

from actionlib.errors import ActionError
from actionlib.processes import PROC, Stat, open_pidfd, read_stat
from actionlib.processes import Process as Process

CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
CHECK_SECONDS = 0.5  # how often what the kernel cannot report to us is looked at

JobKind = Literal["runner", "act", "container", "session"]

# After a self-update of the runner, `bin` is a link to `bin.<version>`.
_WORKER = re.compile(r"(^|/)bin[^/]*/Runner\.Worker$")
_ACT = frozenset({"act", "gh-act"})


@dataclass(frozen=True, slots=True)
class Job:
    """A job. `identity` is a file-safe name that no other job has had, on this boot or an earlier one."""

    kind: JobKind
    identity: str
    anchor: Process
    folder: Path | None = None

    def is_alive(self) -> bool:
        """Whether the job still runs; one of another pid namespace cannot be judged and counts as alive."""
        _, boot, namespace, *_ = self.identity.split("-")
        if boot != _boot(PROC):
            return False
        if namespace != _namespace(PROC, os.getpid()):
            return True
        return self.anchor.is_alive() and (self.folder is None or self.folder.exists())

    def to_json(self) -> dict[str, Any]:
        """The job as a JSON object."""
        return {
            "kind": self.kind,
            "identity": self.identity,
            "pid": self.anchor.pid,
            "start_ticks": self.anchor.start_ticks,
            "folder": None if self.folder is None else str(self.folder),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Job:
        """The job that `to_json` wrote. Raises ValueError when the object is not one."""
        try:
            kind, identity = value["kind"], str(value["identity"])
            anchor = Process(int(value["pid"]), int(value["start_ticks"]))
            folder = None if value["folder"] is None else Path(value["folder"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this is not a job: {value!r}") from error
        if kind not in get_args(JobKind) or not re.fullmatch(r"[a-z]+-[0-9a-f]+-\d+-[\w-]+", identity):
            raise ValueError(f"this is not a job: {value!r}")
        return cls(kind, identity, anchor, folder)


def where_we_are(*, proc: Path = PROC, pid: int | None = None) -> str:
    """This boot and pid namespace: only what was noted in the same place names processes that we can see."""
    return f"{_boot(proc)}-{_namespace(proc, pid or os.getpid())}"


def _boot(proc: Path) -> str:
    return (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip().replace("-", "")[:12]


def _namespace(proc: Path, pid: int) -> str:
    """The number of the pid namespace: PID 1 of two containers may have started in the same clock tick."""
    with suppress(OSError):
        return re.sub(r"\D", "", str((proc / str(pid) / "ns/pid").readlink())) or "0"
    return "0"


def _ancestors(pid: int, proc: Path) -> Iterator[Stat]:
    """Parent, grandparent and so on, as far as they can be seen."""
    seen = {pid}
    with suppress(ProcessLookupError):
        parent = read_stat(pid, proc=proc).parent
        while parent > 0 and parent not in seen:
            seen.add(parent)
            stat = read_stat(parent, proc=proc)
            yield stat
            parent = stat.parent


def _argv(pid: int, proc: Path) -> list[str]:
    with suppress(OSError):
        return (proc / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    return []


def _is_worker(argv: Sequence[str]) -> bool:
    return len(argv) > 1 and bool(_WORKER.search(argv[0])) and argv[1] == "spawnclient"


def _is_act(argv: Sequence[str]) -> bool:
    return bool(argv) and argv[0].rpartition("/")[2] in _ACT


def in_container(
    environ: Mapping[str, str],
    *,
    proc: Path = PROC,
    pid: int | None = None,
    marks: Sequence[Path] = CONTAINER_MARKS,
) -> bool:
    """Whether this is a job container.

    A runner (or act) that itself runs in a container leaves the same marks, but there it is our ancestor;
    from inside a job container it cannot be seen.
    """
    if environ.get("GITHUB_ACTIONS") != "true" or not any(mark.exists() for mark in marks):
        return False
    lines = (_argv(stat.pid, proc) for stat in _ancestors(pid or os.getpid(), proc))
    return not any(_is_worker(argv) or _is_act(argv) for argv in lines)


def current_job(
    environ: Mapping[str, str],
    *,
    proc: Path = PROC,
    pid: int | None = None,
    marks: Sequence[Path] = CONTAINER_MARKS,
) -> Job:
    """The job that process `pid` (default: we) belongs to.

    Ask before detaching, and pass the answer on: a daemon has lost its ancestors. Raises ActionError for a step whose
    worker has been killed: its job has ended, and what would be kept for it would be kept for ever.
    """
    own = pid or os.getpid()
    chain = list(_ancestors(own, proc))
    where = where_we_are(proc=proc, pid=own)

    def by_process(kind: JobKind, anchor: Process) -> Job:
        return Job(kind, f"{kind}-{where}-{anchor.pid}-{anchor.start_ticks}", anchor)

    for stat in chain:
        if _is_worker(_argv(stat.pid, proc)):
            return by_process("runner", Process(stat.pid, stat.start_ticks))
    # JobExtension.cs sets it for what the worker starts; it does not reach into a job container.
    if (
        environ.get("GITHUB_ACTIONS") == "true"
        and environ.get("RUNNER_TRACKING_ID")
        and environ.get("ACT") != "true"
    ):
        raise ActionError("the runner's worker that started this step is gone: the job has ended")
    contained = in_container(environ, proc=proc, pid=own, marks=marks)
    if environ.get("ACT") == "true" and environ.get("RUNNER_TEMP") and not contained:
        # All jobs of one act run share its process: the job is its folder.
        folder = Path(environ["RUNNER_TEMP"]).absolute().parent
        import hashlib  # loads OpenSSL: 3 MB that a sampler of the same code must not have

        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        return Job("act", f"act-{where}-{digest}", _act_process(chain, own, proc), folder)
    if contained:
        return by_process("container", Process.of(1, proc=proc))
    return by_process("session", _session_process(own, proc))


def _act_process(chain: Sequence[Stat], own: int, proc: Path) -> Process:
    """The act process; under another name the topmost ancestor, which lives at least as long."""
    acts = [stat for stat in chain if _is_act(_argv(stat.pid, proc))]
    others = [stat for stat in chain if stat.pid != 1] or chain
    if not others:
        return Process.of(own, proc=proc)
    stat = acts[0] if acts else others[-1]
    return Process(stat.pid, stat.start_ticks)


def _session_process(own: int, proc: Path) -> Process:
    """The session's leader; where that is dead, unseen or we ourselves, our parent."""
    me = read_stat(own, proc=proc)
    for pid in (me.session, me.parent):
        if pid > 0 and pid != own:
            with suppress(ProcessLookupError):
                stat = read_stat(pid, proc=proc)
                if stat.is_running:
                    return Process(pid, stat.start_ticks)
    return Process(own, me.start_ticks)


@dataclass(frozen=True, slots=True)
class Wake:
    """Why a wait ended: neither of both means that its time was over."""

    job_ended: bool = False
    readable: frozenset[int] = frozenset()


class JobWatch:
    """Waits for a job's end. The kernel reports the anchor's; act's folder is looked at every half second."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._pidfd: int | None = None

    def __enter__(self) -> JobWatch:
        with suppress(ProcessLookupError):
            self._pidfd = open_pidfd(self._job.anchor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def wait(self, *, timeout_seconds: float | None, also: Sequence[int] = ()) -> Wake:
        """Wait until the job has ended, one of `also` can be read (or was hung up), or time is over."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        poller = select.poll()
        for descriptor in (*also, *(() if self._pidfd is None else (self._pidfd,))):
            poller.register(descriptor, select.POLLIN)
        sliced = self._pidfd is None or self._job.folder is not None
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            pause = CHECK_SECONDS if sliced and (left is None or left > CHECK_SECONDS) else left
            if not self._job.is_alive():
                pause = 0
            ready = {descriptor for descriptor, _ in poller.poll(None if pause is None else pause * 1000)}
            ended = self._pidfd in ready or not self._job.is_alive()
            wake = Wake(ended, frozenset(ready & set(also)))
            if wake != Wake() or left == 0:
                return wake
