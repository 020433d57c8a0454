"""The metrics file: one CSV row a sample, flushed at once, and its reader, which survives a torn last row.

The first columns are those of the script that this action replaces, under their names and in their order; a column for
each folder of `cache-paths` is among them. Then come ours. An empty cell is a value that could not be read.
"""

from __future__ import annotations

import csv
import errno
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actionlib.errors import ActionError

# Names of cache folders that have a column in every file, as there.
SOURCE_CACHES = ("cache_size", "vosk_model", "rust_cache")

_SOURCE_HEAD = (
    "timestamp",  # local time, YYYY-MM-DD HH:MM:SS
    "load_avg",  # of one minute
    "memory_mb",  # used: total less available, MiB
    "memory_available_mb",
    "disk_pct",  # of the file system of disk-path
    "runner_cpu",  # per cent of one core: the runner's own processes (Runner.*)
    "runner_mem",  # per cent of the memory
    "network_rx",  # bytes since boot, physical devices
    "network_tx",
    "disk_read",  # sectors of 512 bytes since boot, physical devices
    "disk_write",
)
_SOURCE_TAIL = (
    "active_jobs",
    "workflow_id",  # GITHUB_RUN_ID
    "job_name",
    "run_attempt",
    "step_name",  # id of the step that runs (GITHUB_ACTION)
)
OWN_COLUMNS = (
    "unix_seconds",
    "elapsed_seconds",  # since the sampler's start, monotonic
    "interval_seconds",  # since the sample before; what follows as a share or a delta is about it
    "cpu_percent",  # of all cores
    "cpu_user_percent",
    "cpu_system_percent",
    "cpu_iowait_percent",
    "cpu_steal_percent",
    "load_5",
    "load_15",
    "load_per_core",
    "memory_percent",
    "swap_used_mb",
    "swap_percent",
    "disk_free_mb",
    "network_rx_bytes",  # in the interval
    "network_tx_bytes",
    "disk_read_bytes",
    "disk_write_bytes",
    "pressure_cpu_percent",  # share of the interval in which some task waited (PSI "some")
    "pressure_memory_percent",
    "pressure_memory_full_percent",  # … in which all did
    "pressure_io_percent",
    "pressure_io_full_percent",
    "oom_kills",  # in the interval, host-wide
    "cgroup_memory_mb",  # ours, when inside one with a limit
    "cgroup_memory_percent",
    "cgroup_cpu_percent",  # of its quota
    "cgroup_throttled_percent",  # share of its periods
    "job_cpu_seconds",  # of the job's processes, in the interval
    "job_memory_mb",  # sum of their resident sets
    "job_processes",
    "processes",  # on the host
)
TEXT_COLUMNS = frozenset(
    ("timestamp", "workflow_id", "job_name", "run_attempt", "step_name", "cache_partial")
)


def cache_column(name: str) -> str:
    """The column of a cache folder, in MiB."""
    return f"{name}_mb"


def columns(caches: Sequence[str]) -> tuple[str, ...]:
    """All columns of a file with the folders `caches`. `cache_partial` names those that were not fully counted."""
    named = (*SOURCE_CACHES, *(name for name in caches if name not in SOURCE_CACHES))
    return (*_SOURCE_HEAD, *map(cache_column, named), *_SOURCE_TAIL, *OWN_COLUMNS, "cache_partial")


class SampleWriter:
    """Appends rows. Each is written by one system call, so that a kill loses the newest row at most."""

    def __init__(self, path: Path, caches: Sequence[str]) -> None:
        """Make the file with its header. Raises OSError."""
        self.columns = columns(caches)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        if os.fstat(self._descriptor).st_size == 0:
            self._write(self.columns)

    def add(self, values: Mapping[str, float | str | None]) -> None:
        """Append one sample. Raises KeyError for a column that the file has not, and OSError (a full disk)."""
        unknown = values.keys() - set(self.columns)
        if unknown:
            raise KeyError(f"no such column: {sorted(unknown)}")
        self._write([_cell(values.get(name)) for name in self.columns])

    def close(self) -> None:
        """No more rows."""
        os.close(self._descriptor)

    def _write(self, cells: Sequence[str]) -> None:
        line = ",".join(_quoted(cell) for cell in cells) + "\n"
        data = line.encode("utf-8", "replace")
        begin = os.fstat(self._descriptor).st_size
        if os.write(self._descriptor, data) < len(data):  # a full disk: no half row stays between whole ones
            os.ftruncate(self._descriptor, begin)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _cell(value: float | str | None) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return str(value)


def _quoted(cell: str) -> str:
    if any(sign in cell for sign in ',"\r\n'):
        return '"' + cell.replace('"', '""').replace("\r", " ").replace("\n", " ") + '"'
    return cell


@dataclass(frozen=True, slots=True)
class Samples:
    """A metrics file by columns. Numbers are NaN where a cell is empty; all columns have the same length."""

    numbers: Mapping[str, Sequence[float]]
    texts: Mapping[str, Sequence[str]]
    notes: tuple[str, ...] = field(default=())  # what was wrong with the file, for people

    def __len__(self) -> int:
        return len(self.texts["timestamp"])

    def series(self, name: str) -> Sequence[float]:
        """A column; NaN throughout when the file has none of that name."""
        return self.numbers.get(name) or [math.nan] * len(self)

    @property
    def caches(self) -> tuple[str, ...]:
        """Names of the cache folders that were measured at least once."""
        names = (name.removesuffix("_mb") for name in self.numbers if name.endswith("_mb"))
        known = {"memory", "memory_available", "swap_used", "disk_free", "cgroup_memory", "job_memory"}
        return tuple(
            name
            for name in names
            if name not in known and any(value == value for value in self.series(cache_column(name)))
        )


def read_samples(path: Path) -> Samples:
    """Read a metrics file, also one of the script that this action replaces.

    A last row without its end, and rows with a wrong number of cells or with text for a number, are left out, and a
    note says so. Raises ActionError when the file cannot be read, is empty, or is no metrics file.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ActionError(f"the metrics file {path} cannot be read: {error.strerror}") from error
    if not text:
        raise ActionError(
            f"the metrics file {path} is empty", hint="Let 'start' make one, or name another one"
        )
    complete, _, torn = text.rpartition("\n")
    rows = list(csv.reader(complete.splitlines()))
    header = rows[0] if rows else []
    if header[:2] != ["timestamp", "load_avg"]:
        raise ActionError(
            f"{path} is no metrics file: its first line should begin with timestamp,load_avg, "
            f"found '{text.splitlines()[0][:60]}'"
        )
    notes = ["The last sample was cut off and is left out."] if torn else []
    kept = [row for row in rows[1:] if len(row) == len(header) and _has_numbers(header, row)]
    if left_out := len(rows) - 1 - len(kept):
        notes.append(f"{left_out} lines are no samples and are left out.")
    table = list(zip(*kept, strict=True)) if kept else [()] * len(header)
    texts = {name: column for name, column in zip(header, table, strict=True) if name in TEXT_COLUMNS}
    numbers = {
        name: [float(cell) if cell else math.nan for cell in column]
        for name, column in zip(header, table, strict=True)
        if name not in TEXT_COLUMNS
    }
    return Samples(numbers, texts, tuple(notes))


def _has_numbers(header: Sequence[str], row: Sequence[str]) -> bool:
    try:
        for name, cell in zip(header, row, strict=True):
            if cell and name not in TEXT_COLUMNS:
                float(cell)
    except ValueError:
        return False
    return True
