"""The destination of a restore: stages beside it, what may be written there, and the moving in."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from actionlib.errors import ActionError
from cache_lock.paths import RESTORE_PREFIX, PathSet, is_below
from cache_lock.scratch import abandoned, remove_abandoned, scratch_folder


class Destination:
    """Where a restore writes. One stage per existing directory that receives something; gone at the end."""

    def __init__(self, paths: PathSet) -> None:
        self._paths = paths
        self._bases = paths.bases
        self._stages: dict[str, str] = {}
        """Existing directory that receives something -> its stage."""
        self._open = ExitStack()
        self._folders: dict[str, str] = {}
        """Final path of a directory -> its path in a stage."""
        self._containers: dict[str, str] = {}
        """Base -> the existing directory that its stage lies in."""
        self._absent: set[str] = set()
        """Directories that are not there yet, so that nothing below them has to be looked at."""
        self._attributes: list[tuple[str, int, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add_folder(self, absolute: str, *, mode: int, mtime_ns: int) -> None:
        """A directory, with what it is to look like in the end."""
        self._stage_folder(absolute)
        self._attributes.append((absolute, mode, mtime_ns))

    def stage_path(self, absolute: str) -> str:
        """Where to write the file that is to end up at `absolute`; its directory is made."""
        folder, name = os.path.split(absolute)
        return f"{self._stage_folder(folder, for_child=absolute)}/{name}"

    def covers(self, folder: str) -> bool:
        """Whether everything in `folder` may be restored, not just some of its files."""
        return any(is_below(folder, base) for base in self._bases)

    def _stage_folder(self, folder: str, *, for_child: str = "") -> str:
        base = self._base_of(for_child or folder)
        if staged := self._folders.get(folder):
            return staged
        container = self._containers.get(base) or self._containers.setdefault(base, _existing_folder(base))
        if container not in self._stages:
            self._stages[container] = self._folders[container] = self._open_stage(container)
        return self._made(folder if is_below(folder, container) else container, container)

    def _made(self, folder: str, container: str) -> str:
        """The directory in the container's stage that stands for `folder`."""
        if staged := self._folders.get(folder):
            return staged
        parent, name = os.path.split(folder)
        staged = self._folders[folder] = f"{self._made(parent, container)}/{name}"
        if parent in self._absent or not _is_there(folder, container):
            self._absent.add(folder)
        os.mkdir(staged)
        return staged

    def _open_stage(self, container: str) -> str:
        for path in abandoned(container, prefix=RESTORE_PREFIX):
            remove_abandoned(path)
        try:
            self._open.enter_context(_writable(container))
            return self._open.enter_context(scratch_folder(container, prefix=RESTORE_PREFIX))
        except OSError as error:
            raise ActionError(
                f"nothing can be restored into {container}: {error.strerror}",
                hint="Check who owns the directory and whether the disk is full or read-only",
            ) from error

    def _base_of(self, absolute: str) -> str:
        for base in self._bases:
            if is_below(absolute, base):
                return base
        raise ActionError(
            f"the entry holds {absolute}, which is outside of what input 'path' names "
            f"({', '.join(self._paths.lines)})",
            hint="Name its path too, if it should be restored",
        )

    def move_in(self, *, clean: bool) -> None:
        """Rename everything into place; with `clean`, empty the named paths before."""
        if clean:
            empty(self._paths)
        with _explained():
            for container, stage in self._stages.items():
                _merge(stage, container)
            self._open.close()  # now, because it changes the containers' times
            for folder, mode, mtime_ns in reversed(self._attributes):
                os.chmod(folder, mode)
                os.utime(folder, ns=(mtime_ns, mtime_ns))


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ActionError(
            f"{error.filename2 or error.filename} cannot be replaced: {error.strerror}",
            hint="Check who owns it; what comes after it was not done",
        ) from error


def _existing_folder(base: str) -> str:
    """The base itself when it is a directory, else the nearest directory above it."""
    while not os.path.isdir(base):
        base = os.path.dirname(base)
    return base


def _is_there(folder: str, container: str) -> bool:
    """Whether it exists. Raises ActionError if it is a link that leads out of the container."""
    try:
        mode = os.lstat(folder).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISLNK(mode) and not is_below(os.path.realpath(folder), os.path.realpath(container)):
        raise ActionError(
            f"restoring would write through the link {folder} -> {os.readlink(folder)}, which leads out "
            f"of {container}",
            hint="Remove the link, or name its target in input 'path'",
        )
    return True


@contextlib.contextmanager
def _writable(folder: str) -> Iterator[None]:
    """Let us change what a directory holds, also where its owner has no write permission (0555)."""
    if os.access(folder, os.W_OK | os.X_OK):
        yield
        return
    mode = stat.S_IMODE(os.stat(folder).st_mode)
    os.chmod(folder, mode | 0o300)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.chmod(folder, mode)


def _remove_tree(path: str) -> None:
    os.chmod(path, 0o700)
    for folder, names, _ in os.walk(path):
        for name in names:
            if not os.path.islink(f"{folder}/{name}"):
                os.chmod(f"{folder}/{name}", 0o700)
    shutil.rmtree(path)


def _merge(source: str, target: str) -> None:
    with os.scandir(source) as entries:
        found = list(entries)
    with _writable(target):
        _move_entries(found, target)


def _move_entries(found: Sequence[os.DirEntry[str]], target: str) -> None:
    for entry in found:
        destination = f"{target}/{entry.name}"
        try:
            there = os.lstat(destination).st_mode
        except FileNotFoundError:
            os.rename(entry.path, destination)
            continue
        if entry.is_dir(follow_symlinks=False) and os.path.isdir(destination):
            _merge(entry.path, destination)
            continue
        if stat.S_ISDIR(there):
            _remove_tree(destination)
        elif entry.is_dir(follow_symlinks=False):
            os.unlink(destination)
        os.rename(entry.path, destination)


def empty(paths: PathSet) -> None:
    """Remove what the paths name; a named directory itself stays, because it may be a mount or a link."""

    def ignore(_error: OSError) -> None:
        """Gone already, or not ours to read: the restore will tell."""

    named = {os.path.normpath(base) for base in paths.bases}
    folders: list[str] = []
    with ExitStack() as sealed, _explained():
        for item in paths.walk(ignore):
            if item.kind == "d":
                folders.append(item.path)
                sealed.enter_context(_writable(item.path))
            else:
                os.unlink(item.path)
        for folder in reversed(folders):
            if folder not in named:
                with contextlib.suppress(OSError):  # holds something that is excluded
                    os.rmdir(folder)
