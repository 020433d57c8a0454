"""The manifest of an entry: one JSON array a line, written and read as a stream."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from actionlib.errors import ActionError

_KINDS = frozenset("dflh")
_ROOTS = frozenset({"workspace", "home", "root"})


class Row(NamedTuple):
    """One file, directory or link of an entry. `path` is relative to the root that `root` names."""

    kind: str
    """`d` directory, `f` file, `l` symbolic link, `h` hard link to a file that has a row of its own."""
    root: str
    path: str
    mode: int = 0
    mtime_ns: int = 0
    size: int = 0
    sha256: str = ""
    target: str = ""
    """Of a symbolic link: its text. Of a hard link: `root/path` of the file's row."""


class ManifestWriter:
    """Writes rows in any order; a directory's row must come before those of its contents."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.files = 0
        self.bytes = 0

    def add(self, row: Row) -> None:
        """Append one row."""
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        self._digest.update(line)
        self._file.write(line)
        if row.kind == "f":
            self.files += 1
            self.bytes += row.size

    def hexdigest(self) -> str:
        """SHA-256 of everything written: it is kept outside of the manifest, in entry.json."""
        return self._digest.hexdigest()


class DamagedManifestError(Exception):
    """The manifest is not what was written."""


def check_manifest(path: Path, sha256: str) -> None:
    """Raise DamagedManifestError unless the file has this digest."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DamagedManifestError(f"{path.name} cannot be read: {error.strerror}") from error
    if found != sha256:
        raise DamagedManifestError(f"{path.name} has sha256 {found}, and should have {sha256}")


def read_rows(path: Path) -> Iterator[Row]:
    """The rows in order. The caller has checked the digest before."""
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            try:
                row = Row(*json.loads(line))
            except (ValueError, TypeError) as error:
                raise DamagedManifestError(f"{path.name} line {number} is no row") from error
            if row.kind not in _KINDS or row.root not in _ROOTS:
                raise DamagedManifestError(f"{path.name} line {number} has an unknown kind or root")
            if row.kind == "h" and row.target.partition("/")[0] not in _ROOTS:
                raise DamagedManifestError(f"{path.name} line {number} has a link into an unknown root")
            if _escapes(row.path) or (row.kind == "h" and _escapes(row.target)):
                raise ActionError(
                    f"the entry's manifest {path} holds the path '{row.path}'"
                    + (f" linked to '{row.target}'" if row.target else "")
                    + ", which leaves its root",
                    hint="Somebody tampered with the store: remove the entry and look for who did",
                )
            yield row


def _escapes(path: str) -> bool:
    return path.startswith("/") or "\0" in path or (".." in path and ".." in path.split("/"))
