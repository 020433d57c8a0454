"""The environments of this host's user: a folder with a record for each, found again by later steps and jobs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from actionlib.errors import ActionError
from actionlib.jobs import Job, where_we_are
from actionlib.process_tree import send_signal, snapshot
from actionlib.processes import PROC, Process
from headless_env.displays import release_displays
from headless_env.world import MARKER

PREFIX = "he-"
RECORD = "environment.json"
MARK = ".coldvox-headless"  # says that a folder is ours, and in which pid namespace its processes are
ENV_FILE = "env"
# sockaddr_un.sun_path holds 108 bytes (unix(7)); the longest name below XDG_RUNTIME_DIR takes about 28.
RUNTIME_LIMIT = 80
ABANDONED_SECONDS = 60  # a folder without a record: its step died in its first milliseconds


@dataclass(frozen=True, slots=True)
class Record:
    """What others may know of an environment."""

    identity: str
    job: Mapping[str, Any]
    supervisor: Mapping[str, int]
    log_dir: str
    state: str = "starting"  # then ready, restarted, unhealthy
    exports: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    components: Mapping[str, str] = field(default_factory=dict)  # what was chosen, e.g. {"audio": "pipewire"}
    events: tuple[str, ...] = ()

    @property
    def process(self) -> Process:
        """The supervisor."""
        return Process(self.supervisor["pid"], self.supervisor["start_ticks"])

    @property
    def keeper(self) -> Process:
        """The supervisor's parent, which outlives it until every trace is gone."""
        return Process(self.supervisor["keeper_pid"], self.supervisor["keeper_start_ticks"])

    @property
    def health(self) -> str:
        """`healthy`, `restarted` or `unhealthy`."""
        return {"ready": "healthy"}.get(self.state, self.state)


def base_folder(environ: Mapping[str, str]) -> Path:
    """Where environments lie: TMPDIR, else /tmp. Not RUNNER_TEMP: sockets need short paths."""
    base = Path(environ.get("TMPDIR") or "/tmp").absolute()  # noqa: S108  (0700 folders with random names)
    if odd := "".join(sorted(set(re.sub(r"[\w./-]", "", str(base), flags=re.ASCII)))):
        raise ActionError(
            f"TMPDIR is '{base}': allowed are ASCII letters, digits and ./_- (found {odd!r}), because the path "
            "becomes part of D-Bus addresses and of configuration files",
            hint="Set TMPDIR to a plainer path, or unset it",
        )
    longest = len(os.fsencode(base / f"{PREFIX}12345678/run"))
    if longest > RUNTIME_LIMIT:
        raise ActionError(
            f"TMPDIR is '{base}': XDG_RUNTIME_DIR below it would have {longest} characters; allowed: up to "
            f"{RUNTIME_LIMIT}, because the path of a socket ends at 107",
            hint="Set TMPDIR to a shorter path, or unset it",
        )
    return base


def make_folder(base: Path) -> Path:
    """A new environment's folder, 0700. Raises ActionError when it cannot be made."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        (folder / MARK).write_text(where_we_are(), encoding="ascii")
        (folder / "run").mkdir(mode=0o700)
    except OSError as error:
        raise ActionError(
            f"no folder can be made in {base}: {error.strerror}",
            hint="Make room there, or set TMPDIR to a folder that this user may write",
        ) from error
    return folder


def write_record(folder: Path, record: Record) -> None:
    """Replace the record at once, so that no reader sees half of it."""
    temporary = folder / f".{RECORD}.{os.getpid()}"
    temporary.write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")
    temporary.chmod(0o600)
    temporary.replace(folder / RECORD)


def read_record(folder: Path) -> Record | None:
    """The record in `folder`, or None when there is none (yet) or it is not ours."""
    path = folder / RECORD
    try:
        if path.stat().st_uid != os.geteuid():
            return None
        given = json.loads(path.read_text(encoding="utf-8"))
        values = {
            one.name: given[one.name] for one in fields(Record) if one.name in given
        }  # of a later version, too
        values["unset"], values["events"] = tuple(values["unset"]), tuple(values["events"])
        record = Record(**values)
        Job.from_json(record.job)
        record.process.is_alive()
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return record


def own_folders(base: Path) -> Iterator[Path]:
    """The folders of all environments of our uid whose processes we can see. Others may be named like them."""
    here = where_we_are()
    for path in sorted(base.glob(f"{PREFIX}*")):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if (
                stat.S_ISDIR(status.st_mode)
                and status.st_uid == os.geteuid()
                and (path / MARK).read_text(encoding="ascii") == here
            ):
                yield path


def environments_of(job: Job, base: Path) -> list[tuple[Path, Record]]:
    """The environments that `job` started, the latest last."""
    found = []
    for folder in own_folders(base):
        record = read_record(folder)
        if record and record.job["identity"] == job.identity:
            found.append((folder, record))
    return sorted(found, key=lambda one: (one[1].process.start_ticks, one[0].stat().st_mtime_ns))


def remove_leftovers(base: Path) -> list[str]:
    """Clean up after environments whose supervisors were killed; returns their identities.

    What has a record that cannot be read is left alone: who wrote it may be alive.
    """
    removed = []
    for folder in own_folders(base):
        record = read_record(folder)
        if record is None:
            with contextlib.suppress(OSError):
                age = time.time() - (folder / MARK).stat().st_mtime
                if age > ABANDONED_SECONDS and not (folder / RECORD).exists():
                    remove_traces(folder, supervisor_pid=0)
                    removed.append(folder.name)
        elif not record.process.is_alive() and not record.keeper.is_alive():
            remove_traces(folder, supervisor_pid=record.process.pid)
            removed.append(folder.name)
    return removed


def remove_traces(folder: Path, *, supervisor_pid: int) -> None:
    """End what carries the environment's marker, and remove its display's lock and socket and its folder."""
    end_marked(folder.name)
    if supervisor_pid:
        release_displays(pid=supervisor_pid)
    shutil.rmtree(folder, ignore_errors=True)


def marked_processes(identity: str) -> list[Process]:
    """Processes that carry the environment's marker."""
    needle = f"{MARKER}={identity}".encode()
    found = []
    for pid, one in snapshot().items():
        with contextlib.suppress(OSError):
            if pid != os.getpid() and needle in (PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                found.append(Process(pid, one.start_ticks))
    return found


def end_marked(identity: str, *, timeout_seconds: float = 2) -> None:
    """SIGKILL all that carries the marker, until none is left. Nothing else is ever touched."""
    deadline = time.monotonic() + timeout_seconds
    while (found := marked_processes(identity)) and time.monotonic() < deadline:
        for process in found:
            send_signal(process, signal.SIGKILL)
        time.sleep(0.005)
