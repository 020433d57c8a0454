"""A video of the screen, by ffmpeg's x11grab."""

from __future__ import annotations

from itertools import count

from headless_env.startup import StartFailed, Steps, Task
from headless_env.world import World

NAME = "recorder"
FRAMES_PER_SECOND = 10
FILES = "recording*.mkv"  # Matroska stays playable when its writer is killed


def start(world: World, *, screen: str, after: Task) -> Steps:
    """Record `screen` (WIDTHxHEIGHTxDEPTH) from now on into the environment's log folder. Raises StartFailed."""
    yield after
    width, height, _ = screen.split("x")
    names = (f"recording{'' if number == 1 else f'-{number}'}.mkv" for number in count(1))
    path = next(world.logs / name for name in names if not (world.logs / name).exists())
    component = world.spawn(
        NAME,
        [
            *("ffmpeg", "-nostdin", "-loglevel", "warning"),
            *("-f", "x11grab", "-framerate", str(FRAMES_PER_SECOND), "-video_size", f"{width}x{height}"),
            *("-i", world.exports["DISPLAY"]),
            # MPEG-4 part 2 is built into every ffmpeg, also Fedora's; it wants even sides.
            *("-c:v", "mpeg4", "-q:v", "5", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2"),
            *("-flush_packets", "1", str(path)),
        ],
    )
    while not (
        path.exists() and path.stat().st_size
    ):  # its first bytes: it has opened the display and encodes
        if not component.is_running():
            raise StartFailed(component.obituary())
        yield 0.01
