"""Scratch folders whose lock file tells the living from the dead: no age rule, no pid file."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK_SUFFIX = ".lock"


@contextmanager
def scratch_folder(parent: str, *, prefix: str = "") -> Iterator[str]:
    """A new folder in `parent`, removed at the end with all that is still in it.

    The lock file stands beside it, is made before it and goes after it: a folder without one, or with one
    that nobody keeps locked, was left behind by a killed process.
    """
    while True:
        path = f"{parent}/{prefix}{uuid.uuid4().hex}"
        descriptor = os.open(path + _LOCK_SUFFIX, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_at(descriptor, path + _LOCK_SUFFIX):
            break
        os.close(descriptor)  # taken for abandoned between open and flock
    try:
        os.mkdir(path, 0o700)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + _LOCK_SUFFIX)
        os.close(descriptor)


def abandoned(parent: str, *, prefix: str = "") -> list[str]:
    """Scratch folders, and lock files of folders, that no living process stands behind."""
    try:
        names = sorted(name for name in os.listdir(parent) if name.startswith(prefix))
    except OSError:
        return []
    paths = {f"{parent}/{name.removesuffix(_LOCK_SUFFIX)}" for name in names}
    return sorted(path for path in paths if not _is_alive(path))


def remove_abandoned(path: str) -> None:
    """Remove what `abandoned` found, unless somebody has taken its lock since then.

    A lock file is there for a moment before it is locked. Whoever locks it after us finds it gone (`_is_at`).
    """
    try:
        descriptor = os.open(path + _LOCK_SUFFIX, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        shutil.rmtree(path, ignore_errors=True)
        return
    except OSError:
        return  # another user's
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(descriptor, path + _LOCK_SUFFIX):
            shutil.rmtree(path, ignore_errors=True)
            os.unlink(path + _LOCK_SUFFIX)
    except OSError:
        return  # alive after all
    finally:
        os.close(descriptor)


def _is_alive(path: str) -> bool:
    try:
        descriptor = os.open(path + _LOCK_SUFFIX, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # another user's
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
