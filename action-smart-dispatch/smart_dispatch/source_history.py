"""The job history of the script that teams come from: one JSON file a job, with sums for both classes.

Source: `seed-runner-blockers.md`, section 8, `update_job_history`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from actionlib.errors import ActionError
from smart_dispatch.durations import DEFAULT_SECONDS, DEFAULT_SUCCESS, Aggregate
from smart_dispatch.job_records import CLOUD, SELF_HOSTED

_CLASSES = {"self_hosted": SELF_HOSTED, "cloud": CLOUD}
MOST_BYTES = 1 << 20
MOST_NUMBER = 1e12


def read_source_history(path: Path, job: str) -> dict[tuple[str, str], Aggregate]:
    """What such a file knows of `job`; a class that never ran is left out.

    Raises ActionError for a file that is absent or no such history.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict) or not set(value) & set(_CLASSES):
            raise ValueError("it has neither 'self_hosted' nor 'cloud'")
        found = {}
        for name, kind in _CLASSES.items():
            one = value.get(name) or {}
            # One that was written by hand may have figures and no count: it counts once.
            runs = int(_number(one, "total_runs", 1 if one else 0))
            if runs > 0:
                mean = _number(one, "avg_duration", DEFAULT_SECONDS[kind])
                success = _number(one, "success_rate", 100 * DEFAULT_SUCCESS[kind])
                found[job, kind] = Aggregate(runs, mean, min(1.0, success / 100))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ActionError(
            f"input 'history-file' is '{path}', which is no job history: {error}",
            hint="It is a JSON object with self_hosted and cloud, each with total_runs, success_rate and avg_duration",
        ) from error
    return found


def _number(value: Mapping[str, object], name: str, default: float) -> float:
    number = value.get(name, default)
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= MOST_NUMBER:
        raise ValueError(f"'{name}' is {str(number)[:40]}; allowed: from 0 to {MOST_NUMBER:.0e}")
    return float(number)
