"""The end of a log, for an error message."""

from __future__ import annotations

import os
from pathlib import Path

TAIL_BYTES = 4000


def tail(path: Path, *, limit: int = TAIL_BYTES, begin: int = 0) -> str:
    """The last `limit` bytes of a log as text, of what came after its first `begin` bytes."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(begin, size - limit))
            return file.read().decode("utf-8", "replace").strip() or "(empty)"
    except OSError as error:
        return f"({path} cannot be read: {error.strerror})"
