"""Keeping the store within its budget: least recently used first, never an entry that somebody uses."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actionlib.errors import ActionError
from actionlib.jobs import Job
from actionlib.state import StateRoot
from cache_lock.entries import Entry, now
from cache_lock.store import Store

GIB = 1 << 30
DEFAULT_SHARE_OF_DISK = 0.2
DEFAULT_LIMIT_BYTES = 50 * GIB
_LOCK_DEADLINE_SECONDS = 60
QUARANTINE_DAYS = 14


@dataclass(frozen=True, slots=True)
class Removal:
    """Something that is to go, and why."""

    path: Path
    key: str
    bytes: int
    reason: str
    entry: Entry | None = None


def budget_bytes(store: Store, max_size_gb: float | None) -> int:
    """The store's budget in bytes: as asked, else 20 % of its disk and at most 50 GiB."""
    if max_size_gb is not None:
        return int(max_size_gb * GIB)
    return min(DEFAULT_LIMIT_BYTES, int(shutil.disk_usage(store.path).total * DEFAULT_SHARE_OF_DISK))


def plan(
    store: Store,
    *,
    budget: int,
    max_age_days: float | None = None,
    spared: frozenset[str] = frozenset(),
) -> list[Removal]:
    """What pruning would remove now; never the entries whose folders are `spared`."""
    removals = [Removal(path, path.name, 0, "left behind by a killed job") for path in store.leftovers()]
    removals += [Removal(path, path.name, 0, "its record is damaged") for path in store.damaged()]
    removals += [Removal(path, path.name, 0, "of a job that has ended") for path in store.state.ended_jobs()]
    limit = now() - QUARANTINE_DAYS * 86_400
    removals += [
        Removal(path, path.name, 0, f"quarantined more than {QUARANTINE_DAYS} days ago")
        for path in store.quarantined()
        if _mtime(path) < limit
    ]
    protected = linked_entries(store.state) | spared
    entries = sorted(
        (entry for entry in store.all_entries() if str(entry.folder) not in protected),
        key=lambda entry: entry.last_used,
    )
    total = sum(entry.record.bytes for entry in store.all_entries())
    for entry in entries:
        age_days = (now() - entry.last_used) / 86_400
        if max_age_days is not None and age_days > max_age_days:
            reason = f"not used for {age_days:.1f} days"
        elif total > budget:
            reason = "least recently used, and the store is over its budget"
        else:
            continue
        total -= entry.record.bytes
        removals.append(Removal(entry.folder, entry.record.key, entry.record.bytes, reason, entry))
    return removals


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another pruner was faster
        return float("inf")


def prune(store: Store, *, budget: int, max_age_days: float | None = None) -> list[Removal]:
    """Remove what `plan` says; returns what is gone. Entries that are in use just now stay."""
    gone: list[Removal] = []
    spared: frozenset[str] = frozenset()
    with exclusive(store):
        while True:
            planned = plan(store, budget=budget, max_age_days=max_age_days, spared=spared)
            removed = [removal for removal in planned if _remove(store, removal)]
            gone += removed
            if len(removed) == len(planned):
                return gone
            # What is in use stays, and the next in line goes instead.
            spared |= {str(removal.path) for removal in planned if removal not in removed}


def make_room(store: Store, *, budget: int, needed: int) -> bool:
    """Evict until `needed` more bytes fit; False when they exceed the whole budget."""
    if needed > budget:
        return False
    prune(store, budget=budget - needed)
    return True


@contextmanager
def exclusive(store: Store) -> Iterator[None]:
    """One pruner at a time, so that two do not both evict for the same bytes."""
    from filelock import FileLock, Timeout  # 11 to 50 ms, which only those pay who prune

    lock = FileLock(store.path / "prune.lock", mode=store.state.file_mode())
    try:
        lock.acquire(timeout=_LOCK_DEADLINE_SECONDS)
    except Timeout as error:
        raise ActionError(
            f"another process has been pruning {store.path} for {_LOCK_DEADLINE_SECONDS} s",
            hint=f"Look for it with `fuser {store.path / 'prune.lock'}`",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _remove(store: Store, removal: Removal) -> bool:
    if removal.entry is not None:
        return store.remove(removal.entry)
    if removal.path.is_relative_to(store.path / "entries"):
        shutil.rmtree(store.quarantine(removal.path), ignore_errors=True)
    elif removal.path.is_relative_to(store.path / "quarantine") or not removal.path.is_relative_to(
        store.path
    ):
        shutil.rmtree(removal.path, ignore_errors=True)
    else:
        store.remove_leftover(removal.path)
    return True


# --- entries that a job's files link to ------------------------------------------------------------------


def remember_links(state: StateRoot, job: Job, entry: Entry) -> None:
    """The job's files are symbolic links into the entry: it must stay as long as the job runs."""
    folder = state.job_folder(job, "links")
    path = folder / hashlib.sha256(str(entry.folder).encode()).hexdigest()
    path.write_text(str(entry.folder), encoding="utf-8")
    path.chmod(state.file_mode())  # whoever prunes has to read it, whatever our umask


def linked_entries(state: StateRoot) -> frozenset[str]:
    """Folders of entries that a living job links to."""
    ended = set(state.ended_jobs())
    notes = [note for note in state.path.glob("runs/*/links/*") if note.parent.parent not in ended]
    return frozenset(_read(note) for note in notes)


def _read(note: Path) -> str:
    try:
        return note.read_text(encoding="utf-8")
    except FileNotFoundError:  # its job has just ended
        return ""
