"""Saving: files are copied into a stage with their digest taken in passing, then the stage becomes the entry."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from actionlib.errors import ActionError
from actionlib.state import make_folder
from cache_lock import copying
from cache_lock.entries import DATA, FORMAT, MANIFEST, SOURCES, Record, boot_id, now, write_record
from cache_lock.manifest import ManifestWriter, Row
from cache_lock.paths import Item, PathSet
from cache_lock.scopes import Scope
from cache_lock.source_mtimes import record_sources
from cache_lock.store import Store

_BATCH_FILES = 32
_BATCH_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class SaveRequest:
    """What to save, and as what."""

    scope: Scope
    key: str
    paths: PathSet
    read_only: bool
    source_mtimes: bool


@dataclass(frozen=True, slots=True)
class Saved:
    """What came of it. `outcome`: `saved`, `already-saved`, `too-large`, `disk-full`."""

    outcome: str
    files: int = 0
    bytes: int = 0
    skipped: tuple[str, ...] = ()


MakeRoom = Callable[[int], bool]
"""Evicts until so many bytes fit into the budget; False when they never can."""


def save(store: Store, request: SaveRequest, make_room: MakeRoom) -> Saved:
    """Save one entry. Raises ActionError when there is nothing to save or a file changes meanwhile."""
    if store.find(request.scope, request.key):
        return Saved("already-saved")
    if not request.paths.exists():
        raise nothing_to_save(request.paths)
    try:
        with store.stage() as stage:
            return _save_stage(store, request, stage, make_room)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return Saved("disk-full")
        raise ActionError(
            f"'{request.key}' cannot be saved: {error.strerror} ({error.filename or store.path})",
            hint="Check the disk and the permissions of the state root",
        ) from error


def _save_stage(store: Store, request: SaveRequest, stage: Path, make_room: MakeRoom) -> Saved:
    with (stage / MANIFEST).open("wb") as file:
        writer = ManifestWriter(file)
        tree = _Tree(
            str(stage / DATA),
            request.paths,
            writer,
            read_only=request.read_only,
            shared_by_group=store.state.shared_by_group,
        )
        tree.copy()
        file.flush()
        os.fsync(file.fileno())
    if not make_room(writer.bytes):
        return Saved("too-large", writer.files, writer.bytes)
    if request.source_mtimes:
        record_sources(Path(request.paths.roots.workspace), stage / SOURCES)
    record = Record(
        format=FORMAT,
        server=request.scope.server,
        repository=request.scope.repository,
        ref=request.scope.ref,
        key=request.key,
        created=now(),
        files=writer.files,
        bytes=writer.bytes,
        paths=request.paths.lines,
        read_only=request.read_only,
        boot=boot_id(),
        manifest_sha256=writer.hexdigest(),
    )
    write_record(stage, record, store.state.file_mode())
    if store.state.shared_by_group:
        for name in (MANIFEST, SOURCES):
            if (stage / name).exists():
                (stage / name).chmod(store.state.file_mode())
    committed = store.commit(stage, request.scope, request.key)
    return Saved("saved" if committed else "already-saved", writer.files, writer.bytes, tuple(tree.skipped))


class _Tree:
    """Copies what the paths name below `data`, and writes the manifest."""

    def __init__(
        self,
        data: str,
        paths: PathSet,
        writer: ManifestWriter,
        *,
        read_only: bool,
        shared_by_group: bool,
    ) -> None:
        self._data = data
        self._paths = paths
        self._writer = writer
        self._read_only = read_only
        self._shared_by_group = shared_by_group
        self.skipped: list[str] = []
        self._mutex = threading.Lock()
        self._first_of: dict[tuple[int, int], str] = {}
        self._made: set[str] = set()

    def copy(self) -> None:
        with copying.Workers() as workers:
            batch: list[tuple[Item, str, str]] = []
            batch_bytes = 0
            for item in self._paths.walk(self._unreadable):
                root, path = self._paths.roots.locate(item.path)
                if item.kind != "f":
                    self._add_other(item, root, path)
                elif not self._is_known_link(item, root, path):
                    self._make_folder(os.path.dirname(f"{self._data}/{root}/{path}"))
                    batch.append((item, root, path))
                    batch_bytes += item.status.st_size
                if len(batch) >= _BATCH_FILES or batch_bytes >= _BATCH_BYTES:
                    workers.submit(self._task(batch))
                    batch, batch_bytes = [], 0
            workers.submit(self._task(batch))
            workers.finish()

    def _unreadable(self, error: OSError) -> None:
        if isinstance(error, FileNotFoundError):
            raise _changed(str(error.filename))
        raise ActionError(
            f"{error.filename} cannot be read: {error.strerror}", hint="Exclude it with a line '!…' in 'path'"
        ) from error

    def _add_other(self, item: Item, root: str, path: str) -> None:
        if item.kind == "d":
            mode = stat.S_IMODE(item.status.st_mode) & 0o777
            row = Row("d", root, path, mode, item.status.st_mtime_ns)
        elif item.kind == "l":
            row = Row("l", root, path, target=os.readlink(item.path))
        else:
            self.skipped.append(item.path)
            return
        with self._mutex:
            self._writer.add(row)

    def _is_known_link(self, item: Item, root: str, path: str) -> bool:
        """Files with several names (cargo links its outputs) are stored once."""
        if item.status.st_nlink < 2:
            return False
        identity = (item.status.st_dev, item.status.st_ino)
        first = self._first_of.setdefault(identity, f"{root}/{path}")
        if first == f"{root}/{path}":
            return False
        with self._mutex:
            self._writer.add(Row("h", root, path, target=first))
        return True

    def _make_folder(self, folder: str) -> None:
        """Make it and what is missing above it, for the group too, whatever the umask."""
        if folder in self._made:
            return
        if folder != self._data:
            self._make_folder(os.path.dirname(folder))
        make_folder(Path(folder), shared_by_group=self._shared_by_group)
        self._made.add(folder)

    def _task(self, batch: Sequence[tuple[Item, str, str]]) -> Callable[[], None]:
        def task() -> None:
            rows = [self._copy_file(item, root, path) for item, root, path in batch]
            with self._mutex:
                for row in rows:
                    self._writer.add(row)

        return task

    def _copy_file(self, item: Item, root: str, path: str) -> Row:
        try:
            source = os.open(item.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise _changed(item.path) from error
        except PermissionError as error:
            self._unreadable(error)
            raise
        try:
            before = os.fstat(source)
            size, sha256 = self._store_bytes(source, f"{self._data}/{root}/{path}", before)
            after = os.fstat(source)
        finally:
            os.close(source)
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, size):
            raise _changed(item.path)
        mode = before.st_mode & (0o555 if self._read_only else 0o777)
        return Row("f", root, path, mode, before.st_mtime_ns, size, sha256)

    def _store_bytes(self, source: int, target_path: str, status: os.stat_result) -> tuple[int, str]:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        target = os.open(target_path, flags, 0o600)
        try:
            if status.st_size and copying.clone(source, target):
                size, sha256 = copying.digest(target)
            else:
                size, sha256 = copying.copy(source, target)
            if self._read_only:  # the stored file itself is what hard links will show
                os.fchmod(target, status.st_mode & 0o555)
                os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
            else:
                os.fchmod(target, 0o640)
        finally:
            os.close(target)
        return size, sha256


def nothing_to_save(paths: PathSet) -> ActionError:
    """The error for paths that name nothing."""
    return ActionError(
        f"nothing to save: no file matches input 'path' ({', '.join(paths.lines)})",
        hint="Check that the step which makes the files ran before, and in this workspace",
    )


def _changed(path: str) -> ActionError:
    return ActionError(
        f"{path} changed while it was being saved", hint="Save after everything that writes there has ended"
    )
