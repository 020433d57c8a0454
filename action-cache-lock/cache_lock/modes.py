"""The action's modes: each takes the checked settings, calls the domain, and tells what happened."""

from __future__ import annotations

from collections.abc import Callable

from actionlib.entrypoint import Context, Result
from cache_lock import entry_modes, lock_modes, model_modes, store_modes
from cache_lock.inputs import Settings, parse
from cache_lock.key_mode import build

Mode = Callable[[Context, Settings], Result]

_MODES: dict[str, Mode] = {
    "key": build,
    "restore": entry_modes.restore,
    "save": entry_modes.save,
    "populate": entry_modes.populate,
    "acquire": lock_modes.acquire,
    "release": lock_modes.release,
    "verify": model_modes.verify,
    "status": store_modes.status,
    "prune": store_modes.prune,
}


def run(context: Context) -> Result:
    """Do what the inputs ask for."""
    settings = parse(context.inputs)
    return _MODES[settings.mode](context, settings)
