"""One run over one key: restoring, saving and telling, which the entry modes are put together from."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from actionlib.jobs import current_job
from actionlib.state import StateRoot, open_state
from actionlib.summary import code, duration, size
from cache_lock import pruning, restoring, saving
from cache_lock.entries import SOURCES, Entry
from cache_lock.inputs import Settings
from cache_lock.paths import PathSet, Roots, is_below
from cache_lock.placing import empty
from cache_lock.reporting import explain_miss
from cache_lock.scopes import Scope, scopes_for
from cache_lock.source_mtimes import restore_sources
from cache_lock.store import Store


@dataclass(slots=True)
class EntryWork:
    """One run over one key: what was asked, what was found, what was done."""

    context: Context
    settings: Settings
    state: StateRoot
    store: Store
    scopes: tuple[Scope, ...]
    paths: PathSet
    facts: dict[str, object]
    matched: str = ""

    @classmethod
    def open(cls, context: Context, settings: Settings) -> EntryWork:
        roots = Roots.of(context.environ)
        paths = PathSet(settings.path, roots)
        scopes = scopes_for(context.environ, share=settings.share, workspace=Path(roots.workspace))
        state = open_state(context.environ)
        for base in paths.bases:
            if is_below(str(state.path.resolve()), os.path.realpath(base)):
                raise ActionError(
                    f"input 'path' names {base}, which holds the state root {state.path} itself",
                    hint="Name a directory that does not, or set COLDVOX_ACTIONS_HOME to another one",
                )
        return cls(
            context,
            settings,
            state,
            Store(state, warn=context.out.warning),
            scopes,
            paths,
            {"key": settings.key},
        )

    # --- restoring -----------------------------------------------------------------------------------

    def restore_exact(self) -> bool:
        """Restore the entry with exactly the key."""
        return self._restore_first(())

    def restore_similar(self) -> None:
        """Restore the best entry that a restore-key names, else say why there is none."""
        if self._restore_first(self.settings.restore_keys):
            return
        entries = [entry for scope in self.scopes for entry in self.store.entries(scope)]
        self.context.out.say(
            f"No entry for '{self.settings.key}'. {explain_miss(self.settings.key, entries)}"
        )
        if self.settings.clean and not self.settings.lookup_only:
            empty(self.paths)

    def _restore_first(self, restore_keys: tuple[str, ...]) -> bool:
        for entry in self.store.candidates(self.scopes, self.settings.key, restore_keys):
            with entry.in_use() as ours:
                if ours and self._restore_one(entry):
                    self.matched = self.facts["matched-key"] = entry.record.key
                    return True
        return False

    def _restore_one(self, entry: Entry) -> bool:
        if self.settings.lookup_only:
            self.facts |= {"found": f"{entry.record.files} files, {size(entry.record.bytes)}"}
            return True
        started = time.monotonic()
        request = restoring.RestoreRequest(
            paths=self.paths,
            materialize=self.settings.materialize,
            verify_content=self.settings.verify_content,
            clean=self.settings.clean,
        )
        try:
            done = restoring.restore(entry, request, self.state)
        except restoring.DamagedEntryError as error:
            moved = self.store.set_aside(entry)
            self.context.out.warning(
                f"entry '{entry.record.key}' is damaged and counts as a miss: {error}. "
                + (f"It was moved to {moved}" if moved else "Another job has put it aside meanwhile")
            )
            return False
        entry.count_hit()
        if done.method == "symlink":
            pruning.remember_links(self.state, current_job(self.context.environ), entry)
        seconds = time.monotonic() - started
        self.facts |= {
            "restored": f"{done.files} files, {size(done.bytes)} by {done.method} in {duration(seconds)}"
        }
        if self.settings.source_mtimes:
            self._restore_sources(entry)
        return True

    def _restore_sources(self, entry: Entry) -> None:
        recorded = entry.folder / SOURCES
        if not recorded.exists():
            self.context.out.warning(
                f"entry '{entry.record.key}' was saved without 'source-mtimes: true': no time was set back"
            )
            return
        times = restore_sources(Path(self.paths.roots.workspace), recorded)
        self.facts |= {
            "sources": f"{times.restored} as at the save, {times.renewed} made newer than the build"
        }

    # --- saving --------------------------------------------------------------------------------------

    def save_made(self) -> None:
        """Save what a command has just made. A full disk or budget is a warning: the command did its work."""
        if not self.paths.exists():
            raise ActionError(
                f"the command succeeded, and left nothing at input 'path' ({', '.join(self.settings.path)})",
                hint="Name what the command makes, relative to the workspace",
            )
        self.save()

    def save(self) -> None:
        """Save the paths under the key in this ref's scope."""
        started = time.monotonic()
        settings = self.settings
        budget = pruning.budget_bytes(self.store, settings.max_size_gb)
        request = saving.SaveRequest(
            scope=self.scopes[0],
            key=settings.key,
            paths=self.paths,
            read_only=settings.read_only,
            source_mtimes=settings.source_mtimes,
        )
        saved = saving.save(
            self.store, request, lambda needed: pruning.make_room(self.store, budget=budget, needed=needed)
        )
        self._tell_saved(saved, budget, time.monotonic() - started)

    def _tell_saved(self, saved: saving.Saved, budget: int, seconds: float) -> None:
        out, key = self.context.out, self.settings.key
        what = f"{saved.files} files, {size(saved.bytes)}"
        if saved.outcome == "saved":
            self.facts |= {"saved": f"{what} in {duration(seconds)}"}
        elif saved.outcome == "already-saved":
            self.facts |= {"saved": "there already; entries never change"}
        elif saved.outcome == "too-large":
            out.warning(f"'{key}' was not saved: {what} exceed the store's whole budget of {size(budget)}")
        else:
            out.warning(
                f"'{key}' was not saved: the disk of {self.store.path} is full. Nothing was left behind"
            )
        if saved.skipped:
            out.warning(
                f"{len(saved.skipped)} sockets, pipes or devices were not saved, e.g. {saved.skipped[0]}"
            )

    # --- telling -------------------------------------------------------------------------------------

    def outputs(self) -> dict[str, str]:
        """The outputs that restore, save and populate share."""
        return {
            "key": self.settings.key,
            "cache-hit": "true" if self.matched == self.settings.key else "false",
            "cache-primary-key": self.settings.key,
            "cache-matched-key": self.matched,
        }

    def report(self, heading: str) -> None:
        """One table in the summary, one line a fact in the log."""
        for name, value in self.facts.items():
            self.context.out.say(f"{name}: {value}")
        keys = ("key", "matched-key")
        self.context.summary.heading(heading)
        self.context.summary.facts(
            {name: code(value) if name in keys else str(value) for name, value in self.facts.items()}
        )
