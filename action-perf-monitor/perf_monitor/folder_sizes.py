"""Sizes of folders, measured beside the sampling: a folder of 50,000 files takes a tenth of a second to count."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
BLOCK_BYTES = 512  # of st_blocks, whatever the file system's own (stat(2))
ROUND_SECONDS = 10.0  # the longest that one folder is counted
REST_SECONDS = 60.0
REST_SHARE = 50  # at least so many times as long as a round took
_IDLE_PRIORITY = 19


@dataclass(frozen=True, slots=True)
class FolderSize:
    """What a folder takes on disk; `partial` when time was up, or a part of it could not be read."""

    mebibytes: float
    partial: bool


def measure_folder(path: Path, *, seconds: float = ROUND_SECONDS) -> FolderSize | None:
    """Allocated bytes, a file with several names once; links are not followed, other file systems not entered.

    None when there is no such folder.
    """
    try:
        top = path.stat()
    except OSError:
        return None
    deadline = time.monotonic() + seconds
    total, partial = top.st_blocks, False
    seen: set[int] = set()
    folders = [str(path)]
    while folders:
        if time.monotonic() > deadline:
            partial = True
            break
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue  # has gone meanwhile
                    if status.st_dev != top.st_dev:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif status.st_nlink > 1:
                        if status.st_ino in seen:
                            continue
                        seen.add(status.st_ino)
                    total += status.st_blocks
        except FileNotFoundError:
            continue
        except OSError:
            partial = True
    return FolderSize(total * BLOCK_BYTES / MIB, partial)


class FolderWatch:
    """Measures folders again and again, in a thread of the lowest priority that ends with its process."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = dict(folders)
        self._sizes: dict[str, FolderSize] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        if folders:
            self._thread.start()

    def sizes(self) -> Mapping[str, FolderSize]:
        """The latest of each folder that has been measured."""
        return dict(self._sizes)

    def _run(self) -> None:
        # On Linux a thread has a priority of its own, and 0 means the one that asks.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _IDLE_PRIORITY)
        while True:
            begin = time.monotonic()
            for name, path in self._folders.items():
                found = measure_folder(path)
                earlier = self._sizes.get(name)
                if found is None:
                    self._sizes.pop(name, None)
                elif earlier and found.partial and earlier.mebibytes > found.mebibytes:
                    self._sizes[name] = FolderSize(earlier.mebibytes, partial=True)
                else:
                    self._sizes[name] = found
            time.sleep(max(REST_SECONDS, REST_SHARE * (time.monotonic() - begin)))
