"""The state root: one folder per host, shared by all runner services, whose parts carry their format's version."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from actionlib.errors import ActionError
from actionlib.jobs import Job, in_container

_JOB_NOTE = "job.json"
SYSTEM_ROOT = Path("/var/lib/coldvox-actions")

# flock is emulated or not shared between clients on these (flock(2), NOTES), so locks would not exclude.
_NETWORK = """
    9p afs beegfs ceph cifs coda fuse.ceph fuse.glusterfs fuse.gcsfuse fuse.rclone fuse.s3fs fuse.sshfs gfs gfs2
    glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 orangefs smb3 smbfs virtiofs
"""
NETWORK_FILE_SYSTEMS = frozenset(_NETWORK.split())


class NotMountedError(ActionError):
    """A job container has no state root of its host: nothing that is kept there is shared, or outlives the job."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of /proc/self/mountinfo: where, and what kind of file system."""

    point: Path
    kind: str


def find_mount(path: Path, *, mountinfo: Path = Path("/proc/self/mountinfo")) -> Mount:
    """The mount that `path` lies on: the last listed of the longest mount points above it (proc(5))."""
    real = path.resolve()
    best = Mount(Path("/"), "")
    for line in mountinfo.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        left, _, right = line.partition(" - ")
        point = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), left.split(" ")[4]))
        if real.is_relative_to(point) and len(point.parts) >= len(best.point.parts):
            best = Mount(point, right.split(" ")[0])
    return best


def refuse_network_file_system(path: Path, *, mountinfo: Path = Path("/proc/self/mountinfo")) -> None:
    """Raise ActionError, naming the file system, when locks below `path` could not be trusted."""
    mount = find_mount(path, mountinfo=mountinfo)
    if mount.kind in NETWORK_FILE_SYSTEMS:
        raise ActionError(
            f"the state root {path} lies on a network file system ({mount.kind}, mounted at {mount.point}), "
            "on which file locks do not exclude reliably",
            hint="Set COLDVOX_ACTIONS_HOME to a folder on a local disk of this host",
        )


def _root_path(environ: Mapping[str, str]) -> Path:
    if home := environ.get("COLDVOX_ACTIONS_HOME"):
        if not Path(home).is_absolute():
            raise ActionError(f"COLDVOX_ACTIONS_HOME is '{home}'; allowed: an absolute path")
        return Path(home)
    if SYSTEM_ROOT.is_dir():
        return SYSTEM_ROOT
    base = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".local/state")
    return Path(base) / "coldvox-actions"


@dataclass(frozen=True, slots=True)
class StateRoot:
    """The opened state root. `trusted_uids` own what may be used; the folder's group may share it."""

    path: Path
    trusted_uids: frozenset[int]
    shared_by_group: bool

    def folder(self, *parts: str) -> Path:
        """A folder below the root, made when absent (0770 and setgid where a group shares the root, else 0700)."""
        current = self.path
        for part in parts:
            current = current / part
            if not current.is_dir():
                make_folder(current, shared_by_group=self.shared_by_group)
        return current

    def job_folder(self, job: Job, *parts: str) -> Path:
        """A folder for what belongs to a job; it says whose it is, so that it can go when the job has ended."""
        note = self.folder("runs", job.identity) / _JOB_NOTE
        if not note.exists():
            temporary = note.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(job.to_json()), encoding="utf-8")
            temporary.chmod(self.file_mode())
            temporary.replace(note)
        return self.folder("runs", job.identity, *parts)

    def ended_jobs(self) -> list[Path]:
        """Folders of jobs that have ended."""
        return [note.parent for note in sorted(self.path.glob(f"runs/*/{_JOB_NOTE}")) if _has_ended(note)]

    def file_mode(self) -> int:
        """Permissions for a new state file."""
        return 0o660 if self.shared_by_group else 0o600

    def trusts(self, owner: int) -> bool:
        """Whether what `owner` (a uid) wrote may be used."""
        return owner in self.trusted_uids


def leave_job_folder(folder: Path) -> None:
    """Remove a job's folder if nothing but the note of its owner is left in it."""
    with contextlib.suppress(OSError):  # other things of the job may lie there
        if [path.name for path in folder.iterdir()] == [_JOB_NOTE]:
            (folder / _JOB_NOTE).unlink()
            folder.rmdir()


def _has_ended(note: Path) -> bool:
    try:
        return not Job.from_json(json.loads(note.read_text(encoding="utf-8"))).is_alive()
    except (OSError, ValueError, KeyError, TypeError, ActionError):
        return False


def make_folder(path: Path, *, shared_by_group: bool) -> None:
    """mkdir with exactly the permissions that the state root prescribes, whatever the umask. Two may race."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        return
    if shared_by_group:
        path.chmod(0o2770)


def open_state(environ: Mapping[str, str], *, mountinfo: Path = Path("/proc/self/mountinfo")) -> StateRoot:
    """Find, make and check the state root.

    Raises ActionError when it exists but cannot be written (falling through to another one would split the
    locks in silence), lies on a network file system, belongs to a stranger, or when a job container has none
    mounted from its host.
    """
    path = _root_path(environ)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ActionError(
            f"the state root {path} cannot be made: {error.strerror}",
            hint="Set COLDVOX_ACTIONS_HOME to a folder that this user may write",
        ) from error
    refuse_network_file_system(path, mountinfo=mountinfo)
    if in_container(environ) and path.stat().st_dev == Path("/").stat().st_dev:
        raise NotMountedError(
            f"this job runs in a container and its state root {path} is not mounted from the host: "
            "host-wide locks would exclude nobody",
            hint="Mount it, e.g. `container: {volumes: ['/var/lib/coldvox-actions:/var/lib/coldvox-actions']}`",
        )
    return _checked(path, environ)


def _checked(path: Path, environ: Mapping[str, str]) -> StateRoot:
    status = path.stat()
    trusted = frozenset({os.geteuid(), 0}) | _listed_uids(environ)
    if not os.access(path, os.W_OK | os.X_OK):
        raise ActionError(
            f"the state root {path} (owner uid {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o}) "
            f"cannot be written by uid {os.geteuid()}",
            hint="Make it group-writable for the runners' group (chmod 2770), or set COLDVOX_ACTIONS_HOME",
        )
    shared = bool(status.st_mode & stat.S_IWGRP)
    if status.st_uid not in trusted:
        raise ActionError(
            f"the state root {path} belongs to uid {status.st_uid}, which is not trusted",
            hint="Add the uid to COLDVOX_ACTIONS_TRUSTED_UIDS, or set COLDVOX_ACTIONS_HOME to another folder",
        )
    if status.st_mode & stat.S_IWOTH:
        raise ActionError(
            f"the state root {path} may be written by everybody (mode {stat.S_IMODE(status.st_mode):04o})",
            hint=f"Run: chmod o-w {path}",
        )
    return StateRoot(path=path, trusted_uids=trusted, shared_by_group=shared)


def _listed_uids(environ: Mapping[str, str]) -> frozenset[int]:
    text = environ.get("COLDVOX_ACTIONS_TRUSTED_UIDS", "")
    try:
        return frozenset(int(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise ActionError(
            f"COLDVOX_ACTIONS_TRUSTED_UIDS is '{text}'; allowed: numeric uids separated by commas"
        ) from error
