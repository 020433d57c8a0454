"""Heartbeats of a host that is well."""

from __future__ import annotations

import time

from smart_dispatch.heartbeats import Heartbeat


def beat(age_seconds: float = 0, **changed: object) -> str:
    """As text: a host that is well and has two free runner services, but for what is `changed`."""
    values = {
        "time": time.time() - age_seconds, "health_score": 100, "load": 0.5, "load_per_core": 0.1,
        "memory_percent": 30.0, "disk_percent": 50.0, "slots": 2, "active_jobs": 0, **changed,
    }  # fmt: skip
    return Heartbeat(**values).text()
