"""Modes `restore`, `save` and `populate`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from actionlib.entrypoint import Context, Result
from actionlib.errors import ActionError
from actionlib.jobs import current_job
from actionlib.locking import LockTimeoutError
from actionlib.state import StateRoot, open_state
from actionlib.summary import code, duration, size
from cache_lock import populate as single_flight
from cache_lock import pruning, restoring, saving
from cache_lock.entries import SOURCES, Entry
from cache_lock.inputs import Settings
from cache_lock.lock_modes import open_locks, run_in_workspace, script_result
from cache_lock.paths import PathSet, Roots
from cache_lock.placing import empty
from cache_lock.reporting import explain_miss, owner_labels, waiting_line
from cache_lock.scopes import Scope, scopes_for
from cache_lock.source_mtimes import restore_sources
from cache_lock.store import Store


def restore(context: Context, settings: Settings) -> Result:
    """Bring back the best entry, if there is one."""
    work = _Work.open(context, settings)
    exact = work.restore_exact()
    if not exact:
        work.restore_similar()
    work.report("Cache restored" if work.matched else "Cache miss")
    failed = settings.fail_on_cache_miss and not work.matched
    if failed:
        context.out.error(
            f"no entry for key '{settings.key}'"
            + (f" or {len(settings.restore_keys)} restore-keys" if settings.restore_keys else "")
            + ", and 'fail-on-cache-miss' is true"
        )
    return Result(work.outputs(), exit_code=1 if failed else 0, facts=work.facts)


def save(context: Context, settings: Settings) -> Result:
    """Save an entry; a key that exists already is left as it is."""
    work = _Work.open(context, settings)
    if settings.dry_run:
        found = work.store.find(work.scopes[0], settings.key)
        context.out.say(
            f"Dry run: '{settings.key}' " + ("is saved already." if found else "would be saved from:")
        )
        if not found:
            context.out.quote("\n".join(item.path for item in work.paths.walk(_ignore) if item.kind != "d"))
        return Result(work.outputs(), facts=work.facts)
    work.save()
    work.report("Cache save")
    return Result(work.outputs(), facts=work.facts)


def populate(context: Context, settings: Settings) -> Result:
    """Restore, or make the files once for all jobs that need them now."""
    work = _Work.open(context, settings)

    def on_timeout(error: LockTimeoutError) -> None:
        context.out.warning(f"{error}. Running the command here, without the lock")

    parts = single_flight.SingleFlight(
        restore_exact=work.restore_exact,
        restore_similar=work.restore_similar,
        run=lambda: run_in_workspace(context, settings.run),
        save=work.save_made,
        run_after_timeout=settings.on_wait_timeout == "run",
        on_timeout=on_timeout,
    )
    scope = work.scopes[0]
    done = single_flight.populate(
        parts,
        open_locks(work.state),
        lock_name=f"populate {scope.server} {scope.repository} {scope.ref} {settings.key}",
        timeout_seconds=settings.timeout_seconds,
        owner=owner_labels(context.environ),
        on_wait=waiting_line(context.out.say, f"key '{settings.key}'"),
    )
    work.facts |= {"populated": done.outcome, "waited": duration(done.waited_seconds)}
    outputs = {"populated": done.outcome, "waited-seconds": f"{done.waited_seconds:.3f}"}
    if done.script is not None:
        work.facts |= {"command": f"exit code {done.script.exit_code}, {duration(done.script.seconds)}"}
    work.report("Cache populate")
    if done.script is None:
        return Result(work.outputs() | outputs, facts=work.facts)
    return script_result(done.script, work.outputs() | outputs, work.facts)


def _ignore(_error: OSError) -> None:
    """A dry run lists what it can read."""


@dataclass(slots=True)
class _Work:
    """One run over one key: what was asked, what was found, what was done."""

    context: Context
    settings: Settings
    state: StateRoot
    store: Store
    scopes: tuple[Scope, ...]
    paths: PathSet
    facts: dict[str, object]
    matched: str = ""
    cleaned: bool = False

    @classmethod
    def open(cls, context: Context, settings: Settings) -> _Work:
        roots = Roots.of(context.environ)
        paths = PathSet(settings.path, roots)
        scopes = scopes_for(context.environ, share=settings.share, workspace=Path(roots.workspace))
        state = open_state(context.environ)
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
        """Save what a command has just made: a fault of the store does not fail the command's step."""
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
