"""Gathers what a decision is made from: GitHub's API, heartbeats, and the history of this host."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from actionlib.database import DatabaseFailed
from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from actionlib.scoped_runs import workspace_of
from actionlib.state import open_state
from smart_dispatch.activity import Activity, Wanted, look
from smart_dispatch.dispatch_history import DispatchHistory
from smart_dispatch.durations import Aggregate
from smart_dispatch.github_requests import Requests
from smart_dispatch.heartbeat_sinks import from_files
from smart_dispatch.heartbeats import Pulse, Told, pulse_of
from smart_dispatch.inputs import Settings
from smart_dispatch.job_records import AHEAD_SECONDS, JobRecord
from smart_dispatch.source_history import read_source_history

BUSY_SECONDS = 0.3  # a decision does not wait for a history that others hold


@dataclass(slots=True)
class Knowledge:
    """All that could be learnt. `notes` say what could not be had."""

    activity: Activity = field(default_factory=Activity)
    pulse: Pulse = field(default_factory=lambda: Pulse(None, "there is none"))
    heartbeat_source: str = ""
    records: list[JobRecord] = field(default_factory=list)
    aggregates: Mapping[tuple[str, str], Aggregate] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    store: DispatchHistory | None = None


def gather(
    context: Context,
    settings: Settings,
    requests: Requests | None,
    *,
    event: Mapping[str, Any],
    repository: str,
) -> Knowledge:
    """Learn what can be learnt. What cannot is a note, and unknown."""
    known = Knowledge()
    with _apart(known, "the history of this host"):
        _open_store(context, settings, known, repository=repository)
    if requests is not None and not repository:
        known.notes.append("there is no GITHUB_REPOSITORY, and 'repository' is empty: GitHub was not asked")
    elif requests is not None:
        wanted = _wanted(context, settings, event=event, repository=repository)
        with _apart(known, "GitHub's API"):
            known.activity = look(
                requests, wanted, known=lambda runs: _known_runs(known, runs), now=time.time()
            )
    with _apart(known, "the heartbeat"):
        _find_heartbeat(context, settings, known)
    read = {one.key: one for one in known.activity.ended}
    whole = {str(number) for number, _ in known.activity.ended_runs}
    # What this host has recorded of a run that was read whole stands twice.
    kept = {one.key: one for one in known.records if not (one.key not in read and one.run in whole)}
    latest = time.time() + AHEAD_SECONDS
    known.records = [one for one in (kept | read).values() if one.ended <= latest]
    with _apart(known, "input 'history-file'"):
        _take_source_history(context, settings, known)
    return known


@contextmanager
def _apart(known: Knowledge, source: str) -> Iterator[None]:
    """What nobody expects of one source costs what that source knows, and not the decision."""
    try:
        yield
    except Exception as error:
        known.notes.append(
            f"{source} makes no sense, and was left out: {type(error).__name__}: {str(error)[:120]}"
        )


def keep(known: Knowledge) -> None:
    """Remember the jobs that were read, so that they need not be asked for again."""
    if known.store and known.activity.ended:
        try:
            known.store.add(known.activity.ended, runs=known.activity.ended_runs)
        except DatabaseFailed as error:
            known.notes.append(str(error))


def _wanted(context: Context, settings: Settings, *, event: Mapping[str, Any], repository: str) -> Wanted:
    return Wanted(
        repository=repository,
        scope=_scope(context, settings),
        labels=settings.primary_runner,
        workflow=context.environ.get("GITHUB_WORKFLOW", ""),
        heartbeat_paths=_heartbeat_paths(settings, event, repository),
        heartbeat_name=settings.heartbeat_name,
        history=settings.history != "local",
    )


def _scope(context: Context, settings: Settings) -> str:
    """Where runners are listed. JOB_TOKEN (action.yml) says whether the token is the job's own, which never may."""
    if settings.runner_scope != "auto":
        return settings.runner_scope
    own = context.environ.get("JOB_TOKEN") == "true" and not settings.token_file
    return "none" if own else "repository"


def _heartbeat_paths(settings: Settings, event: Mapping[str, Any], repository: str) -> tuple[str, ...]:
    """Where to ask for heartbeats, one after the other until there is one."""
    if settings.heartbeat or settings.heartbeat_sink in ("file", "none"):
        return ()
    if settings.heartbeat_sink == "variable":
        return (f"/repos/{repository}/actions/variables/{settings.heartbeat_name}",)
    refs = [settings.heartbeat_ref or "HEAD"]
    before = str(event.get("before") or "")
    if before.strip("0") and not settings.heartbeat_ref:
        # A push has moved the branch's head away from the commit that the host last wrote to.
        refs.append(before)
    return tuple(f"/repos/{repository}/commits/{quote(ref)}/statuses" for ref in refs)


def _open_store(context: Context, settings: Settings, known: Knowledge, *, repository: str) -> None:
    """The history of this host is a bonus: a machine that is thrown away has none."""
    try:
        store = DispatchHistory(open_state(context.environ), repository, busy_seconds=BUSY_SECONDS)
        known.records = [
            one for one in store.jobs() if settings.history != "api" or not one.key.endswith("/here")
        ]
        if settings.history != "api":
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
    texts, known.heartbeat_source = known.activity.heartbeats, settings.heartbeat_sink
    if settings.heartbeat:
        texts, known.heartbeat_source = [Told("", settings.heartbeat)], "input heartbeat"
    elif settings.heartbeat_sink == "file":
        try:
            texts = from_files(context.environ, settings.heartbeat_name)
        except (ActionError, OSError) as error:
            known.notes.append(f"no heartbeat: {error}")
    known.pulse = pulse_of(texts, now=time.time(), ttl_seconds=60 * settings.heartbeat_ttl_minutes)
    known.notes += known.pulse.doubts
    if known.pulse.unreadable:
        known.notes.append(
            f"{known.heartbeat_source} is '{texts[-1].text[:80]}', and {known.pulse.why}; "
            "allowed: what `mode: heartbeat` tells"
        )
    if known.pulse.beat and known.pulse.beat.slots is None and known.activity.runners is None:
        known.notes.append(
            "the heartbeat counts no runner service on its host, so that it does not tell whether one is online"
        )


def _take_source_history(context: Context, settings: Settings, known: Knowledge) -> None:
    if settings.history_file:
        path = workspace_of(context.environ) / settings.history_file
        try:
            known.aggregates = {**read_source_history(path, settings.job_name), **known.aggregates}
        except ActionError as error:
            known.notes.append(str(error))
