"""A decision as facts: what outputs, summary, JSON file and `explain` are made from."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

from smart_dispatch.deciding import Outcome
from smart_dispatch.decision import FALLBACK, FORCED
from smart_dispatch.heartbeats import Heartbeat
from smart_dispatch.inputs import Settings
from smart_dispatch.job_records import CLOUD, SELF_HOSTED
from smart_dispatch.source_score import engine_recommendation, recommendation_of


def facts_of(settings: Settings, found: Outcome, *, seconds: float) -> dict[str, Any]:
    """Of a decision that took so many seconds."""
    decision, situation = found.decision, found.situation
    first = decision.placements[0]
    runners = {SELF_HOSTED: settings.primary_runner, CLOUD: settings.fallback_runner}
    legs = [
        _leg(
            leg,
            runners[one.runner_class].as_json(),
            one.runner_class,
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
        "health": _health(situation.health, found.known.heartbeat),
        "fallback-recommendation": engine_recommendation(found.score),
        "confidence-score": found.score,
        "evidence": [asdict(one) for one in found.evidence],
        "notes": list(found.known.notes),
    }


def facts_without_knowledge(settings: Settings, why: str) -> dict[str, Any]:
    """Of the answer when there is no decision: the fallback, unless it is off."""
    kind = CLOUD if settings.enable_fallback else SELF_HOSTED
    runner = (settings.fallback_runner if settings.enable_fallback else settings.primary_runner).as_json()
    return _common(settings) | {
        "seconds": None,
        "requests": 0,
        "strategy": FALLBACK if settings.enable_fallback else FORCED,
        "runs-on": runner,
        "monitor": False,
        "reason": f"nothing is known: {why}",
        "otherwise": "An answer in time",
        "expected-minutes": {SELF_HOSTED: None, CLOUD: None},
        "legs": [_leg(leg, runner, kind, float("inf")) for leg in settings.legs],
        "trusted": False,
        "health": _health("unknown", None),
        "fallback-recommendation": engine_recommendation(0),
        "confidence-score": 0,
        "evidence": [],
        "notes": [why],
    }


def _common(settings: Settings) -> dict[str, Any]:
    return {"job": settings.job_name, "made": time.time(), "policy": settings.policy}


def _leg(leg: object, runner: str, runner_class: str, seconds: float) -> dict[str, Any]:
    return {
        "leg": leg,
        "runs-on": json.loads(runner),
        "runner-class": runner_class,
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
