"""Entries of the store on disk: their record, their folder, who uses them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

FORMAT = 1
RECORD = "entry.json"
MANIFEST = "manifest.jsonl"
SOURCES = "sources.jsonl"
DATA = "data"
USED = "used"


@dataclass(frozen=True, slots=True)
class Record:
    """What entry.json says. It is written last, so an entry that has one is whole."""

    format: int
    server: str
    repository: str
    ref: str
    key: str
    created: float
    """Wall time in seconds since the epoch."""
    files: int
    bytes: int
    paths: tuple[str, ...]
    read_only: bool
    boot: str
    """Boot id of the host when the entry was written: before a reboot the page cache vouches for the data."""
    manifest_sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry that was found."""

    folder: Path
    record: Record
    owner: int
    inode: int
    """Of entry.json: another entry that was saved under the same key has another one."""

    @property
    def last_used(self) -> float:
        """Wall time of the last restore, else of the save."""
        try:
            return max((self.folder / USED).stat().st_mtime, self.record.created)
        except FileNotFoundError:
            return self.record.created

    @property
    def hits(self) -> int:
        """Restores so far."""
        try:
            return (self.folder / USED).stat().st_size
        except FileNotFoundError:
            return 0

    def count_hit(self) -> None:
        """One byte a hit, appended: concurrent restores cannot lose one, and the mtime tells the last.

        Best effort: a full disk must not fail a restore.
        """
        with contextlib.suppress(OSError):
            descriptor = os.open(self.folder / USED, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                os.write(descriptor, b".")
            finally:
                os.close(descriptor)

    @contextmanager
    def in_use(self) -> Iterator[bool]:
        """Keep the entry from being removed meanwhile; False when it has been removed already."""
        with _locked(self.folder / RECORD, fcntl.LOCK_SH) as current:
            yield current

    @contextmanager
    def exclusively(self) -> Iterator[bool]:
        """For removal: False when somebody uses the entry."""
        with _locked(self.folder / RECORD, fcntl.LOCK_EX) as current:
            yield current


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[bool]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            current = os.path.samestat(os.fstat(descriptor), os.stat(path))
        except (BlockingIOError, FileNotFoundError):
            current = False
        yield current
    finally:
        os.close(descriptor)


def entry_folder_name(key: str) -> str:
    """Readable where the key is short; always unique."""
    name = quote(key, safe="")
    if not name.strip("."):
        name = name.replace(".", "%2E")
    if len(name) <= 200:
        return name
    return f"{name[:150]}~{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def read_entry(folder: Path) -> Entry | None:
    """None when there is no whole entry in the folder."""
    try:
        with (folder / RECORD).open("rb") as file:
            fields = json.load(file)
            status = os.fstat(file.fileno())
        if fields.get("format") != FORMAT or entry_folder_name(fields["key"]) != folder.name:
            return None
        fields["paths"] = tuple(fields["paths"])
        return Entry(folder, Record(**fields), status.st_uid, status.st_ino)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write_record(folder: Path, record: Record, mode: int) -> None:
    """Write entry.json durably, and make the file that counts hits."""
    _create(folder / USED, b"", mode)
    _create(folder / RECORD, json.dumps(asdict(record)).encode(), mode)


def _create(path: Path, content: bytes, mode: int) -> None:
    """Make a file with exactly this mode, whatever the umask: another user of the group may have to write it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, mode)
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def boot_id() -> str:
    """Differs after every boot (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def now() -> float:
    """Wall time in seconds, a label: nothing but the order of eviction depends on it."""
    return time.time()
