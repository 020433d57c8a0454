"""The sinks and sources of an environment, the same on PulseAudio and PipeWire, and how clients find them."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from headless_env.tool_table import ALSA_PLUGIN, LIBRARY_FOLDERS
from headless_env.world import World

SPEAKER = "he_speaker"  # the default sink: nothing hears it but its monitor
FEED = "he_mic_feed"  # what is played here is heard in the microphone
MICROPHONE = "he_mic"  # the default source
RATE_HERTZ = 48_000
COOKIE_BYTES = 256  # NATIVE_COOKIE_LENGTH of PulseAudio's protocol

# The hook runs after that of alsa.conf itself. Without it /etc/alsa/conf.d/99-pipewire-default.conf (Fedora) or
# the user's ~/.asoundrc has the last word about `default`.
_ALSA = """\
</usr/share/alsa/alsa.conf>
@hooks.1 {{
  func load
  files [ "{defaults}" ]
  errors true
}}
"""
_ALSA_DEFAULTS = """\
pcm.!default {{ type {plugin} }}
ctl.!default {{ type {plugin} }}
"""


def pulse_socket(world: World) -> Path:
    """Where the sound server listens. Its folder exists afterwards, and no stale socket is in it."""
    folder = world.runtime / "pulse"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "native"
    path.unlink(missing_ok=True)
    return path


def write_client_files(world: World) -> dict[str, str]:
    """Write what the clients of libpulse and ALSA read; returns their variables.

    Without a cookie that can be read, libpulse makes one in ~/.config/pulse; without a client.conf of our own the
    user's may name another default sink.
    """
    folder = world.folder / "audio"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    cookie = folder / "cookie"
    if not cookie.exists():
        descriptor = os.open(cookie, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(COOKIE_BYTES))
    client = folder / "client.conf"
    client.write_text("autospawn = no\n")
    defaults = folder / "alsa-default.conf"
    defaults.write_text(_ALSA_DEFAULTS.format(plugin=(_alsa_plugins() or ["pulse"])[0]))
    alsa = folder / "asound.conf"
    alsa.write_text(_ALSA.format(defaults=defaults))
    return {
        "PULSE_SERVER": f"unix:{world.runtime / 'pulse' / 'native'}",
        "PULSE_RUNTIME_PATH": str(world.runtime / "pulse"),
        "PULSE_COOKIE": str(cookie),
        "PULSE_CLIENTCONFIG": str(client),
        "ALSA_CONFIG_PATH": str(alsa),
        "COLDVOX_MICROPHONE_SINK": FEED,
    }


def has_alsa_plugin() -> bool:
    """Whether programs that use ALSA can be led to a sound server."""
    return bool(_alsa_plugins())


def _alsa_plugins() -> list[str]:
    """Those of alsa-lib's plugins that are installed, the better one first."""
    return [
        name
        for name in ("pulse", "pipewire")
        if any(glob.glob(f"{folder}/{ALSA_PLUGIN.format(name)}") for folder in LIBRARY_FOLDERS)
    ]
