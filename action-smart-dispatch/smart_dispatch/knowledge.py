"""Gathers what a decision is made from: GitHub's API, heartbeats, and the history of this host."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from actionlib.database import DatabaseFailed
from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from actionlib.github_api import read_event
from actionlib.scoped_runs import workspace_of
from actionlib.state import open_state
from smart_dispatch.activity import Activity, Wanted, look
from smart_dispatch.dispatch_history import DispatchHistory
from smart_dispatch.durations import Aggregate
from smart_dispatch.github_requests import Requests
from smart_dispatch.heartbeat_sinks import from_files
from smart_dispatch.heartbeats import Heartbeat, combined
from smart_dispatch.inputs import Settings
from smart_dispatch.job_records import JobRecord
from smart_dispatch.source_history import read_source_history

BUSY_SECONDS = 1.0  # a decision does not wait for a history that others hold


@dataclass(slots=True)
class Knowledge:
    """All that could be learnt. `no_heartbeat` says why there is none; `notes` what could not be had."""

    activity: Activity = field(default_factory=Activity)
    heartbeat: Heartbeat | None = None
    heartbeat_source: str = ""
    no_heartbeat: str = ""
    records: list[JobRecord] = field(default_factory=list)
    aggregates: Mapping[tuple[str, str], Aggregate] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    store: DispatchHistory | None = None


def gather(context: Context, settings: Settings, requests: Requests | None, *, repository: str) -> Knowledge:
    """Learn what can be learnt. What cannot is a note, and unknown."""
    known = Knowledge()
    _open_store(context, settings, known, repository=repository)
    if requests is not None and repository:
        known.activity = look(
            requests,
            _wanted(context, settings, repository),
            known=lambda runs: _known_runs(known, runs),
            now=time.time(),
        )
        known.notes += requests.notes
    elif settings.token or settings.token_file:
        known.notes.append("there is no GITHUB_REPOSITORY: GitHub was not asked")
    _find_heartbeat(context, settings, known)
    own = {one.key: one for one in known.records}
    known.records = list((own | {one.key: one for one in known.activity.ended}).values())
    if settings.history_file:
        path = workspace_of(context.environ) / settings.history_file
        known.aggregates = {**read_source_history(path, settings.job_name), **known.aggregates}
    return known


def keep(known: Knowledge) -> None:
    """Remember the jobs that were read, so that they need not be asked for again."""
    if known.store and known.activity.ended:
        try:
            known.store.add(known.activity.ended, runs=known.activity.ended_runs)
        except DatabaseFailed as error:
            known.notes.append(str(error))


def _wanted(context: Context, settings: Settings, repository: str) -> Wanted:
    paths: tuple[str, ...] = ()
    if not settings.heartbeat and settings.heartbeat_sink == "status":
        event = read_event(context.environ)
        # A push has moved the branch's head away from the commit that the host last wrote to.
        before = str(event.get("before") or "").strip("0") and str(event.get("before"))
        refs = [
            settings.heartbeat_ref or "HEAD",
            *([before] if before and not settings.heartbeat_ref else []),
        ]
        paths = tuple(f"/repos/{repository}/commits/{ref}/status" for ref in refs)
    elif not settings.heartbeat and settings.heartbeat_sink == "variable":
        paths = (f"/repos/{repository}/actions/variables/{settings.heartbeat_name}",)
    return Wanted(
        repository=repository,
        scope=settings.runner_scope,
        labels=settings.primary_runner,
        workflow=context.environ.get("GITHUB_WORKFLOW", ""),
        heartbeat_paths=paths,
        heartbeat_name=settings.heartbeat_name,
        history=settings.history != "local",
    )


def _open_store(context: Context, settings: Settings, known: Knowledge, *, repository: str) -> None:
    """The history of this host is a bonus: a machine that is thrown away has none."""
    try:
        store = DispatchHistory(open_state(context.environ), repository, busy_seconds=BUSY_SECONDS)
        if settings.history != "api":
            known.records = store.jobs()
            known.aggregates = store.aggregates()
        known.store = store
        known.notes += store.notes
    except (ActionError, DatabaseFailed, OSError) as error:
        known.notes.append(f"no history of this host: {error}")


def _known_runs(known: Knowledge, runs: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    try:
        return known.store.runs_known(runs) if known.store else set()
    except DatabaseFailed:
        return set()


def _find_heartbeat(context: Context, settings: Settings, known: Knowledge) -> None:
    texts, source = known.activity.heartbeats, settings.heartbeat_sink
    if settings.heartbeat:
        texts, source = [("", settings.heartbeat)], "input heartbeat"
    elif settings.heartbeat_sink == "file":
        try:
            texts = from_files(context.environ, settings.heartbeat_name)
        except (ActionError, OSError) as error:
            known.notes.append(f"no heartbeat: {error}")
    known.heartbeat, known.no_heartbeat = combined(
        texts, now=time.time(), ttl_seconds=60 * settings.heartbeat_ttl_minutes
    )
    known.heartbeat_source = source
