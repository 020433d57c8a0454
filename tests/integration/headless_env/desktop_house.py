"""Real buses, displays and compositors in worlds of their own."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headless_env.components import accessibility, session_bus, wayland
from headless_env.startup import Task, run_tasks
from headless_env.world import MARKER, World

SECONDS = 20.0


def need(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def need_accessibility() -> None:
    need("dbus-daemon", "Xvfb")
    if not Path("/usr/share/dbus-1/services/org.a11y.Bus.service").exists():
        pytest.skip("at-spi2-core is not installed")


@contextmanager
def desktop_world() -> Iterator[World]:
    """A world without anything in it. Whatever was started in it, by whomever, has ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="he-", dir="/tmp"))
    world = World(f"test-{secrets.token_hex(6)}", folder, folder / "logs", base={})
    for one in (world.logs, world.runtime, folder / "home"):
        one.mkdir(mode=0o700)
    world.base |= {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "LANG": "C.UTF-8"}
    world.exports["XDG_RUNTIME_DIR"] = str(world.runtime)
    try:
        yield world
    finally:
        for component in list(world.components.values()):
            kill(world, component.name)
        wait_for(lambda: not marked(world), what="the end of all that the world had")
        shutil.rmtree(folder)


@contextmanager
def x_server(world: World) -> Iterator[None]:
    """Xvfb, without what the action's own start adds."""
    reader, writer = os.pipe()
    argv = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(argv, pass_fds=(writer,), stderr=subprocess.DEVNULL)
    os.close(writer)
    try:
        world.exports["DISPLAY"] = ":" + os.read(reader, 16).decode().strip()
        yield
    finally:
        os.close(reader)
        server.terminate()
        server.wait(10)


def start_bus(world: World) -> None:
    run_tasks([Task("session-bus", session_bus.start(world))], timeout_seconds=SECONDS)


def start_accessibility(world: World) -> None:
    run_tasks([Task("at-spi", accessibility.start(world))], timeout_seconds=SECONDS)


def start_wayland(world: World, *, screen: str = "800x600x24") -> None:
    run_tasks([Task("wayland", wayland.start(world, screen=screen))], timeout_seconds=SECONDS)


def kill(world: World, name: str) -> None:
    """SIGKILL a component and forget it."""
    component = world.components.pop(name)
    component.popen.kill()
    component.popen.wait(10)
    component.close()


def marked(world: World, command: str = "") -> list[int]:
    """Processes that carry the world's marker, and whose command line has `command` in it."""
    entry = f"{MARKER}={world.identity}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_ours = entry in (folder / "environ").read_bytes().split(b"\0")
            if is_ours and command in (folder / "cmdline").read_bytes().decode().replace("\0", " "):
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def wait_for(condition: Callable[[], object], *, what: str) -> None:
    """For what announces itself to nobody."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {SECONDS} s for {what}"
        time.sleep(0.005)
