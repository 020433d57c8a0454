"""A decision for people: outputs, the summary, and the same in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from actionlib.summary import Summary, code, duration, escape_cell
from smart_dispatch.job_records import CLOUD, SELF_HOSTED

TITLE = "Smart dispatch"
LEGS_SHOWN = 50


def outputs_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """The action's outputs. What is not known is empty."""
    health = facts["health"]
    return {
        "runs-on": facts["runs-on"],
        "execution-runner": facts["runs-on"],
        "strategy": facts["strategy"],
        "monitor": str(facts["monitor"]).lower(),
        "legs": json.dumps(facts["legs"], allow_nan=False),
        "reason": facts["reason"],
        "expected-minutes": json.dumps(facts["expected-minutes"], allow_nan=False),
        "trusted": str(facts["trusted"]).lower(),
        "health-status": health["status"],
        "health-score": as_text(health["score"]),
        "load-average": as_text(health["load"]),
        "memory-usage": as_text(health["memory-percent"]),
        "recommendation": health["recommendation"],
        "fallback-recommendation": facts["fallback-recommendation"],
        "confidence-score": str(facts["confidence-score"]),
    }


def as_text(value: float | None) -> str:
    """A number; empty where it is not known."""
    return "" if value is None else f"{value:g}"


def summarise(summary: Summary, facts: Mapping[str, Any]) -> None:
    """What was decided, why, from what, and what would have changed it."""
    name = f" for {escape_cell(facts['job'])}" if facts["job"] else ""
    summary.heading(f"{TITLE}{name}: {facts['strategy']}")
    summary.paragraph(f"**{code(facts['runs-on'])}**: {escape_cell(facts['reason'])}.")
    minutes = facts["expected-minutes"]
    summary.table(
        ("", "expected until it ends"),
        [
            (name, "unknown" if minutes[name] is None else f"{minutes[name]} minutes")
            for name in (SELF_HOSTED, CLOUD)
        ],
    )
    if facts["evidence"]:
        summary.table(
            ("known", "value", "source", "age"),
            [
                (one["what"], escape_cell(one["value"]), escape_cell(one["source"]), _age(one["age_seconds"]))
                for one in facts["evidence"]
            ],
        )
    summary.paragraph(
        f"Otherwise with: {escape_cell(facts['otherwise'])}. Policy {code(facts['policy'])}, score of history and host "
        f"{facts['confidence-score']} ({facts['fallback-recommendation']}), {facts['requests']} requests."
    )
    if len(facts["legs"]) > 1:
        summary.table(
            ("leg", "runs on", "expected minutes"),
            [
                (code(_leg(one["leg"])), code(json.dumps(one["runs-on"])), as_text(one["expected-minutes"]))
                for one in facts["legs"][:LEGS_SHOWN]
            ],
        )
    if facts["notes"]:
        summary.paragraph("\n".join(f"- {escape_cell(note)}" for note in facts["notes"]))


def in_words(facts: Mapping[str, Any]) -> Iterator[str]:
    """The decision for a terminal."""
    yield f"{facts['job'] or 'the job'}: {facts['strategy']}, runs on {facts['runs-on']}"
    yield f"because {facts['reason']}"
    yield f"otherwise with: {facts['otherwise']}"
    for one in facts["evidence"]:
        age = _age(one["age_seconds"])
        yield f"  {one['what']}: {one['value']} ({one['source']}{f', {age} old' if age not in ('', 'now') else ''})"
    for note in facts["notes"]:
        yield f"  not known: {note}"


def _age(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return "now" if seconds < 1 else duration(seconds)


def _leg(leg: object) -> str:
    return leg if isinstance(leg, str) else json.dumps(leg)
