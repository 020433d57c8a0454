"""Modes `status` and `prune`."""

from __future__ import annotations

from actionlib.entrypoint import Context, Result
from actionlib.state import open_state
from actionlib.summary import size
from cache_lock import pruning
from cache_lock.inputs import Settings
from cache_lock.lock_modes import open_locks
from cache_lock.reporting import (
    entries_table,
    entry_facts,
    lock_facts,
    locks_table,
    removals_table,
)
from cache_lock.store import Store


def status(context: Context, settings: Settings) -> Result:
    """What is in the store, and who holds or waits for which lock."""
    state = open_state(context.environ)
    store = Store(state)
    entries = store.all_entries()
    locks = open_locks(state).list()
    total = sum(entry.record.bytes for entry in entries)
    budget = pruning.budget_bytes(store, settings.max_size_gb)
    context.summary.heading("Cache store and locks of this host")
    entries_table(context.summary, entries, total, budget)
    locks_table(context.summary, locks)
    leftovers, quarantined = store.leftovers(), store.quarantined()
    if leftovers or quarantined:
        context.summary.paragraph(
            f"{len(leftovers)} leftovers of killed jobs and {len(quarantined)} quarantined entries: see `prune`."
        )
    context.out.quote(context.summary.markdown())
    facts = {
        "state-root": str(state.path),
        "entries": [entry_facts(entry) for entry in entries],
        "bytes": total,
        "budget-bytes": budget,
        "locks": [lock_facts(lock) for lock in locks],
        "leftovers": len(leftovers),
        "quarantined": [path.name for path in quarantined],
    }
    return Result(facts=facts)


def prune(context: Context, settings: Settings) -> Result:
    """Bring the store within its budget and remove what killed jobs left behind."""
    state = open_state(context.environ)
    store = Store(state)
    budget = pruning.budget_bytes(store, settings.max_size_gb)
    if settings.dry_run:
        removals = pruning.plan(store, budget=budget, max_age_days=settings.max_age_days)
        idle_locks = 0
    else:
        removals = pruning.prune(store, budget=budget, max_age_days=settings.max_age_days)
        idle_locks = open_locks(state).remove_idle()
    freed = sum(removal.bytes for removal in removals)
    words = "would remove" if settings.dry_run else "removed"
    context.summary.heading(
        "Cache store pruned" if not settings.dry_run else "Cache store: what prune would do"
    )
    context.summary.paragraph(
        f"{words.capitalize()} {len(removals)} items, {size(freed)}; the budget is {size(budget)}."
    )
    if removals:
        removals_table(context.summary, removals)
    context.out.quote(context.summary.markdown())
    facts = {
        "dry-run": settings.dry_run,
        "freed-bytes": freed,
        "budget-bytes": budget,
        "idle-locks-removed": idle_locks,
        "removed": [
            {"path": str(one.path), "key": one.key, "bytes": one.bytes, "reason": one.reason}
            for one in removals
        ],
    }
    return Result(facts=facts)
