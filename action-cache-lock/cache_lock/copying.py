"""Copying files with their digest taken in passing, several at once, in constant memory."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

FICLONE = 0x40049409  # ioctl_ficlone(2): _IOW(0x94, 9, int)
_NO_CLONE = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM}
_CHUNK = 1 << 20
_buffers = threading.local()


def _buffer() -> memoryview:
    if not hasattr(_buffers, "view"):
        _buffers.view = memoryview(bytearray(_CHUNK))
    return _buffers.view  # type: ignore[no-any-return]


def clone(source: int, target: int) -> bool:
    """Share the source's blocks (reflink); False where the file system cannot."""
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError as error:
        if error.errno in _NO_CLONE:
            return False
        raise
    return True


def copy(source: int, target: int) -> tuple[int, str]:
    """Copy all bytes; returns their number and SHA-256 (hex)."""
    digest = hashlib.sha256()
    view = _buffer()
    size = 0
    while count := os.readv(source, [view]):
        chunk = view[:count]
        digest.update(chunk)
        written = os.write(target, chunk)
        while written < count:
            written += os.write(target, chunk[written:])
        size += count
    return size, digest.hexdigest()


def digest(source: int) -> tuple[int, str]:
    """Number and SHA-256 (hex) of the bytes from the descriptor's position on."""
    sha256 = hashlib.sha256()
    view = _buffer()
    size = 0
    while count := os.readv(source, [view]):
        sha256.update(view[:count])
        size += count
    return size, sha256.hexdigest()


class Workers:
    """A bounded pool: `submit` waits when too much is queued, the first error stops everything.

    Threads do, because reading, writing and hashing let go of Python's global lock.
    """

    def __init__(self, *, threads: int | None = None) -> None:
        count = threads or min(8, max(2, (os.cpu_count() or 2)))
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="copy")
        self._room = threading.Semaphore(count * 4)
        self._error: BaseException | None = None

    def submit(self, task: Callable[[], None]) -> None:
        """Queue a task. Raises the first error of an earlier one."""
        self._room.acquire()
        if self._error is not None:
            self._room.release()
            raise self._error
        self._pool.submit(task).add_done_callback(self._done)

    def _done(self, future: Future[None]) -> None:
        if not future.cancelled() and (error := future.exception()) and self._error is None:
            self._error = error
        self._room.release()

    def finish(self) -> None:
        """Wait for all tasks; raise the first error."""
        self._pool.shutdown(wait=True)
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)
