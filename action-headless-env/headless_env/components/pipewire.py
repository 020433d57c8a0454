"""PipeWire, WirePlumber and PipeWire's PulseAudio server, with the sinks and sources that PulseAudio would have.

None of them needs systemd, logind or /dev/snd, and none looks for hardware.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path

from headless_env.audio_layout import pulse_socket, write_client_files
from headless_env.audio_startup import RETRY_SECONDS, await_defaults, end_earlier
from headless_env.pipewire_configuration import write_pipewire, write_wireplumber
from headless_env.startup import StartFailed, Steps, Task
from headless_env.world import Component, World

SERVER, SESSION_MANAGER, PULSE_SERVER = "pipewire", "wireplumber", "pipewire-pulse"
NAMES = (SERVER, SESSION_MANAGER, PULSE_SERVER)


def start(world: World, *, bus: Task) -> Steps:
    """Start all three; ready when the PulseAudio server names our defaults, which WirePlumber alone can have set.

    Without a session bus WirePlumber may end at once while the server still answers, hence `bus`.
    """
    yield from end_earlier(world, tuple(reversed(NAMES)))
    variables = {**write_client_files(world), "PIPEWIRE_RUNTIME_DIR": str(world.runtime)}
    folder = world.folder / "audio"
    configuration = write_pipewire(folder, socket=pulse_socket(world))
    (world.runtime / "pipewire-0").unlink(missing_ok=True)
    server = world.spawn(SERVER, ["pipewire"], environ=_environ(world, {**variables, **configuration}))
    configuration |= write_wireplumber(folder, version=_library_version(world.which(SESSION_MANAGER)))
    yield from _await_socket(world, server)
    yield bus
    environ = _environ(world, {**variables, **configuration})
    manager = world.spawn(SESSION_MANAGER, ["wireplumber"], environ=environ)
    pulse = world.spawn(PULSE_SERVER, ["pipewire-pulse"], environ=environ)
    yield from await_defaults(variables, [pulse, manager, server])
    world.exports.update(variables)


def _environ(world: World, variables: dict[str, str]) -> dict[str, str]:
    # Fixed thresholds: glibc raises them by itself, and pipewire-pulse keeps 20 MB after a few streams.
    environ = world.environ(
        **variables,
        MALLOC_MMAP_THRESHOLD_="131072",
        MALLOC_TRIM_THRESHOLD_="131072",
        DBUS_SYSTEM_BUS_ADDRESS="disabled:",  # the host's rtkit and logind are not ours
    )
    for name in ("DISPLAY", "PIPEWIRE_REMOTE", "PIPEWIRE_CONFIG_NAME", "WIREPLUMBER_DATA_DIR"):
        environ.pop(name, None)
    return environ


def _library_version(program: str | None) -> tuple[int, int]:
    """The version of libwireplumber's interface: its name is in the program. A wrapper script counts as new."""
    content = Path(program).read_bytes() if program else b""
    found = re.search(rb"libwireplumber-(\d+)\.(\d+)\.so", content)
    return (int(found[1]), int(found[2])) if found else (0, 5)


def _await_socket(world: World, server: Component) -> Steps:
    while True:
        if not server.is_running():
            raise StartFailed(server.obituary())
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
            try:
                probe.connect(str(world.runtime / "pipewire-0"))
            except (FileNotFoundError, ConnectionError):
                yield RETRY_SECONDS
            else:
                return
