"""Real sound servers in worlds of their own, and what a test does with them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from headless_env.checks import audio, microphone
from headless_env.components import pipewire, pulseaudio
from headless_env.health import Unhealthy
from headless_env.sound import decode
from headless_env.startup import Steps, Task, run_tasks
from headless_env.world import World

RATE = 48_000
SERVERS = ("pulseaudio", "pipewire")
CHECKS: tuple[Callable[[Mapping[str, str]], str], ...] = (
    audio.probe,
    audio.verify,
    microphone.probe,
    microphone.verify,
)
_TOOLS = {
    "pulseaudio": ("pulseaudio",),
    "pipewire": ("pipewire", "wireplumber", "pipewire-pulse", "dbus-daemon"),
}


@contextmanager
def audio_world(kind: str = "", *, home: Path | None = None) -> Iterator[World]:
    """A world, with a sound server if `kind` names one. All that was started in it is ended."""
    for tool in (*_TOOLS.get(kind, ()), "pactl", "pacat", "parec"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    folder = Path(tempfile.mkdtemp(prefix="audio-", dir="/tmp"))
    world = World("test", folder, folder / "logs", base={})
    for one in (world.logs, world.runtime, folder / "home"):
        one.mkdir(mode=0o700)
    world.base |= {"PATH": os.environ["PATH"], "HOME": str(home or folder / "home")}
    world.exports["XDG_RUNTIME_DIR"] = str(world.runtime)
    try:
        if kind:
            start_server(world, kind)
        yield world
    finally:
        for component in list(world.components.values()):
            component.popen.kill()
            component.popen.wait()
            component.close()
        shutil.rmtree(folder)


def start_server(world: World, kind: str) -> None:
    """As the supervisor does; also to start one again."""
    if kind == "pulseaudio":
        tasks = [Task(kind, pulseaudio.start(world))]
    else:
        bus = Task("bus", _start_bus(world))
        tasks = [bus, Task(kind, pipewire.start(world, bus=bus))]
    run_tasks(tasks, timeout_seconds=20)


def _start_bus(world: World) -> Steps:
    path = world.runtime / "bus"
    if "bus" in world.components:
        return
    world.spawn(
        "bus",
        ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--nosyslog", f"--address=unix:path={path}"],
    )
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                break
        yield 0.002
    world.exports["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={path}"


def pactl(world: World, *arguments: str) -> str:
    return subprocess.run(
        ["pactl", *arguments],
        env=world.environ(LC_ALL="C"),
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    ).stdout


def streams(world: World) -> str:
    """What plays or records, but the wiring of the microphone itself."""
    lines = (
        pactl(world, "list", "short", "sink-inputs") + pactl(world, "list", "short", "source-outputs")
    ).splitlines()
    return "\n".join(
        line for line in lines if "module-remap-source" not in line and "\t-\tPipeWire" not in line
    )


def record(world: World, *, seconds: float, device: str = "", skip_seconds: float = 0.0) -> array[int]:
    """Mono samples of the default source, or of `device`."""
    argv = ["parec", "--raw", "--format=s16le", f"--rate={RATE}", "--channels=1", "--latency-msec=50"]
    wanted = 2 * round((seconds + skip_seconds) * RATE)
    recorder = subprocess.Popen(
        [*argv, *([f"--device={device}"] if device else [])], env=world.environ(), stdout=subprocess.PIPE
    )
    try:
        assert recorder.stdout is not None
        data = recorder.stdout.read(wanted)
    finally:
        recorder.kill()
        recorder.communicate()
    assert len(data) == wanted
    return decode(data)[round(skip_seconds * RATE) :]


def wait_for(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Fail unless it becomes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_unhealthy(check: Callable[[], str]) -> str:
    """What the check complains of, or nothing."""
    try:
        check()
    except Unhealthy as error:
        return str(error)
    return ""


@contextmanager
def busy_processors() -> Iterator[None]:
    """Twice as many busy loops as there are processors."""
    loops = [
        subprocess.Popen([sys.executable, "-I", "-S", "-c", "while True: pass"])
        for _ in range(2 * (os.cpu_count() or 1))
    ]
    try:
        yield
    finally:
        for one in loops:
            one.kill()
            one.wait()
