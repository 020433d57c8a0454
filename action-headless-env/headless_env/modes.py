"""The action's modes: each takes the checked settings, calls the domain, and tells what happened."""

from __future__ import annotations

from importlib import import_module

from actionlib.entrypoint import Context, Result
from headless_env.inputs import parse

_MODES = {
    "run": ("run_mode", "run"),
    "start": ("bracket_modes", "start"),
    "stop": ("bracket_modes", "stop"),
    "check": ("check_mode", "check"),
    "doctor": ("doctor_mode", "diagnose"),
}


def run(context: Context) -> Result:
    """Do what the inputs ask for. Only the mode's own modules are imported."""
    settings = parse(context.inputs)
    module, function = _MODES[settings.mode]
    result: Result = getattr(import_module(f"headless_env.{module}"), function)(context, settings)
    return result
