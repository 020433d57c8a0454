"""The environment variables of a desktop: which are foreign, which are ours, and how they are handed out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping

# Where a program could find the host's own desktop, or another environment's, instead of this one.
_FOREIGN = re.compile(
    r"DISPLAY|XAUTHORITY|XDG_(RUNTIME_DIR|SESSION_.*|CURRENT_DESKTOP|SEAT|SEAT_PATH|SESSION_PATH|VTNR)"
    r"|WAYLAND_(DISPLAY|SOCKET)|SWAYSOCK|I3SOCK|HYPRLAND_INSTANCE_SIGNATURE|NIRI_SOCKET|WINDOWID"
    r"|DBUS_(SESSION_BUS|STARTER)_.*|AT_SPI_BUS_ADDRESS|NO_AT_BRIDGE|GTK_A11Y"
    r"|PULSE_(?!LATENCY_MSEC|PROP|LOG).*|PIPEWIRE_(?!LATENCY|QUANTUM|RATE|DEBUG|LOG).*|ALSA_(CONFIG|PCM|CTL|CARD).*|JACK_(DEFAULT_SERVER|NO_.*)|AUDIODEV|AUDIODRIVER"
    r"|SDL_(VIDEO|AUDIO)_?DRIVER|GDK_BACKEND|QT_QPA_PLATFORM|WINIT_UNIX_BACKEND"
    r"|SESSION_MANAGER|ICEAUTHORITY|DESKTOP_(SESSION|STARTUP_ID|AUTOSTART_ID)|GNOME_.*|KDE_(SESSION|FULL_SESSION).*"
    r"|XMODIFIERS|(GTK|QT|CLUTTER)_IM_MODULE|YDOTOOL_SOCKET|COLDVOX_MICROPHONE_SINK"
)
# Which display server a toolkit is to use; other values (offscreen, dummy) need none.
_CHOICE = re.compile(r"SDL_VIDEO_?DRIVER|GDK_BACKEND|QT_QPA_PLATFORM|WINIT_UNIX_BACKEND")
_SERVERS = {"x11": "x11", "xcb": "x11", "wayland": "wayland", "wayland-egl": "wayland"}

# What a component may need of the step's environment. Not the rest: components live long, and a step may hold secrets.
_COMPONENTS = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TZDIR|TMPDIR|LD_LIBRARY_PATH|LD_PRELOAD|RUNNER_TEMP|CI"
    r"|(XDG|XKB|FONTCONFIG|LIBGL|MESA|GALLIUM|EGL|__EGL|__GLX|GTK|GDK|GIO|GSETTINGS|QT|ALSA|PULSE|PIPEWIRE|SPA|DBUS)_.*"
)
_SECRET = re.compile(r".*(TOKEN|SECRET|PASSW|CREDENTIAL|_KEY).*")

ENVIRONMENT_VARIABLE = "COLDVOX_HEADLESS_ENVIRONMENT"  # the log folder, by which later steps find all else


def foreign_variables(environ: Mapping[str, str], *, keep_ydotool: bool, display_server: str) -> list[str]:
    """Names of variables that lead out of the environment. ydotool's socket stays for a job that asks for it.

    A toolkit's choice stays where it can be had: GDK_BACKEND=x11 with a `display_server` of x11 or both.
    """
    found = [
        name
        for name in environ
        if _FOREIGN.fullmatch(name) and not (keep_ydotool and name == "YDOTOOL_SOCKET")
    ]
    return sorted(
        name for name in found if not (_CHOICE.fullmatch(name) and _fits(environ[name], display_server))
    )


def _fits(value: str, display_server: str) -> bool:
    named = _SERVERS.get(re.split(r"[,;:]", value)[0])
    return named is None or display_server in (named, "both")


def components_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """What of a step's environment its components get."""
    return {
        name: value
        for name, value in environ.items()
        if _COMPONENTS.fullmatch(name) and not _SECRET.fullmatch(name)
    }


def without(environ: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """`environ` with `names` truly unset."""
    return {name: value for name, value in environ.items() if name not in names}


def shell_script(exports: Mapping[str, str], unset: list[str]) -> str:
    """What a POSIX shell sources to enter the environment."""
    lines = [f"unset {' '.join(unset)}"] if unset else []
    lines += [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
    return "\n".join(lines) + "\n"
