"""Restoring: an entry's files are laid out in a stage beside their destination, checked, then moved in.

Nothing in the destination changes before every file is there and right. The stage lies on the destination's
own file system, so that moving in is renaming.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from actionlib.errors import ActionError
from actionlib.state import StateRoot
from cache_lock import copying
from cache_lock.entries import DATA, MANIFEST, Entry, boot_id
from cache_lock.manifest import DamagedManifestError, Row, check_manifest, read_rows
from cache_lock.paths import PathSet
from cache_lock.placing import Destination
from cache_lock.store import stranger_error

_BATCH_FILES = 64
_BATCH_BYTES = 8 << 20


class DamagedEntryError(Exception):
    """What is on disk is not what was saved."""


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """How to bring an entry back."""

    paths: PathSet
    materialize: str
    verify_content: bool
    clean: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back, and how: `copy`, `reflink`, `hardlink` or `symlink`."""

    method: str
    files: int
    bytes: int


def restore(entry: Entry, request: RestoreRequest, state: StateRoot) -> Restored:
    """Bring the entry's files back.

    Raises DamagedEntryError when they are not what was saved, ActionError when they would leave the allowed
    paths, belong to a stranger, or when the asked-for method cannot work; then nothing has changed.
    """
    if request.materialize in ("hardlink", "symlink") and not entry.record.read_only:
        raise ActionError(
            f"entry '{entry.record.key}' was saved without 'read-only: true', and 'materialize: "
            f"{request.materialize}' would let this job change the stored files",
            hint="Save it with 'read-only: true', or use 'materialize: auto'",
        )
    try:
        check_manifest(entry.folder / MANIFEST, entry.record.manifest_sha256)
        with Destination(request.paths) as destination:
            layout = _Layout(entry, request, state, destination)
            _stage(layout, entry)
            destination.move_in(clean=request.clean)
    except DamagedManifestError as error:
        raise DamagedEntryError(str(error)) from error
    return Restored(layout.method, layout.files, layout.bytes)


def _stage(layout: _Layout, entry: Entry) -> None:
    try:
        layout.stage()
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise DamagedEntryError(f"two rows of its manifest exclude each other ({error})") from error
    except OSError as error:
        where = f" at {error.filename}" if error.filename else ""
        raise ActionError(
            f"entry '{entry.record.key}' cannot be restored{where}: {error.strerror}",
            hint="Nothing was changed. Check whether the disk is full or read-only",
        ) from error


