"""How this host is: its meters, the health score of them, and both as a heartbeat."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from actionlib.errors import ActionError
from actionlib.host_metrics import (
    RUNNER_PATTERN,
    caches_missing,
    count_processes,
    network_unreachable,
    read_host_metrics,
)
from actionlib.metrics import incurred, score
from smart_dispatch.heartbeats import Heartbeat
from smart_dispatch.inputs import Settings
from smart_dispatch.source_score import penalties_with, reasons, recommendation_of, status_of


@dataclass(frozen=True, slots=True)
class HostHealth:
    """The meters by metric name, the score, what cost points, and the number of runner services."""

    values: Mapping[str, float | None]
    score: int
    reasons: tuple[str, ...]
    slots: int

    @property
    def status(self) -> str:
        """`healthy`, `degraded` or `unhealthy`."""
        return status_of(self.score)

    @property
    def recommendation(self) -> str:
        """What the status recommends."""
        return recommendation_of(self.status)

    def heartbeat(self) -> Heartbeat:
        """To be told elsewhere."""
        jobs = self.values["active-jobs"]
        return Heartbeat(
            time=time.time(),
            health_score=self.score,
            load=self.values["load"],
            load_per_core=self.values["load-per-core"],
            memory_percent=self.values["memory-percent"],
            disk_percent=self.values["disk-percent"],
            # No runner service is no knowledge: they may run in another container.
            slots=self.slots or None,
            active_jobs=None if jobs is None else int(jobs),
        )


def look_at_host(settings: Settings, environ: Mapping[str, str]) -> HostHealth:
    """Read the meters once. Raises ActionError for a `disk-path` that is not there."""
    home = Path(environ.get("HOME") or "/")
    values = read_host_metrics(_disk(settings, home))
    if settings.cache_paths:
        values["caches-missing"] = caches_missing(
            home / text.removeprefix("~/") if text.startswith("~/") else Path(text)
            for text in settings.cache_paths
        )
    if settings.network_host:
        values["network-unreachable"] = network_unreachable(settings.network_host)
    penalties = penalties_with(settings.thresholds)
    points = score(values, penalties)
    told = tuple(reasons(values, incurred(values, penalties)))
    return HostHealth(values, points, told, count_processes(RUNNER_PATTERN))


def _disk(settings: Settings, home: Path) -> Path:
    """A path on the disk that is looked at. A service's user may have no home: then the root."""
    if not settings.disk_path:
        return home if home.exists() else Path("/")
    try:
        path = Path(settings.disk_path).expanduser()
        path.stat()
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: `~nobody`
        raise ActionError(
            f"input 'disk-path' is '{settings.disk_path}', which cannot be looked at: {error}",
            hint="Name a path that is there, or leave it empty for the disk of the user's home",
        ) from error
    return path
