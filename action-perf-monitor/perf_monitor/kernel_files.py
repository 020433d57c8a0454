"""Small files of /proc and /sys, read with two system calls: pathlib and decoding would cost more than the kernel."""

from __future__ import annotations

import os

_CHUNK = 65_536


def read_once(path: str) -> bytes:
    """The file's first 64 KiB, by one read: all of a file that the kernel makes in one go. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _CHUNK)
    finally:
        os.close(descriptor)


def read_all(path: str, *, limit_bytes: int = 4 << 20) -> bytes:
    """The whole file, up to `limit_bytes`. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts: list[bytes] = []
        size = 0
        while size < limit_bytes and (part := os.read(descriptor, _CHUNK)):
            parts.append(part)
            size += len(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def try_read(path: str) -> bytes:
    """The whole file; nothing where it cannot be read."""
    try:
        return read_all(path)
    except OSError:
        return b""


def try_number(path: str) -> int | None:
    """The one whole number in a file; None where there is none."""
    try:
        return int(try_read(path))
    except ValueError:
        return None


def keyed_numbers(text: bytes) -> dict[bytes, int]:
    """Lines `name number`, as in /proc/vmstat, memory.stat or cpu.stat; other lines are left out."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(b" ")
        if value.isdigit():
            found[name] = int(value)
    return found