class _Layout:
    """Puts every row of the manifest into the stage."""

    def __init__(
        self, entry: Entry, request: RestoreRequest, state: StateRoot, destination: Destination
    ) -> None:
        self._data = str(entry.folder / DATA)
        self._manifest = entry.folder / MANIFEST
        self._state = state
        self._destination = destination
        self._roots = request.paths.roots
        self._clone_only = request.materialize == "reflink"
        self._may_clone = request.materialize in ("auto", "reflink")
        self._link = request.materialize if request.materialize in ("hardlink", "symlink") else ""
        # Data is not flushed on save, because its digests tell whether it survived: a copy reads them anyway,
        # and where nothing is read it is checked once the page cache that wrote it is gone.
        self._verify = request.verify_content or entry.record.boot != boot_id()
        self._euid = os.geteuid()
        self._copied = False
        self._staged: dict[tuple[str, str], str] = {}
        """Root and directory of a row -> where its files are to be written."""
        self.files = 0
        self.bytes = 0

    @property
    def method(self) -> str:
        """How the files came out."""
        if self._link and not self._copied:
            return self._link
        return "reflink" if self._may_clone and not self._copied and self.bytes else "copy"

    def stage(self) -> None:
        """Lay out all rows; the links to other files last."""
        links: list[Row] = []
        with copying.Workers() as workers:
            batch: list[tuple[Row, str]] = []
            batch_bytes = 0
            for row in read_rows(self._manifest):
                if row.kind == "d":
                    absolute = self._roots.absolute(row.root, row.path)
                    self._destination.add_folder(absolute, mode=row.mode, mtime_ns=row.mtime_ns)
                    continue
                if row.kind in ("l", "h"):
                    links.append(row)
                    continue
                batch.append((row, self._target(row)))
                batch_bytes += row.size
                self.files += 1
                self.bytes += row.size
                if len(batch) >= _BATCH_FILES or batch_bytes >= _BATCH_BYTES:
                    workers.submit(self._task(batch))
                    batch, batch_bytes = [], 0
            workers.submit(self._task(batch))
            workers.finish()
        for row in links:
            self._add_link(row)

    def _target(self, row: Row) -> str:
        """Where in the stage the row's file is to be written."""
        folder, _, name = row.path.rpartition("/")
        if staged := self._staged.get((row.root, folder)):
            return f"{staged}/{name}"
        absolute = self._roots.absolute(row.root, row.path)
        target = self._destination.stage_path(absolute)
        if self._destination.covers(os.path.dirname(absolute)):
            self._staged[row.root, folder] = os.path.dirname(target)
        return target

    def _task(self, batch: Sequence[tuple[Row, str]]) -> Callable[[], None]:
        def task() -> None:
            for row, target in batch:
                self._place(row, f"{self._data}/{row.root}/{row.path}", target)

        return task

    def _place(self, row: Row, source_path: str, target: str) -> None:
        if self._link and not self._verify and self._link_unread(row, source_path, target):
            return
        try:
            source = os.open(source_path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError:
            raise
        except OSError as error:
            raise DamagedEntryError(f"{row.path}: {error.strerror}") from error
        try:
            status = os.fstat(source)
            self._check(row, source_path, status)
            if self._link and self._may_link(status):
                _compare(row, copying.digest(source))
                if self._link_file(source_path, target):
                    return
                os.lseek(source, 0, os.SEEK_SET)
            self._write(row, source, target)
        finally:
            os.close(source)

    def _link_unread(self, row: Row, source_path: str, target: str) -> bool:
        try:
            status = os.lstat(source_path)
        except FileNotFoundError as error:
            raise DamagedEntryError(f"{row.path}: {error.strerror}") from error
        self._check(row, source_path, status)
        return self._may_link(status) and self._link_file(source_path, target)

    def _check(self, row: Row, source_path: str, status: os.stat_result) -> None:
        if not self._state.trusts(status.st_uid):
            raise stranger_error(Path(source_path), status.st_uid)
        if not stat.S_ISREG(status.st_mode) or status.st_size != row.size:
            raise DamagedEntryError(f"{row.path} has {status.st_size} bytes, and should have {row.size}")

    def _may_link(self, status: os.stat_result) -> bool:
        return status.st_uid == self._euid or self._link == "symlink"

    def _link_file(self, source_path: str, target: str) -> bool:
        if self._link == "symlink":
            os.symlink(source_path, target)
            return True
        try:
            os.link(source_path, target)
        except OSError:  # another file system, or too many links: copy
            return False
        return True

    def _write(self, row: Row, source: int, target_path: str) -> None:
        target = os.open(target_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if self._may_clone and row.size and copying.clone(source, target):
                if self._verify:
                    _compare(row, copying.digest(source))
            elif row.size or not self._may_clone:
                self._may_clone, self._copied = False, True
                if self._clone_only:
                    raise ActionError(
                        f"'materialize: reflink' is not possible from {self._data} to {target_path}",
                        hint="Both must lie on one btrfs or XFS file system; use 'materialize: auto'",
                    )
                os.lseek(source, 0, os.SEEK_SET)
                _compare(row, copying.copy(source, target))
            os.fchmod(target, row.mode)
            os.utime(target, ns=(row.mtime_ns, row.mtime_ns))
        finally:
            os.close(target)

    def _add_link(self, row: Row) -> None:
        target = self._destination.stage_path(self._roots.absolute(row.root, row.path))
        if row.kind == "l":
            os.symlink(row.target, target)
            return
        root, _, path = row.target.partition("/")
        original = self._destination.stage_path(self._roots.absolute(root, path))
        try:
            os.link(original, target, follow_symlinks=False)
        except FileNotFoundError as error:
            raise DamagedEntryError(f"{row.path} is a link to {row.target}: {error.strerror}") from error
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM):
                raise
            shutil.copy2(original, target, follow_symlinks=False)  # two file systems on this host


def _compare(row: Row, found: tuple[int, str]) -> None:
    size, sha256 = found
    if size != row.size or sha256 != row.sha256:
        raise DamagedEntryError(f"{row.path} has sha256 {sha256}, and should have {row.sha256}")
