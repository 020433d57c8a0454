"""The action's modes: each takes the checked settings, calls the domain, and tells what happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module

from actionlib.entrypoint import Context, Result
from actionlib.errors import ActionError
from smart_dispatch.fallbacks import LAST, refuge
from smart_dispatch.inputs import parse
from smart_dispatch.matrix_legs import parse_legs
from smart_dispatch.runner_labels import RunnerLabels, parse_labels

_MODES = {
    "decide": ("decide_mode", "run_decide"),
    "health": ("health_mode", "run_health"),
    "heartbeat": ("heartbeat_mode", "run_heartbeat"),
    "record": ("record_mode", "run_record"),
    "explain": ("explain_mode", "run_explain"),
    "simulate": ("simulate_mode", "run_simulate"),
}


def run(context: Context) -> Result:
    """Do what the inputs ask for. Only the mode's own modules are imported."""
    settings = parse(context.inputs)
    module, function = _MODES[settings.mode]
    result: Result = getattr(import_module(f"smart_dispatch.{module}"), function)(context, settings)
    return result


def last_resort(given: Mapping[str, str]) -> Mapping[str, str]:
    """Outputs of a `decide` that fails, for a job that does not look at that: the fallback, never the host."""
    if given.get("mode") != "decide":
        return {}
    try:
        labels = parse_labels(given.get("fallback-runner", "").strip(), name="fallback-runner", plain=True)
    except ActionError:
        labels = LAST
    if given.get("untrusted", "").strip() != "primary":  # whether the code is trusted is not known here
        labels = refuge(labels, _primary(given))
    runner = labels.as_json()
    one = {"runs-on": json.loads(runner), "runner-class": "cloud", "expected-minutes": None}
    try:
        legs = json.dumps([{"leg": leg, **one} for leg in parse_legs(given.get("legs", "").strip())])
    except ActionError:  # empty: the caller's `legs || '[…]'` knows them
        legs = ""
    return {
        "runs-on": runner,
        "execution-runner": runner,
        "strategy": "refused" if given.get("untrusted", "").strip() == "refuse" else "cloud-fallback",
        "monitor": "false",
        "legs": legs,
    }


def _primary(given: Mapping[str, str]) -> RunnerLabels:
    try:
        return parse_labels(given.get("primary-runner", "").strip(), name="primary-runner", plain=True)
    except ActionError:
        return RunnerLabels(("self-hosted", "linux"))
