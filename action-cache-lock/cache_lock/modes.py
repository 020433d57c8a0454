"""The action's modes: each takes the checked settings, calls the domain, and tells what happened."""

from __future__ import annotations

from importlib import import_module

from actionlib.entrypoint import Context, Result
from cache_lock.inputs import parse

_MODES = {
    "key": ("key_mode", "build"),
    "restore": ("entry_modes", "restore"),
    "save": ("entry_modes", "save"),
    "populate": ("entry_modes", "populate"),
    "acquire": ("lock_modes", "acquire"),
    "release": ("lock_modes", "release"),
    "verify": ("model_modes", "verify"),
    "status": ("store_modes", "status"),
    "prune": ("store_modes", "prune"),
}


def run(context: Context) -> Result:
    """Do what the inputs ask for. Only the mode's own modules are imported: downloading alone costs 50 ms."""
    settings = parse(context.inputs)
    module, function = _MODES[settings.mode]
    result: Result = getattr(import_module(f"cache_lock.{module}"), function)(context, settings)
    return result
