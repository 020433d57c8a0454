"""The action's modes: each takes the checked settings, calls the domain, and tells what happened."""

from __future__ import annotations

from importlib import import_module

from actionlib.entrypoint import Context, Result
from feature_matrix.inputs import parse

_MODES = {
    "plan": ("plan_mode", "plan"),
    "validate": ("validate_mode", "validate"),
    "msrv": ("msrv_mode", "msrv"),
    "deps": ("deps_mode", "deps"),
    "docs": ("docs_mode", "docs"),
    "lint": ("lint_mode", "run_lint"),
}


def run(context: Context) -> Result:
    """Do what the inputs ask for. Only the mode's own modules are imported."""
    settings = parse(context.inputs)
    module, function = _MODES[settings.mode]
    result: Result = getattr(import_module(f"feature_matrix.{module}"), function)(context, settings)
    return result
