"""The files of one monitor: a common stem, a metrics file and what stands beside it.

Everything beside the metrics file may be missing, torn or invalid, since its writer may have been killed at any time:
the readers leave out what they cannot use and say so in a note for people.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perf_monitor.report import Alert, Usage

_META_NUMBERS = ("started_unix", "cores", "memory_mb", "interval_seconds", "max_runtime_seconds")
_META_TEXTS = (
    *(
        "repository",
        "workflow",
        "job",
        "run_id",
        "run_attempt",
        "run_url",
        "ref",
        "sha",
        "event",
        "runner",
        "host",
    ),
    *("operating_system", "disk_path", "mode"),
)
_META_MAPPINGS = ("caches", "thresholds", "versions")
_ENDS = ("stop", "job-end", "max-runtime", "failed")


@dataclass(frozen=True, slots=True)
class Attribution:
    """Who used what, as the sampler last wrote it. `present` is False when there is no such file (or no usable one)."""

    steps: Sequence[Usage] = ()
    programs: Sequence[Usage] = ()
    unseen_cpu_seconds: float = 0.0
    other_cpu_seconds: float = 0.0
    sampler: Mapping[str, float] = field(default_factory=dict)
    ended: str = ""
    present: bool = False


@dataclass(frozen=True, slots=True)
class MonitorFiles:
    """Paths below a common stem (folder and name without ending). `metrics`: a metrics file with a name of its own."""

    stem: Path
    metrics: Path | None = None

    @classmethod
    def of_csv(cls, path: Path) -> MonitorFiles:
        """The files beside a metrics file, whatever its name."""
        stem = path.with_name(path.name.removesuffix(".csv") or path.name)
        return cls(stem, path)

    def _beside(self, ending: str) -> Path:
        return self.stem.with_name(self.stem.name + ending)

    @property
    def csv(self) -> Path:
        """The metrics file."""
        return self.metrics or self._beside(".csv")

    @property
    def log(self) -> Path:
        """The sampler's own log."""
        return self._beside(".log")

    @property
    def meta(self) -> Path:
        """What was known when the monitor began; written once."""
        return self._beside(".meta.json")

    @property
    def steps(self) -> Path:
        """Who used what; replaced as long as the sampler lives."""
        return self._beside(".steps.json")

    @property
    def alerts(self) -> Path:
        """A line of JSON for each limit that was crossed."""
        return self._beside(".alerts.jsonl")

    @property
    def markdown_report(self) -> Path:
        """The report for reading in the repository's site."""
        return self._beside("_report.md")

    @property
    def html_report(self) -> Path:
        """The report with charts, in one file."""
        return self._beside("_report.html")

    @property
    def json_report(self) -> Path:
        """The report for programs."""
        return self._beside("_report.json")

    def read_meta(self) -> tuple[dict[str, Any], list[str]]:
        """The usable part of the meta file, and notes. Values of a wrong kind are left out."""
        found, notes = _read_object(self.meta, what="about the job and the host")
        wrong = [
            *(key for key in _META_NUMBERS if key in found and not _is_positive(found[key])),
            *(key for key in _META_TEXTS if key in found and not isinstance(found[key], str | int)),
            *(key for key in _META_MAPPINGS if key in found and not isinstance(found[key], dict)),
        ]
        for key in wrong:
            del found[key]
        if wrong:
            notes.append(f"{self.meta.name}: {', '.join(wrong)} cannot be used and is left out.")
        return {key: str(value) if key in _META_TEXTS else value for key, value in found.items()}, notes

    def read_steps(self) -> tuple[Attribution, list[str]]:
        """Who used what, and notes. Entries of a wrong shape are left out."""
        found, notes = _read_object(self.steps, what="about steps and programs")
        steps, wrong_steps = _usages(found.get("steps"), key="step")
        programs, wrong_programs = _usages(found.get("programs"), key="name")
        if wrong := wrong_steps + wrong_programs:
            notes.append(f"{self.steps.name}: {wrong} entries cannot be used and are left out.")
        sampler = found.get("sampler")
        own = {
            key: number
            for key in ("cpu_seconds", "peak_memory_mb", "samples")
            if isinstance(sampler, dict) and (number := _number(sampler.get(key))) is not None
        }
        ended = found.get("ended")
        return Attribution(
            steps=steps,
            programs=programs,
            unseen_cpu_seconds=max(0.0, _number(found.get("unseen_cpu_seconds")) or 0.0),
            other_cpu_seconds=max(0.0, _number(found.get("other_cpu_seconds")) or 0.0),
            sampler=own,
            ended=ended if ended in _ENDS else "",
            present=bool(found),
        ), notes

    def read_alerts(self) -> tuple[list[Alert], list[str]]:
        """All alerts in their order, and notes. No file means no alerts."""
        try:
            lines = self.alerts.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return [], []
        except OSError as error:
            return [], [f"{self.alerts.name} cannot be read: {error.strerror}."]
        read = [_alert(line) for line in lines if line.strip()]
        alerts = [alert for alert in read if alert is not None]
        missing = len(read) - len(alerts)
        return alerts, [
            f"{self.alerts.name}: {missing} lines are no alerts and are left out."
        ] if missing else []


def _read_object(path: Path, *, what: str) -> tuple[dict[str, Any], list[str]]:
    try:
        value = json.loads(path.read_text(encoding="utf-8", errors="replace"), parse_constant=lambda _: None)
    except FileNotFoundError:
        return {}, [f"{path.name} is not there, so nothing is known {what}."]
    except OSError as error:
        return {}, [f"{path.name} cannot be read ({error.strerror}), so nothing is known {what}."]
    except (ValueError, RecursionError):
        return {}, [f"{path.name} is cut off or no JSON, so nothing is known {what}."]
    if not isinstance(value, dict):
        return {}, [f"{path.name} holds no JSON object, so nothing is known {what}."]
    return value, []


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    return None


def _is_positive(value: object) -> bool:
    return (_number(value) or 0) > 0


def _usages(entries: object, *, key: str) -> tuple[list[Usage], int]:
    """Entries that have a name and CPU seconds, and the number of those that have not."""
    if not isinstance(entries, list):
        return [], 0 if entries is None else 1
    kept = []
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get(key), str):
            continue
        values = [_number(entry.get(name, 0)) for name in ("cpu_seconds", "peak_memory_mb", "processes")]
        cpu, peak, processes = values
        if cpu is None or peak is None or processes is None:
            continue
        first, last = _number(entry.get("first_seconds")) or 0.0, _number(entry.get("last_seconds")) or 0.0
        kept.append(Usage(entry[key], max(0.0, cpu), max(0.0, peak), int(processes), first, max(first, last)))
    return kept, len(entries) - len(kept)


def _alert(line: str) -> Alert | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or entry.get("level") not in ("concerning", "critical"):
        return None
    elapsed, value, limit = (_number(entry.get(key)) for key in ("elapsed_seconds", "value", "limit"))
    metric, text = entry.get("metric"), entry.get("text")
    if elapsed is None or value is None or limit is None or not isinstance(metric, str):
        return None
    return Alert(elapsed, metric, entry["level"], value, limit, text if isinstance(text, str) else metric)
