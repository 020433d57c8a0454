"""What a decision was made from, a row for each thing: what, from where, and how old."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from actionlib.summary import duration
from smart_dispatch.decision import Situation
from smart_dispatch.expected_time import Leg
from smart_dispatch.inputs import Settings
from smart_dispatch.knowledge import Knowledge


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that is known, or is not: then the value says so. Age in seconds; None where it has none."""

    what: str
    value: str
    source: str
    age_seconds: float | None = None


def evidence_of(
    settings: Settings,
    situation: Situation,
    known: Knowledge,
    legs: Sequence[Leg],
    *,
    peak_hours: bool,
    now: float,
) -> list[Evidence]:
    """All rows."""
    return list(_rows(settings, situation, known, legs, peak_hours=peak_hours, now=now))


def _rows(
    settings: Settings,
    situation: Situation,
    known: Knowledge,
    legs: Sequence[Leg],
    *,
    peak_hours: bool,
    now: float,
) -> Iterator[Evidence]:
    trust, capacity, beat = situation.trust, situation.capacity, known.heartbeat
    yield Evidence(
        "trust", f"{'trusted' if trust.trusted else 'untrusted'}: {'; '.join(trust.reasons)}", "event"
    )
    if capacity.online is None and not capacity.stuck:
        yield Evidence("runners", f"unknown for {settings.primary_runner}", capacity.source)
    else:
        stuck = ", but jobs wait and nobody takes them" if capacity.stuck else ""
        value = f"{capacity.online} online, {capacity.busy} busy{stuck}"
        yield Evidence("runners", value, capacity.source, capacity.age_seconds)
    if known.activity.runs_active >= 0:
        value = f"{capacity.queued} jobs ahead, {capacity.reserved} more expected"
        yield Evidence("queue", value, "runs API", 0.0)
    else:
        yield Evidence("queue", "unknown", "not asked" if not known.activity.asked else "no answer")
    if beat:
        parts = [f"{beat.health_score} of 100 ({situation.health})"]
        parts += [f"load per core {beat.load_per_core:.2f}"] if beat.load_per_core is not None else []
        parts += [f"memory {beat.memory_percent:.0f} %"] if beat.memory_percent is not None else []
        yield Evidence("health", ", ".join(parts), known.heartbeat_source, beat.age(now))
    else:
        yield Evidence("health", f"unknown: {known.no_heartbeat}", known.heartbeat_source)
    for name, one in (("self-hosted run", legs[0].self_hosted), ("cloud run", legs[0].cloud)):
        spoilt = "" if one.reliable_share > 0.995 else f", {100 * (1 - one.reliable_share):.0f} % lost"
        yield Evidence(name, f"{duration(one.seconds)}{spoilt}", one.source)
    for kind, breaker in situation.breakers.items():
        if breaker.reason:
            yield Evidence(f"breaker of {kind}", f"{breaker.state}: {breaker.reason}", "history")
    if peak_hours:
        yield Evidence("peak hours", "now", "input peak-hours")
