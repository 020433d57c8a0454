"""What this host knows of jobs that ended, of runs whose jobs it has read, and of decisions that were made."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from actionlib.database import Database
from actionlib.state import StateRoot
from smart_dispatch.durations import Aggregate
from smart_dispatch.job_records import AHEAD_SECONDS, JobRecord
from smart_dispatch.runner_labels import RunnerLabels

VERSION = 1
KEPT_JOBS = 5000  # of one repository
KEPT_DECISIONS = 200
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    repository TEXT NOT NULL, key TEXT NOT NULL, job TEXT NOT NULL, workflow TEXT NOT NULL, class TEXT NOT NULL,
    outcome TEXT NOT NULL, seconds REAL NOT NULL, ended REAL NOT NULL, queued REAL, runner TEXT NOT NULL,
    labels TEXT NOT NULL, PRIMARY KEY (repository, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_end ON jobs (repository, ended);
CREATE TABLE IF NOT EXISTS runs (
    repository TEXT NOT NULL, run INTEGER NOT NULL, attempt INTEGER NOT NULL, PRIMARY KEY (repository, run, attempt)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS aggregates (
    repository TEXT NOT NULL, job TEXT NOT NULL, class TEXT NOT NULL, runs INTEGER NOT NULL, mean REAL NOT NULL,
    success REAL NOT NULL, PRIMARY KEY (repository, job, class)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS decisions (
    id INTEGER PRIMARY KEY, repository TEXT NOT NULL, job TEXT NOT NULL, made REAL NOT NULL, facts TEXT NOT NULL
)
"""


class DispatchHistory:
    """The history of all repositories on this host. Jobs may use it side by side. All methods raise DatabaseFailed."""

    def __init__(self, state: StateRoot, repository: str, *, busy_seconds: float | None = None) -> None:
        self._database = Database(
            state, "dispatch", schema=_SCHEMA, version=VERSION, busy_seconds=busy_seconds
        )
        self._repository = repository
        self.notes = self._database.notes

    def add(self, records: Iterable[JobRecord], *, runs: Iterable[tuple[int, int]] = ()) -> None:
        """Keep these jobs, each once, and that all jobs of these runs (number, attempt) are known.

        None that ended in the future: a clock that was wrong for a while would count for ever.
        """
        latest = time.time() + AHEAD_SECONDS
        rows = [
            (
                *(self._repository, one.key, one.job, one.workflow, one.runner_class, one.outcome),
                *(
                    one.duration_seconds,
                    one.ended,
                    one.queue_seconds,
                    one.runner,
                    RunnerLabels(one.labels, one.group).as_json(),
                ),
            )
            for one in records
            if one.ended <= latest
        ]
        read = [(self._repository, run, attempt) for run, attempt in runs]

        def write(database: sqlite3.Connection) -> None:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            database.executemany("INSERT OR IGNORE INTO runs VALUES (?, ?, ?)", read)
            database.execute(
                "DELETE FROM jobs WHERE repository = ? AND ended > ?", (self._repository, latest)
            )
            database.execute(
                "DELETE FROM jobs WHERE repository = ?1 AND ended < "
                "(SELECT ended FROM jobs WHERE repository = ?1 ORDER BY ended DESC LIMIT 1 OFFSET ?2)",
                (self._repository, KEPT_JOBS - 1),
            )
            database.execute(
                "DELETE FROM runs WHERE repository = ?1 AND run < "
                "(SELECT run FROM runs WHERE repository = ?1 ORDER BY run DESC LIMIT 1 OFFSET ?2)",
                (self._repository, KEPT_JOBS - 1),
            )
            database.execute("COMMIT")

        self._database.use(write)

    def jobs(self, *, limit: int = 1000) -> list[JobRecord]:
        """The newest jobs."""

        def read(database: sqlite3.Connection) -> list[tuple[Any, ...]]:
            return database.execute(
                "SELECT key, job, workflow, class, outcome, seconds, ended, queued, runner, labels FROM jobs "
                "WHERE repository = ? ORDER BY ended DESC LIMIT ?",
                (self._repository, limit),
            ).fetchall()

        return [_record(row) for row in self._database.use(read)]

    def runs_known(self, runs: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those of these runs whose jobs are known."""

        def read(database: sqlite3.Connection) -> set[tuple[int, int]]:
            ask = "SELECT 1 FROM runs WHERE repository = ? AND run = ? AND attempt = ?"
            return {one for one in runs if database.execute(ask, (self._repository, *one)).fetchone()}

        return self._database.use(read)

    def aggregates(self) -> dict[tuple[str, str], Aggregate]:
        """Histories that were taken over, by job and class."""

        def read(database: sqlite3.Connection) -> list[tuple[Any, ...]]:
            ask = "SELECT job, class, runs, mean, success FROM aggregates WHERE repository = ?"
            return database.execute(ask, (self._repository,)).fetchall()

        return {(job, kind): Aggregate(*rest) for job, kind, *rest in self._database.use(read)}

    def take_over(self, aggregates: Mapping[tuple[str, str], Aggregate]) -> int:
        """Keep histories that were kept elsewhere; the first of a job and class stands. Returns how many are new."""
        rows = [
            (self._repository, job, kind, one.runs, one.mean_seconds, one.success_share)
            for (job, kind), one in aggregates.items()
        ]

        def write(database: sqlite3.Connection) -> int:
            before = database.total_changes
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT OR IGNORE INTO aggregates VALUES (?, ?, ?, ?, ?, ?)", rows)
            database.execute("COMMIT")
            return database.total_changes - before

        return self._database.use(write)

    def add_decision(self, job: str, facts: Mapping[str, Any]) -> None:
        """Keep a decision for `explain`."""

        def write(database: sqlite3.Connection) -> None:
            database.execute("BEGIN IMMEDIATE")
            database.execute(
                "INSERT INTO decisions (repository, job, made, facts) VALUES (?, ?, ?, ?)",
                (self._repository, job, time.time(), json.dumps(facts)),
            )
            database.execute(
                "DELETE FROM decisions WHERE id <= (SELECT max(id) FROM decisions) - ?", (KEPT_DECISIONS,)
            )
            database.execute("COMMIT")

        self._database.use(write)

    def last_decision(self, job: str) -> Mapping[str, Any] | None:
        """The facts of the newest decision, of this job if one is named."""

        def read(database: sqlite3.Connection) -> Sequence[Any] | None:
            found: Sequence[Any] | None = database.execute(
                "SELECT facts FROM decisions WHERE ?1 = '' OR job = ?1 ORDER BY id DESC LIMIT 1", (job,)
            ).fetchone()
            return found

        row = self._database.use(read)
        return None if row is None else dict(json.loads(row[0]))


def _record(row: Sequence[Any]) -> JobRecord:
    key, job, workflow, kind, outcome, seconds, ended, queued, runner, runs_on = row
    asked = json.loads(runs_on)  # in the form of `runs-on`
    return JobRecord(
        key=key,
        job=job,
        workflow=workflow,
        runner_class=kind,
        outcome=outcome,
        duration_seconds=seconds,
        ended=ended,
        queue_seconds=queued,
        runner=runner,
        labels=tuple(asked.get("labels", ()) if isinstance(asked, dict) else asked),
        group=asked["group"] if isinstance(asked, dict) else "",
    )
