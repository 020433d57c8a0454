"""The action's modes: each takes the checked settings, calls the domain, and tells what happened."""

from __future__ import annotations

import json
from importlib import import_module

from actionlib.entrypoint import Context, Result
from actionlib.errors import ActionError
from smart_dispatch.inputs import parse
from smart_dispatch.runner_labels import parse_labels

_MODES = {
    "decide": ("decide_mode", "run_decide"),
    "health": ("health_mode", "run_health"),
    "heartbeat": ("heartbeat_mode", "run_heartbeat"),
    "record": ("record_mode", "run_record"),
    "explain": ("explain_mode", "run_explain"),
    "simulate": ("simulate_mode", "run_simulate"),
}
LAST_RESORT = json.dumps(["ubuntu-latest"])


def run(context: Context) -> Result:
    """Do what the inputs ask for. Only the mode's own modules are imported."""
    try:
        settings = parse(context.inputs)
    except ActionError as error:
        if context.inputs.text("mode") != "decide":
            raise
        # The step fails, and yet a job that does not look at that gets a runner.
        runner = _fallback(context)
        outputs = {"runs-on": runner, "execution-runner": runner, "strategy": "cloud-fallback"}
        raise ActionError(error.what, hint=error.hint, outputs=outputs) from error
    module, function = _MODES[settings.mode]
    result: Result = getattr(import_module(f"smart_dispatch.{module}"), function)(context, settings)
    return result


def _fallback(context: Context) -> str:
    try:
        return parse_labels(
            context.inputs.text("fallback-runner"), name="fallback-runner", plain=True
        ).as_json()
    except ActionError:
        return LAST_RESORT
