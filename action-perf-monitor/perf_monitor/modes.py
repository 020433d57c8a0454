"""The action's modes. Only the mode's own modules are imported."""

from __future__ import annotations

from importlib import import_module

from actionlib.entrypoint import Context, Result
from perf_monitor.inputs import parse

_MODES = {
    "start": ("bracket_modes", "start"),
    "stop": ("bracket_modes", "stop"),
    "run": ("run_mode", "run"),
    "health": ("health_mode", "check_host"),
    "report": ("file_modes", "report"),
    "compare": ("file_modes", "compare"),
}


def run(context: Context) -> Result:
    """Do what the inputs ask for."""
    settings = parse(context.inputs)
    module, function = _MODES[settings.mode]
    result: Result = getattr(import_module(f"perf_monitor.{module}"), function)(context, settings)
    return result
