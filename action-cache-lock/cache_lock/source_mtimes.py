"""Modification times of tracked sources, kept by content.

cargo and make compare modification times, and a fresh checkout gives every file a new one. A source whose
blob is the same as at the save gets its recorded time back, so that a restored build directory fits it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actionlib.git import run_git, split_names


@dataclass(frozen=True, slots=True)
class SourceTimes:
    """How many tracked files got their recorded time back, and how many were made newer than the build."""

    restored: int
    renewed: int


def record_sources(workspace: Path, target: Path) -> None:
    """Write blob id, modification time and path of every tracked file that is as git has it."""
    with target.open("w", encoding="ascii") as file:
        for path, blob in _tracked_unmodified(workspace):
            status = _lstat(workspace / path)
            if status is not None:
                file.write(json.dumps([path, blob, status.st_mtime_ns]) + "\n")


def restore_sources(workspace: Path, recorded: Path) -> SourceTimes:
    """Set recorded times where the content is the same.

    A source that is new or changed must look newer than the build, also when this host's clock stands behind
    the clock that wrote the entry: such a file is moved just past the newest recorded time.
    """
    times: dict[str, tuple[str, int]] = {}
    with recorded.open(encoding="ascii") as file:
        for line in file:
            path, blob, mtime_ns = json.loads(line)
            times[path] = (blob, mtime_ns)
    newest = max((mtime_ns for _, mtime_ns in times.values()), default=0)
    saved_at = recorded.stat().st_mtime_ns
    floor = max(newest, saved_at)
    restored = renewed = 0
    unmodified = dict(_tracked_unmodified(workspace))
    for path in _tracked(workspace):
        status = _lstat(workspace / path)
        if status is None:
            continue
        blob, mtime_ns = times.get(path, ("", 0))
        if blob and unmodified.get(path) == blob:
            os.utime(workspace / path, ns=(status.st_atime_ns, mtime_ns), follow_symlinks=False)
            restored += 1
        elif status.st_mtime_ns <= floor:
            os.utime(workspace / path, ns=(status.st_atime_ns, floor + 1_000_000_000), follow_symlinks=False)
            renewed += 1
    _git(workspace, "update-index", "-q", "--refresh", check=False)  # or git would take them for modified
    return SourceTimes(restored, renewed)


def _tracked_unmodified(workspace: Path) -> Iterator[tuple[str, str]]:
    modified = set(split_names(_git(workspace, "diff-files", "--name-only", "--relative", "-z")))
    if modified:  # the index may only be stale: let git look at the contents
        _git(workspace, "update-index", "-q", "--refresh", check=False)
        modified = set(split_names(_git(workspace, "diff-files", "--name-only", "--relative", "-z")))
    for line in split_names(_git(workspace, "ls-files", "--stage", "-z")):
        head, _, path = line.partition("\t")
        mode, blob, _stage = head.split(" ")
        if mode in ("100644", "100755") and path not in modified:
            yield path, blob


def _tracked(workspace: Path) -> list[str]:
    return split_names(_git(workspace, "ls-files", "-z"))


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _git(workspace: Path, *arguments: str, check: bool = True) -> bytes:
    hint = "Run actions/checkout before this step, or set 'source-mtimes: false'"
    return run_git(workspace, *arguments, why="'source-mtimes: true'", hint=hint, check=check)
