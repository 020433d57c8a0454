"""What the sampler writes beside the metrics file: who used what, and the limits that were crossed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perf_monitor.attribution import OTHER, Account, Attribution
from perf_monitor.report import Alert

MAX_PROGRAMS = 20
MIB = 1 << 20
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def steps_record(
    attribution: Attribution, *, sampler: Mapping[str, float], ended: str | None
) -> dict[str, Any]:
    """The content of the steps file."""
    programs = sorted(attribution.programs.items(), key=lambda item: -item[1].ticks)
    other = attribution.steps.get(OTHER)
    return {
        "steps": [
            {
                "step": name,
                **_use(one),
                "first_seconds": round(one.first_seconds, 3),
                "last_seconds": round(one.last_seconds, 3),
            }
            for name, one in attribution.steps.items()
            if name != OTHER
        ],
        "unseen_cpu_seconds": attribution.unseen_ticks / _TICKS,
        "other_cpu_seconds": other.ticks / _TICKS if other else 0.0,
        "programs": [{"name": name, **_use(one)} for name, one in programs[:MAX_PROGRAMS]],
        "sampler": dict(sampler),
        "ended": ended,
    }


def _use(account: Account) -> dict[str, float]:
    return {
        "cpu_seconds": round(account.ticks / _TICKS, 3),
        "peak_memory_mb": round(account.peak_pages * _PAGE / MIB, 1),
        "processes": account.processes,
    }


def replace_json(path: Path, value: object) -> None:
    """Write a file so that a reader sees the old or the new one whole. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps(value), encoding="utf-8")
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def append_alerts(path: Path, alerts: list[Alert], *, unix_seconds: float) -> None:
    """A line of JSON each, in one write. Raises OSError."""
    lines = [
        {
            "elapsed_seconds": round(one.elapsed_seconds, 3),
            "unix_seconds": round(unix_seconds, 3),
            "metric": one.metric,
            "level": one.level,
            "value": round(one.value, 3),
            "limit": one.limit,
            "text": one.text,
        }
        for one in alerts
    ]
    if lines:
        with path.open("ab", buffering=0) as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines).encode())
