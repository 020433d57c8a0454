"""Earlier runs of each job on this host, in one SQLite file below the state root."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from actionlib.state import StateRoot
from perf_monitor.report import Report

VERSION = 1
KEPT_RUNS = 500  # of each job
BUSY_SECONDS = 10.0
POLL_SECONDS = 0.01
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PARTS = ("-journal", "-wal", "-shm")  # what SQLite keeps beside a database, and would apply to the next one
T = TypeVar("T")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    identity TEXT NOT NULL, run_id TEXT NOT NULL, attempt TEXT NOT NULL, began REAL NOT NULL, success INTEGER NOT NULL,
    sha TEXT NOT NULL, figures TEXT NOT NULL, worse TEXT NOT NULL,
    PRIMARY KEY (identity, run_id, attempt, began)
) WITHOUT ROWID
"""


class HistoryFailed(Exception):
    """The history cannot be read or written; the text says why. No reason for a job to fail."""


class _WasDamaged(HistoryFailed):
    """The file was no database any more and was put aside: the next try begins a new one."""


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
    """The runs of all jobs on this host. Jobs may use it side by side; a kill leaves it as before or as after.

    `notes` says what happened to the file besides, for the user to read.
    """

    def __init__(self, state: StateRoot) -> None:
        self._state = state
        self._path = state.folder("history", "v1") / "runs.sqlite3"
        self.notes: list[str] = []

    def add(self, record: RunRecord) -> None:
        """Keep a run; one with the same identity, id, attempt and time is replaced. Raises HistoryFailed."""
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

        self._use(write)

    def earlier(self, record: RunRecord, *, limit: int) -> list[RunRecord]:
        """Successful runs of the same job that began before it, newest first. Raises HistoryFailed."""

        def read(database: sqlite3.Connection) -> list[tuple[Any, ...]]:
            return database.execute(
                "SELECT * FROM runs WHERE identity = ? AND success AND began < ? ORDER BY began DESC LIMIT ?",
                (record.identity, record.began, limit),
            ).fetchall()

        return [found for row in self._use(read) if (found := _record(row))]

    def _use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with self._open() as database:
                return work(database)
        except _WasDamaged:
            with self._open() as database:
                return work(database)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Alone with the database: it may be put aside only while nobody else has it open."""
        try:
            with (
                self._alone(),
                contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as database,
            ):
                try:
                    self._prepare(database)
                    yield database
                except sqlite3.DatabaseError as error:
                    if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGE:
                        raise  # full, not ours to write
                    database.close()
                    aside = self._put_aside()
                    self.notes.append(
                        f"the history {self._path} was damaged; it is now {aside.name}, and a new one begins"
                    )
                    raise _WasDamaged(str(error)) from error
        except (sqlite3.Error, ValueError, OSError) as error:
            raise HistoryFailed(f"the history {self._path} cannot be used: {error}") from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the history's lock, which the kernel frees when its holder dies. Raises TimeoutError."""
        from filelock import FileLock, Timeout  # 11 to 50 ms, which only those pay who have a history

        lock = FileLock(self._path.with_suffix(".lock"), mode=self._state.file_mode())
        try:
            lock.acquire(timeout=BUSY_SECONDS, poll_interval=POLL_SECONDS)
        except Timeout as error:
            raise TimeoutError(f"other jobs have held it for {BUSY_SECONDS:g} s") from error
        try:
            yield
        finally:
            lock.release()

    def _prepare(self, database: sqlite3.Connection) -> None:
        found = database.execute("PRAGMA user_version").fetchone()[0]
        if found > VERSION:
            raise ValueError(f"it has format {found}, of a later version of this action")
        if found < VERSION:
            database.execute(_SCHEMA)
            database.execute(f"PRAGMA user_version = {VERSION}")
            with contextlib.suppress(OSError):  # its first maker's
                self._path.chmod(self._state.file_mode())

    def _put_aside(self) -> Path:
        """Renamed, never deleted: somebody may want to mend it."""
        aside = self._path.with_name(f"{self._path.name}.damaged-{time.time_ns()}")
        for part in _PARTS:
            with contextlib.suppress(FileNotFoundError):
                self._path.with_name(self._path.name + part).replace(f"{aside}{part}")
        return self._path.replace(aside)


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
