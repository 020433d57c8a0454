"""The store: entries that appear whole or not at all, found by scope and key, removed only when nobody uses them."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from actionlib.errors import ActionError
from actionlib.state import StateRoot
from cache_lock.entries import RECORD, Entry, entry_folder_name, read_entry
from cache_lock.scopes import Scope
from cache_lock.scratch import abandoned, remove_abandoned, scratch_folder

SEPARATORS = ("-", "/", "_", ".")


class Store:
    """`store/v1` below the state root: `entries/REPOSITORY/REF/KEY`, `stage`, `trash`, `quarantine`."""

    def __init__(self, state: StateRoot, *, warn: Callable[[str], None] | None = None) -> None:
        """`warn` is told about a damaged entry that was found on the way and moved to `quarantine`."""
        self.state = state
        self._warn = warn
        self.path = state.folder("store", "v1")

    # --- finding -----------------------------------------------------------------------------------------

    def candidates(self, scopes: Sequence[Scope], key: str, restore_keys: Sequence[str]) -> Iterator[Entry]:
        """Entries that would do, best first: the exact key in each scope, then each prefix, newest first."""
        for scope in scopes:
            if entry := self.find(scope, key):
                yield entry
        for prefix in restore_keys:
            for scope in scopes:
                matching = [
                    entry for entry in self.entries(scope) if prefix_matches(entry.record.key, prefix)
                ]
                yield from sorted(matching, key=lambda entry: entry.record.created, reverse=True)

    def find(self, scope: Scope, key: str) -> Entry | None:
        """The entry with exactly this key in this scope. Raises ActionError for a stranger's entry."""
        folder = self.entry_folder(scope, key)
        entry = read_entry(folder)
        if entry is None:
            if not self._is_damaged(folder):
                return None
            moved = self.quarantine(folder)
            if self._warn:
                self._warn(
                    f"entry '{key}' has no valid record ({RECORD}) and counts as a miss. It was moved to {moved}"
                )
            return None
        if entry.record.key != key:  # no honest key has the folder name of another one
            return None
        self._refuse_stranger(entry)
        return entry

    def entries(self, scope: Scope) -> list[Entry]:
        """All entries of one scope whose owner is trusted."""
        found = self._entries_in(self.path.joinpath("entries", *scope.folder_parts()))
        return [entry for entry in found if self.state.trusts(entry.owner)]

    def all_entries(self) -> list[Entry]:
        """All entries of all scopes."""
        root = self.path / "entries"
        folders = sorted(root.glob("*/*")) if root.is_dir() else []
        return [entry for folder in folders for entry in self._entries_in(folder)]

    def entry_folder(self, scope: Scope, key: str) -> Path:
        """Where the entry is, or would be."""
        return self.path.joinpath("entries", *scope.folder_parts(), entry_folder_name(key))

    def damaged(self) -> list[Path]:
        """Folders of entries whose record cannot be read: nobody can find what is in them."""
        found: list[Path] = []
        for folder in (self.path / "entries").glob("*/*/*"):
            with contextlib.suppress(ActionError):  # a stranger's: whoever asks for it will be told
                if not read_entry(folder) and self._is_damaged(folder):
                    found.append(folder)
        return sorted(found)

    def _is_damaged(self, folder: Path) -> bool:
        """Whether a folder without a readable record is really there. Raises ActionError for a stranger's."""
        try:
            owner = folder.lstat().st_uid
        except FileNotFoundError:
            return False
        if not self.state.trusts(owner):
            raise stranger_error(folder, owner)
        if (folder / RECORD).exists() and not os.access(folder / RECORD, os.R_OK):
            raise ActionError(
                f"{folder / RECORD} cannot be read by uid {os.geteuid()}",
                hint="Share the state root through a group (chmod 2770), or remove the entry",
            )
        return read_entry(folder) is None  # it may have been saved between the two looks

    def _entries_in(self, folder: Path) -> list[Entry]:
        try:
            names = sorted(os.listdir(folder))
        except (FileNotFoundError, PermissionError):
            return []
        return [entry for entry in (read_entry(folder / name) for name in names) if entry]

    def _refuse_stranger(self, entry: Entry) -> None:
        if not self.state.trusts(entry.owner):
            raise stranger_error(entry.folder, entry.owner)

    # --- changing ----------------------------------------------------------------------------------------

    @contextmanager
    def stage(self) -> Iterator[Path]:
        """A folder for a new entry, removed at the end unless `commit` has moved it."""
        with scratch_folder(str(self.state.folder("store", "v1", "stage"))) as folder:
            yield Path(folder)

    def commit(self, stage: Path, scope: Scope, key: str) -> bool:
        """Move a finished stage into its place; False when somebody else has saved the key meanwhile.

        rename(2) never replaces a directory that is not empty, so that the first one wins, whole.
        """
        parent = self.state.folder("store", "v1", "entries", *scope.folder_parts())
        if self.state.shared_by_group:
            stage.chmod(0o2770)
        descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.rename(stage, parent / entry_folder_name(key))
            os.fsync(descriptor)
        except OSError:
            if (parent / entry_folder_name(key)).is_dir():
                return False
            raise
        finally:
            os.close(descriptor)
        return True

    def remove(self, entry: Entry) -> bool:
        """Remove an entry, unless somebody uses it."""
        with entry.exclusively() as ours:
            if not ours:
                return False
            trash = self.state.folder("store", "v1", "trash") / uuid.uuid4().hex
            try:
                entry.folder.rename(trash)  # from here on nobody can find it half removed
            except PermissionError:
                return False  # another user's
        shutil.rmtree(trash, ignore_errors=True)
        return True

    def set_aside(self, entry: Entry) -> Path | None:
        """`quarantine` for an entry that was read; None when another job did so, and may have saved it anew."""
        try:
            same = (entry.folder / RECORD).stat().st_ino == entry.inode
        except OSError:
            same = False
        return self.quarantine(entry.folder) if same else None

    def quarantine(self, folder: Path) -> Path:
        """Move a damaged entry out of everybody's way, and keep it for whoever wants to know why."""
        target = (
            self.state.folder("store", "v1", "quarantine") / f"{folder.name[:180]}~{uuid.uuid4().hex[:8]}"
        )
        with contextlib.suppress(FileNotFoundError):  # somebody else was faster
            folder.rename(target)
            os.utime(target)  # its age counts from now
        return target

    def leftovers(self) -> list[Path]:
        """Stages of killed jobs, and trash whose removal was interrupted."""
        return [Path(path) for path in abandoned(str(self.path / "stage"))] + self._listing("trash")

    def remove_leftover(self, path: Path) -> None:
        """Remove what `leftovers` found."""
        remove_abandoned(str(path))

    def quarantined(self) -> list[Path]:
        """Damaged entries that were moved away."""
        return self._listing("quarantine")

    def _listing(self, name: str) -> list[Path]:
        folder = self.path / name
        return sorted(folder.iterdir()) if folder.is_dir() else []


def stranger_error(path: Path, owner: int) -> ActionError:
    """Something in the store belongs to a uid that is not trusted."""
    return ActionError(
        f"{path} belongs to uid {owner}, which is not trusted",
        hint="If that user is one of your runners, add the uid to COLDVOX_ACTIONS_TRUSTED_UIDS; "
        "otherwise remove the entry and look for who wrote it",
    )


def prefix_matches(key: str, prefix: str) -> bool:
    """Whether a restore-key names the key: up to a separator, or to the end.

    `vosk-model` does not match `vosk-models-2`, as a bare prefix would (actions/cache#1433).
    """
    if not key.startswith(prefix):
        return False
    return len(key) == len(prefix) or prefix.endswith(SEPARATORS) or key[len(prefix)] in SEPARATORS
