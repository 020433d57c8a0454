"""Real X servers and window managers in worlds of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headless_env.components import window_manager, x_server
from headless_env.displays import TMP
from headless_env.startup import Task, run_tasks
from headless_env.world import World
from integration.headless_env.desktop_house import SECONDS, desktop_world, kill, need

SCREEN = "640x480x24"


@contextmanager
def x_world(*, program: str = "none", screen: str = SCREEN) -> Iterator[World]:
    """A world with an X server and perhaps a window manager. Its display is free again afterwards."""
    need("Xvfb", *(() if program == "none" else (program,)))
    with desktop_world() as world:
        try:
            start_x(world, program=program, screen=screen)
            yield world
        finally:
            for name in list(world.components):
                kill(world, name)
            display = world.exports.get("DISPLAY", "")
            x_server.release(world)
        assert not any(path.exists() for path in traces(display))


def start_x(world: World, *, program: str = "none", screen: str = SCREEN, args: tuple[str, ...] = ()) -> None:
    server = Task("x11", x_server.start(world, screen=screen, dpi=96, server_args=args))
    tasks = [server]
    if program != "none":
        tasks.append(Task("window-manager", window_manager.start(world, program=program, after=server)))
    run_tasks(tasks, timeout_seconds=SECONDS)


def restart_window_manager(world: World, program: str) -> None:
    done = Task("x11", iter(()), done=True)  # type: ignore[arg-type]
    run_tasks([Task("wm", window_manager.start(world, program=program, after=done))], timeout_seconds=SECONDS)


def traces(display: str) -> list[Path]:
    number = display.removeprefix(":")
    return [TMP / f".X{number}-lock", TMP / ".X11-unix" / f"X{number}"]
