"""One SQLite file below the state root that jobs use side by side: a kill leaves it as before or as after.

A file that is damaged is put aside, never deleted, and a new one begins.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from actionlib.state import StateRoot

BUSY_SECONDS = 10.0
POLL_SECONDS = 0.01
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PARTS = ("-journal", "-wal", "-shm")  # what SQLite keeps beside a database, and would apply to the next one
T = TypeVar("T")


class DatabaseFailed(Exception):
    """The file cannot be read or written; the text says why. No reason for a job to fail."""


class _WasDamaged(DatabaseFailed):
    """The file was no database any more and was put aside: the next try begins a new one."""


class Database:
    """The file `history/v1/NAME.sqlite3`, with tables of `schema` (statements that make them where they are absent).

    `version` is the schema's; a file of a later one is left alone. `notes` says what happened to the file besides, for
    the user to read.
    """

    def __init__(
        self,
        state: StateRoot,
        name: str,
        *,
        schema: str,
        version: int,
        busy_seconds: float | None = None,
    ) -> None:
        """`busy_seconds`: how long other jobs are waited for; BUSY_SECONDS by default."""
        self._state, self._schema, self._version = state, schema, version
        self._busy_seconds = busy_seconds
        self._path = state.folder("history", "v1") / f"{name}.sqlite3"
        self.notes: list[str] = []

    def use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do some work alone with the database, in autocommit. Raises DatabaseFailed."""
        try:
            with self._open() as database:
                return work(database)
        except _WasDamaged:
            with self._open() as database:
                return work(database)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Alone, because it may be put aside only while nobody else has it open."""
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
            raise DatabaseFailed(f"the history {self._path} cannot be used: {error}") from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the file's lock, which the kernel frees when its holder dies. Raises TimeoutError."""
        from filelock import FileLock, Timeout  # 11 to 50 ms, which only those pay who have a history

        lock = FileLock(self._path.with_suffix(".lock"), mode=self._state.file_mode())
        seconds = BUSY_SECONDS if self._busy_seconds is None else self._busy_seconds
        try:
            lock.acquire(timeout=seconds, poll_interval=POLL_SECONDS)
        except Timeout as error:
            raise TimeoutError(f"other jobs have held it for {seconds:g} s") from error
        try:
            yield
        finally:
            lock.release()

    def _prepare(self, database: sqlite3.Connection) -> None:
        found = database.execute("PRAGMA user_version").fetchone()[0]
        if found > self._version:
            raise ValueError(f"it has format {found}, of a later version of this action")
        if found < self._version:
            # Not executescript, which would commit a table without the version.
            for statement in self._schema.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {self._version}")
            with contextlib.suppress(OSError):  # its first maker's
                self._path.chmod(self._state.file_mode())

    def _put_aside(self) -> Path:
        """Renamed, never deleted: somebody may want to mend it."""
        aside = self._path.with_name(f"{self._path.name}.damaged-{time.time_ns()}")
        for part in _PARTS:
            with contextlib.suppress(FileNotFoundError):
                self._path.with_name(self._path.name + part).replace(f"{aside}{part}")
        return self._path.replace(aside)
