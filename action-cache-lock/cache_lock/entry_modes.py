"""Modes `restore`, `save` and `populate`."""

from __future__ import annotations

from actionlib.entrypoint import Context, Result
from actionlib.locking import LockTimeoutError
from actionlib.scoped_runs import run_in_workspace, script_result
from actionlib.summary import duration
from cache_lock import populate as single_flight
from cache_lock import saving
from cache_lock.entry_work import EntryWork
from cache_lock.inputs import Settings
from cache_lock.lock_modes import open_locks
from cache_lock.reporting import owner_labels, waiting_line


def restore(context: Context, settings: Settings) -> Result:
    """Bring back the best entry, if there is one."""
    work = EntryWork.open(context, settings)
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
    work = EntryWork.open(context, settings)
    if settings.dry_run:
        found = work.store.find(work.scopes[0], settings.key)
        if not found and not work.paths.exists():
            raise saving.nothing_to_save(work.paths)
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
    work = EntryWork.open(context, settings)

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
        priority=settings.priority,
        owner=owner_labels(context.environ),
        on_wait=waiting_line(context.out.say, f"key '{settings.key}'"),
    )
    work.facts |= {"populated": done.outcome, "waited": duration(done.waited_seconds)}
    outputs = {"populated": done.outcome, "waited-seconds": f"{done.waited_seconds:.3f}"}
    if done.script is not None:
        work.facts |= {"command": f"exit code {done.script.exit_code}, {duration(done.script.seconds)}"}
    failed = done.script is not None and done.script.exit_code != 0
    work.report("Cache populate: the command failed, nothing is saved" if failed else "Cache populate")
    if done.script is None:
        return Result(work.outputs() | outputs, facts=work.facts)
    return script_result(done.script, work.outputs() | outputs, work.facts)


def _ignore(_error: OSError) -> None:
    """A dry run lists what it can read."""
