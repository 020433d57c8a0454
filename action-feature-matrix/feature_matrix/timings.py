"""How long rows took: kept on this host, or read from the results of other runs, for estimates and balanced shards."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from actionlib.scoped_runs import workspace_of
from actionlib.state import NotMountedError, open_state
from feature_matrix.inputs import Settings

KEPT = 5000  # rows of one workspace
BUSY_SECONDS = 10.0
UNKNOWN_SECONDS = 10.0  # of a row while nothing at all is known


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds by a row's flags."""

    seconds: Mapping[str, float]

    def expect(self, flags: str) -> float:
        """What the row will take: as last time, or, for a new one, as long as the median row."""
        if flags in self.seconds:
            return self.seconds[flags]
        return statistics.median(self.seconds.values()) if self.seconds else UNKNOWN_SECONDS


def timings_of(context: Context, settings: Settings) -> Timings:
    """Those of `timings-file` where it is given, else what this host has recorded."""
    if settings.timings_file:
        return read_timings(workspace_of(context.environ) / settings.timings_file)
    return HostTimings(context, settings.manifest_path).read()


def read_timings(path: Path) -> Timings:
    """Times from a result of `validate`, or from all such files below a folder.

    Raises ActionError for a path where there is nothing, and a file that is no such result.
    """
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise ActionError(
            f"input 'timings-file' is '{path}', where there is no JSON file",
            hint="Give a json-file of mode 'validate', or a folder of them",
        )
    return Timings({flags: seconds for file in files for flags, seconds in _pairs(file)})


def _pairs(file: Path) -> Iterator[tuple[str, float]]:
    try:
        for row in json.loads(file.read_bytes())["rows"]:
            if row["state"] == "passed":
                yield str(row["flags"]), float(row["seconds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ActionError(
            f"input 'timings-file': {file} is no result of mode 'validate' ({error!r})",
            hint="Give the file that its output json-file names",
        ) from error


class HostTimings:
    """The times of one workspace in this host's state root. Jobs may use it side by side.

    What cannot be read or written is a warning: times only help.
    """

    def __init__(self, context: Context, manifest: str) -> None:
        self._context = context
        # At the prompt there is no repository's name, and the folder tells projects apart.
        project = context.environ.get("GITHUB_REPOSITORY") or workspace_of(context.environ)
        self._name = f"{project} {manifest}"
        self._has_told = False

    def read(self) -> Timings:
        """All that is known."""
        place = self._place()
        return Timings(self._read(place[0]) if place else {})

    def add(self, seconds: Mapping[str, float]) -> None:
        """Keep the times of these rows, over older ones."""
        place = self._place() if seconds else None
        if place is None:
            return
        path, mode = place
        try:
            with FileLock(path.with_suffix(".lock"), mode=mode, timeout=BUSY_SECONDS):
                known = self._read(path)
                merged = {name: value for name, value in known.items() if name not in seconds} | dict(seconds)
                kept = dict(list(merged.items())[-KEPT:])
                draft = path.with_suffix(f".{os.getpid()}")
                draft.write_text(json.dumps({"version": 1, "seconds": kept}), encoding="utf-8")
                draft.chmod(mode)
                draft.replace(path)
        except (OSError, Timeout) as error:
            self._context.out.warning(f"the times of this run are not kept: {error}")

    def _place(self) -> tuple[Path, int] | None:
        """The file, and the permissions that the state root prescribes for it."""
        try:
            state = open_state(self._context.environ)
            digest = hashlib.sha256(self._name.encode()).hexdigest()[:16]
            return state.folder("feature-matrix", "v1") / f"{digest}.json", state.file_mode()
        except NotMountedError:
            self._tell(
                self._context.out.say,
                "No times of earlier runs: this container keeps nothing on its host. "
                "'timings-file' takes them from elsewhere",
            )
        except (ActionError, OSError) as error:
            self._tell(self._context.out.warning, f"no times of earlier runs: {error}")
        return None

    def _tell(self, tell: Callable[[str], None], what: str) -> None:
        if not self._has_told:
            tell(what)
        self._has_told = True

    def _read(self, path: Path) -> dict[str, float]:
        try:
            value = json.loads(path.read_bytes())
            return {str(name): float(seconds) for name, seconds in value["seconds"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._context.out.warning(f"{path} is damaged, and begun anew: {error!r}")
            return {}
