"""A decision as facts: what outputs, summary, JSON file and `explain` are made from."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

from smart_dispatch.deciding import Outcome
from smart_dispatch.decision import FALLBACK, FORCED, REFUSED
from smart_dispatch.fallbacks import clash, class_of_fallback, refuge
from smart_dispatch.heartbeats import Heartbeat
from smart_dispatch.inputs import Settings
from smart_dispatch.job_records import CLOUD, SELF_HOSTED
from smart_dispatch.runner_labels import RunnerLabels
from smart_dispatch.source_score import engine_recommendation, recommendation_of
from smart_dispatch.trust import Trust


def facts_of(settings: Settings, found: Outcome, *, seconds: float) -> dict[str, Any]:
    """Of a decision that took so many seconds."""
    decision, situation = found.decision, found.situation
    first = decision.placements[0]
    refused = decision.strategy == REFUSED
    runners = {SELF_HOSTED: settings.primary_runner, CLOUD: _fallback(settings, kept_out=refused)}
    legs = [
        _leg(
            leg,
            settings,
            runners[one.runner_class],
            one.self_hosted_seconds if one.runner_class == SELF_HOSTED else one.cloud_seconds,
        )
        for leg, one in zip(settings.legs, decision.placements, strict=True)
    ]
    return _common(settings) | {
        "seconds": round(seconds, 3),
        "requests": found.requests,
        "strategy": decision.strategy,
        "runs-on": runners[decision.runner_class].as_json(),
        "monitor": decision.monitor,
        "reason": decision.reason,
        "otherwise": decision.otherwise,
        "expected-minutes": {
            SELF_HOSTED: _minutes(first.self_hosted_seconds),
            CLOUD: _minutes(first.cloud_seconds),
        },
        "legs": legs,
        "trusted": situation.trust.trusted,
        "health": _health(situation.health, found.known.pulse.beat),
        "fallback-recommendation": engine_recommendation(found.score),
        "confidence-score": found.score,
        "evidence": [asdict(one) for one in found.evidence],
        "notes": list(found.known.notes),
    }


def facts_without_knowledge(settings: Settings, trust: Trust, why: str) -> dict[str, Any]:
    """Of the answer when there is no decision: the fallback, unless it is off. No distrust is forgotten."""
    kept_out = not trust.trusted and settings.untrusted != "primary"
    why_not = clash(settings.fallback_runner, settings.primary_runner) if kept_out else ""
    refused = kept_out and bool(settings.untrusted == "refuse" or not settings.enable_fallback or why_not)
    cloud = settings.enable_fallback or kept_out
    runner = _fallback(settings, kept_out=kept_out) if cloud else settings.primary_runner
    told = f"untrusted: {'; '.join(trust.reasons)}" if kept_out else f"nothing is known: {why}"
    told += f"; {why_not}" if why_not else ""
    return _common(settings) | {
        "seconds": None,
        "requests": 0,
        "strategy": REFUSED if refused else FALLBACK if cloud else FORCED,
        "runs-on": runner.as_json(),
        "monitor": False,
        "reason": told,
        "otherwise": "A decision",
        "expected-minutes": {SELF_HOSTED: None, CLOUD: None},
        "legs": [_leg(leg, settings, runner, float("inf")) for leg in settings.legs],
        "trusted": trust.trusted,
        "health": _health("unknown", None),
        "fallback-recommendation": engine_recommendation(0),
        "confidence-score": 0,
        "evidence": [],
        "notes": [why],
    }


def _common(settings: Settings) -> dict[str, Any]:
    return {"job": settings.job_name, "made": time.time(), "policy": settings.policy}


def _fallback(settings: Settings, *, kept_out: bool) -> RunnerLabels:
    runners = settings.fallback_runner, settings.primary_runner
    return refuge(*runners) if kept_out else settings.fallback_runner


def _leg(leg: object, settings: Settings, runner: RunnerLabels, seconds: float) -> dict[str, Any]:
    """Its class is where it runs: a fallback may be self-hosted, too."""
    return {
        "leg": leg,
        "runs-on": json.loads(runner.as_json()),
        "runner-class": SELF_HOSTED
        if runner == settings.primary_runner
        else class_of_fallback(runner, settings.primary_runner),
        "expected-minutes": _minutes(seconds),
    }


def _health(status: str, beat: Heartbeat | None) -> dict[str, Any]:
    return {
        "status": status,
        "score": beat.health_score if beat else None,
        "load": beat.load if beat else None,
        "memory-percent": beat.memory_percent if beat else None,
        "recommendation": recommendation_of(status),
    }


def _minutes(seconds: float) -> float | None:
    return None if seconds == float("inf") else round(seconds / 60, 1)
