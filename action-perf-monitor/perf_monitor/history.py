"""Earlier runs of each job on this host, in one SQLite file below the state root."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actionlib.database import Database
from actionlib.state import StateRoot
from perf_monitor.report import Report

VERSION = 1
KEPT_RUNS = 500  # of each job
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    identity TEXT NOT NULL, run_id TEXT NOT NULL, attempt TEXT NOT NULL, began REAL NOT NULL, success INTEGER NOT NULL,
    sha TEXT NOT NULL, figures TEXT NOT NULL, worse TEXT NOT NULL,
    PRIMARY KEY (identity, run_id, attempt, began)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. `figures` by name; `worse` names those that were worse than their past."""

    identity: str
    run_id: str
    attempt: str
    began: float  # seconds since 1970
    success: bool
    sha: str
    figures: Mapping[str, float]
    worse: tuple[str, ...] = ()


def record_of(report: Report, *, success: bool, worse: Sequence[str] = ()) -> RunRecord:
    """What is kept of a run: the same repository, workflow, job and runner are compared with each other."""
    meta = report.meta
    identity = json.dumps([str(meta.get(name, "")) for name in ("repository", "workflow", "job", "runner")])
    return RunRecord(
        identity=identity,
        run_id=str(meta.get("run_id", "")),
        attempt=str(meta.get("run_attempt", "")),
        began=float(meta.get("started_unix") or time.time()),
        success=success,
        sha=str(meta.get("sha", "")),
        figures=figures_of(report),
        worse=tuple(worse),
    )


def figures_of(report: Report) -> dict[str, float]:
    """The figures that are compared."""
    found = {"duration_seconds": report.duration_seconds}
    if memory := report.statistics.get("job_memory_mb"):
        found["peak_memory_mb"] = memory.peak
    names = ("job_cpu_seconds", "disk_read_bytes", "disk_write_bytes", "network_rx_bytes", "network_tx_bytes")
    return found | {name: report.totals[name] for name in names if name in report.totals}


class History:
    """The runs of all jobs on this host. `notes` says what happened to the file besides, for the user to read."""

    def __init__(self, state: StateRoot) -> None:
        self._database = Database(state, "runs", schema=_SCHEMA, version=VERSION)
        self.notes = self._database.notes

    def add(self, record: RunRecord) -> None:
        """Keep a run; one with the same identity, id, attempt and time is replaced. Raises DatabaseFailed."""
        row = (
            *(record.identity, record.run_id, record.attempt, record.began, record.success, record.sha),
            *(json.dumps(dict(record.figures)), json.dumps(list(record.worse))),
        )

        def write(database: sqlite3.Connection) -> None:
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            database.execute(
                "DELETE FROM runs WHERE identity = ?1 AND began < "
                "(SELECT began FROM runs WHERE identity = ?1 ORDER BY began DESC LIMIT 1 OFFSET ?2)",
                (record.identity, KEPT_RUNS - 1),
            )
            database.execute("COMMIT")

        self._database.use(write)

    def earlier(self, record: RunRecord, *, limit: int) -> list[RunRecord]:
        """Successful runs of the same job that began before it, newest first. Raises DatabaseFailed."""

        def read(database: sqlite3.Connection) -> list[tuple[Any, ...]]:
            return database.execute(
                "SELECT * FROM runs WHERE identity = ? AND success AND began < ? ORDER BY began DESC LIMIT ?",
                (record.identity, record.began, limit),
            ).fetchall()

        return [found for row in self._database.use(read) if (found := _record(row))]


def _record(row: Sequence[Any]) -> RunRecord | None:
    """A row as a run; None where what it holds is none: one bad row must not end all comparing."""
    identity, run_id, attempt, began, success, sha, figures, worse = row
    try:
        values = {str(name): float(value) for name, value in json.loads(figures).items()}
        names = tuple(str(name) for name in json.loads(worse))
    except (ValueError, TypeError, AttributeError):
        return None
    if not all(map(math.isfinite, values.values())):
        return None
    return RunRecord(
        identity=identity,
        run_id=run_id,
        attempt=attempt,
        began=began,
        success=bool(success),
        sha=sha,
        figures=values,
        worse=names,
    )
