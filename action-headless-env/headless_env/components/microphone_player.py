"""The process that speaks into the virtual microphone."""

from __future__ import annotations

import sys
from pathlib import Path

from actionlib.supervise import BOOTSTRAP
from headless_env.world import World

UNIT = "microphone"


def start(world: World, wav: Path, *, loop: bool, action_path: Path) -> None:
    """Play `wav` in an interpreter of its own: the supervisor must not wait for a sound server."""
    argv = [sys.executable, "-I", "-X", "utf8", str(BOOTSTRAP), str(action_path), "headless_env.microphone"]
    world.unit, before = UNIT, world.unit
    world.spawn("microphone", [*argv, "loop" if loop else "once", str(wav)])
    world.unit = before
