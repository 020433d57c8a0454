"""What the action tells: job summary, JSON file, and the words for waiting."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from actionlib.locking.backend import LockStatus, OnWait, Ticket
from actionlib.summary import Summary, code, duration, escape_cell, size
from cache_lock.entries import Entry
from cache_lock.pruning import Removal
from cache_lock.scopes import Scope

ROWS_IN_SUMMARY = 50


def owner_labels(environ: Mapping[str, str]) -> dict[str, str]:
    """Who we are, for those who wait for us."""
    names = {
        "repository": "GITHUB_REPOSITORY",
        "workflow": "GITHUB_WORKFLOW",
        "job": "GITHUB_JOB",
        "run": "GITHUB_RUN_ID",
        "runner": "RUNNER_NAME",
    }
    return {label: environ[variable] for label, variable in names.items() if environ.get(variable)}


def waiting_line(say: Callable[[str], None], what: str) -> OnWait:
    """A progress line: who holds the lock, since when, how many wait."""

    def line(status: LockStatus, waited: float) -> None:
        holders = "; ".join(
            f"{ticket.describe()} for {duration(max(0.0, time.time() - ticket.since))}"
            for ticket in status.holders
        )
        say(
            f"Waiting for {what} for {duration(waited)}: held by {holders or 'nobody (just freed)'}, "
            f"{len(status.waiting)} waiting"
        )

    return line


def explain_miss(key: str, entries: Sequence[Entry]) -> str:
    """The nearest entry, and the first segment in which it differs."""
    best: tuple[int, str] | None = None
    for entry in entries:
        common = 0
        for our, their in zip(_segments(key), _segments(entry.record.key), strict=False):
            if our != their:
                break
            common += 1
        if best is None or common > best[0]:
            best = (common, entry.record.key)
    if best is None:
        return "There is no entry in this scope yet."
    common, nearest = best
    ours, theirs = _segments(key)[common:], _segments(nearest)[common:]
    return (
        f"The nearest of {len(entries)} entries is '{nearest}': segment {common + 1} is "
        f"'{theirs[0] if theirs else ''}' there and '{ours[0] if ours else ''}' in the key."
    )


def _segments(key: str) -> list[str]:
    return re.split(r"[-/_.]", key)


def entry_facts(entry: Entry) -> dict[str, Any]:
    """One entry as JSON."""
    record = entry.record
    return {
        "key": record.key,
        "repository": record.repository,
        "ref": record.ref,
        "files": record.files,
        "bytes": record.bytes,
        "created": record.created,
        "last-used": entry.last_used,
        "hits": entry.hits,
        "read-only": record.read_only,
    }


def lock_facts(status: LockStatus) -> dict[str, Any]:
    """One lock as JSON."""

    def people(tickets: Sequence[Ticket]) -> list[dict[str, Any]]:
        return [
            {"pid": one.pid, "since": one.since, "priority": one.priority, **one.owner} for one in tickets
        ]

    return {
        "name": status.name,
        "slots": status.slots,
        "holders": people(status.holders),
        "waiting": people(status.waiting),
    }


def entries_table(summary: Summary, entries: Sequence[Entry], total: int, budget: int) -> None:
    """The store, most recently used first."""
    summary.paragraph(f"{len(entries)} entries, {size(total)} of a budget of {size(budget)}.")
    if not entries:
        return
    now = time.time()
    recent = sorted(entries, key=lambda entry: entry.last_used, reverse=True)
    rows = [
        (
            code(entry.record.key),
            escape_cell(Scope(entry.record.server, entry.record.repository, entry.record.ref).label()),
            size(entry.record.bytes),
            entry.record.files,
            duration(max(0.0, now - entry.record.created)),
            duration(max(0.0, now - entry.last_used)),
            entry.hits,
        )
        for entry in recent[:ROWS_IN_SUMMARY]
    ]
    summary.table(("key", "scope", "size", "files", "age", "last used", "hits"), rows)
    if len(recent) > ROWS_IN_SUMMARY:
        summary.paragraph(f"{len(recent) - ROWS_IN_SUMMARY} more are in the JSON file.")


def locks_table(summary: Summary, locks: Sequence[LockStatus]) -> None:
    """Locks that are held or waited for."""
    if not locks:
        summary.paragraph("No lock is held.")
        return
    rows = [
        (
            code(status.name),
            f"{len(status.holders)} of {status.slots}",
            escape_cell("; ".join(ticket.describe() for ticket in status.holders)),
            len(status.waiting),
        )
        for status in locks
    ]
    summary.table(("lock", "held", "by", "waiting"), rows)


def removals_table(summary: Summary, removals: Sequence[Removal]) -> None:
    """What was pruned, or would be."""
    rows = [(code(one.key), size(one.bytes), escape_cell(one.reason)) for one in removals[:ROWS_IN_SUMMARY]]
    summary.table(("entry", "size", "why"), rows)
    if len(removals) > ROWS_IN_SUMMARY:
        summary.paragraph(f"{len(removals) - ROWS_IN_SUMMARY} more are in the JSON file.")
