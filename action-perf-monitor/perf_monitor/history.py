"""Earlier runs of each job on this host, in one SQLite file below the state root."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actionlib.state import StateRoot
from perf_monitor.report import Report

VERSION = 1
KEPT_RUNS = 500  # of each job
BUSY_SECONDS = 10.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    identity TEXT NOT NULL, run_id TEXT NOT NULL, attempt TEXT NOT NULL, began REAL NOT NULL, success INTEGER NOT NULL,
    sha TEXT NOT NULL, figures TEXT NOT NULL, worse TEXT NOT NULL,
    PRIMARY KEY (identity, run_id, attempt, began)
) WITHOUT ROWID
"""


class HistoryFailed(Exception):
    """The history cannot be read or written; the text says why. No reason for a job to fail."""


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
    """The runs of all jobs on this host. Jobs may use it side by side; a kill leaves it as before or as after."""

    def __init__(self, state: StateRoot) -> None:
        self._state = state
        self._path = state.folder("history", "v1") / "runs.sqlite3"

    def add(self, record: RunRecord) -> None:
        """Keep a run; one with the same identity, id, attempt and time is replaced. Raises HistoryFailed."""
        row = (
            *(record.identity, record.run_id, record.attempt, record.began, record.success, record.sha),
            *(json.dumps(dict(record.figures)), json.dumps(list(record.worse))),
        )
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            database.execute(
                "DELETE FROM runs WHERE identity = ?1 AND began < "
                "(SELECT began FROM runs WHERE identity = ?1 ORDER BY began DESC LIMIT 1 OFFSET ?2)",
                (record.identity, KEPT_RUNS - 1),
            )
            database.execute("COMMIT")

    def earlier(self, record: RunRecord, *, limit: int) -> list[RunRecord]:
        """Successful runs of the same job that began before it, newest first. Raises HistoryFailed."""
        with self._open() as database:
            rows = database.execute(
                "SELECT * FROM runs WHERE identity = ? AND success AND began < ? ORDER BY began DESC LIMIT ?",
                (record.identity, record.began, limit),
            ).fetchall()
        return [
            RunRecord(
                identity=row[0],
                run_id=row[1],
                attempt=row[2],
                began=row[3],
                success=bool(row[4]),
                sha=row[5],
                figures=json.loads(row[6]),
                worse=tuple(json.loads(row[7])),
            )
            for row in rows
        ]

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            database = self._connect()
            try:
                yield database
            finally:
                database.close()
        except (sqlite3.Error, ValueError, OSError) as error:
            raise HistoryFailed(f"the history {self._path} cannot be used: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        try:
            return self._prepared()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # locked, full, not ours to write
                raise
            # No database any more. It is put aside, never deleted, and a new one is begun.
            self._path.replace(_aside(self._path))
            return self._prepared()

    def _prepared(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            found = database.execute("PRAGMA user_version").fetchone()[0]
            if found > VERSION:
                raise ValueError(f"it has format {found}, of a later version of this action")
            if found < VERSION:
                database.execute("PRAGMA journal_mode = WAL")  # who writes keeps nobody from reading
                database.execute("BEGIN IMMEDIATE")  # another one may be doing the same
                database.execute(_SCHEMA)
                database.execute(f"PRAGMA user_version = {VERSION}")
                database.execute("COMMIT")
                with contextlib.suppress(OSError):  # its first maker's
                    self._path.chmod(self._state.file_mode())
        except BaseException:
            database.close()
            raise
        return database


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.damaged-{time.time_ns()}")
