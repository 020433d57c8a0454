"""The environment variables of a desktop: which are foreign, which are ours, and how they are handed out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

# Where a program could find the host's own desktop, or another environment's, instead of this one.
_FOREIGN = re.compile(
    r"DISPLAY|XAUTHORITY|XDG_(RUNTIME_DIR|SESSION_.*|CURRENT_DESKTOP|SEAT|SEAT_PATH|SESSION_PATH|VTNR)"
    r"|WAYLAND_(DISPLAY|SOCKET)|SWAYSOCK|I3SOCK|HYPRLAND_INSTANCE_SIGNATURE|NIRI_SOCKET|WINDOWID"
    r"|DBUS_(SESSION_BUS|STARTER)_.*|AT_SPI_BUS_ADDRESS|NO_AT_BRIDGE|GTK_A11Y"
    r"|PULSE_.*|PIPEWIRE_.*|ALSA_(CONFIG|PCM|CTL|CARD).*|JACK_(DEFAULT_SERVER|NO_.*)|AUDIODEV|AUDIODRIVER"
    r"|SDL_(VIDEO|AUDIO)_?DRIVER|GDK_BACKEND|QT_QPA_PLATFORM|WINIT_UNIX_BACKEND"
    r"|SESSION_MANAGER|ICEAUTHORITY|DESKTOP_(SESSION|STARTUP_ID|AUTOSTART_ID)|GNOME_.*|KDE_(SESSION|FULL_SESSION).*"
    r"|XMODIFIERS|(GTK|QT|CLUTTER)_IM_MODULE|YDOTOOL_SOCKET|COLDVOX_MICROPHONE_SINK"
)
_KEPT = re.compile(r"YDOTOOL_SOCKET")

ENVIRONMENT_VARIABLE = "COLDVOX_HEADLESS_ENVIRONMENT"  # the log folder, by which later steps find all else


def foreign_variables(environ: Mapping[str, str], *, keep_ydotool: bool) -> list[str]:
    """Names of variables that lead out of the environment. ydotool's socket stays for a job that asks for it."""
    found = (name for name in environ if _FOREIGN.fullmatch(name))
    return sorted(name for name in found if not (keep_ydotool and _KEPT.fullmatch(name)))


def without(environ: Mapping[str, str], names: list[str]) -> dict[str, str]:
    """`environ` with `names` truly unset."""
    return {name: value for name, value in environ.items() if name not in names}


def shell_script(exports: Mapping[str, str], unset: list[str]) -> str:
    """What a POSIX shell sources to enter the environment."""
    lines = [f"unset {' '.join(unset)}"] if unset else []
    lines += [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
    return "\n".join(lines) + "\n"
