"""What a host has and lacks: which settings need which tools, and the commands that install them.

Nothing is installed here, and nothing is started: a program is looked up on PATH, a file in its usual folders.
"""

from __future__ import annotations

import glob
import re
import shutil
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from actionlib.errors import ActionError
from headless_env.tool_table import ANY_AUDIO, ANY_WINDOW_MANAGER, Tool, find_tool

if TYPE_CHECKING:
    from headless_env.inputs import Settings
    from headless_env.orders import Chosen

OS_RELEASE = Path("/etc/os-release")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Names of tools: without the `needed` ones nothing starts, without an `optional` one something is left out."""

    needed: tuple[str, ...]
    optional: tuple[str, ...]


def missing(wanted: Iterable[str], *, path: str) -> list[Tool]:
    """Those of `wanted` that this host lacks, in their order; `path` is the step's PATH."""
    tools = map(find_tool, dict.fromkeys(wanted))
    return [tool for tool in tools if not any(_is_there(one, path) for one in tool.probe)]


def _is_there(probe: str, path: str) -> bool:
    if probe.startswith("/"):
        return bool(glob.glob(probe))
    return shutil.which(probe, path=path) is not None


def wanted_tools(
    *,
    display_server: str,
    window_manager: str,
    audio: str,
    at_spi: bool,
    verify: str,
    record: bool,
    microphone: bool,
    require: Sequence[str],
) -> Wanted:
    """What these settings need, and what they would use if it were there."""
    needed = ["bash", "dbus-daemon"]
    optional: list[str] = []
    if display_server in ("x11", "both"):
        needed.append("Xvfb")
        _add_choice(window_manager, ANY_WINDOW_MANAGER, needed, optional)
        if verify == "full":
            optional += ["xdotool", "xclip"]
    if display_server in ("wayland", "both"):
        needed += ["sway", "wtype"]
        optional += ["grim", *(["wl-clipboard"] if verify == "full" else [])]
    if at_spi:
        needed.append("at-spi2-core")
    if audio != "none":
        _add_choice(audio, ANY_AUDIO, needed, optional)
        needed += ["wireplumber", "pipewire-pulse"] if audio == "pipewire" else []
        needed += ["pactl", "pacat"] if microphone else []
        optional += ["ALSA plugin", *(["pacat", "parec", "arecord"] if verify == "full" else [])]
    if record:
        needed.append("ffmpeg")
    needed += require
    return Wanted(
        needed=tuple(dict.fromkeys(needed)),
        optional=tuple(name for name in dict.fromkeys(optional) if name not in needed),
    )


def _add_choice(value: str, any_of_them: str, needed: list[str], optional: list[str]) -> None:
    if value == "auto":
        optional.append(any_of_them)
    elif value != "none":
        needed.append(value)


def choose_audio(audio: str, *, path: str) -> str:
    """`auto` becomes `pulseaudio`, `pipewire` or `none`, whatever is installed, in this order."""
    if audio != "auto":
        return audio
    if not missing(["pulseaudio"], path=path):
        return "pulseaudio"
    return "none" if missing(["pipewire", "wireplumber", "pipewire-pulse"], path=path) else "pipewire"


def choose_window_manager(window_manager: str, *, path: str) -> str:
    """`auto` becomes `openbox`, `fluxbox` or `none`, whatever is installed, in this order."""
    if window_manager != "auto":
        return window_manager
    return next((name for name in ("openbox", "fluxbox") if not missing([name], path=path)), "none")


def wanted_by(settings: Settings, *, window_manager: str, audio: str) -> Wanted:
    """What an environment with these settings needs; `window_manager` and `audio` may still be `auto`."""
    return wanted_tools(
        display_server=settings.display_server,
        window_manager=window_manager,
        audio=audio,
        at_spi=settings.at_spi,
        verify=settings.verify,
        record=settings.record,
        microphone=bool(settings.microphone_wav),
        require=settings.require,
    )


def require(settings: Settings, chosen: Chosen, *, path: str) -> None:
    """Raise ActionError, with the commands that install it, when something that is needed is missing."""
    wanted = wanted_by(settings, window_manager=chosen.window_manager, audio=chosen.audio)
    if lacking := missing(wanted.needed, path=path):
        names = ", ".join(f"{tool.name} ({tool.reason})" for tool in lacking)
        raise ActionError(
            f"this host lacks: {names}",
            hint=f"Install them on the runner's host:\n{install_lines(lacking, os_release=read_os_release())}",
        )


def read_os_release(path: Path = OS_RELEASE) -> str:
    """The text of os-release(5); empty where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def install_lines(tools: Iterable[Tool], *, os_release: str) -> str:
    """The commands that install `tools`, one a line: apt-get's, dnf's, or both where `os_release` tells neither.

    `os_release` is the text of /etc/os-release (os-release(5)). Tools whose package we do not know come last.
    """
    tools = list(tools)
    family = _family(os_release)
    lines = []
    for manager, command in (("apt", "apt-get"), ("dnf", "dnf")):
        packages = dict.fromkeys(word for tool in tools for word in getattr(tool, manager).split())
        if packages and family in (manager, ""):
            lines.append(f"sudo {command} install {' '.join(packages)}")
    unknown = [tool.name for tool in tools if not tool.apt]
    if unknown:
        lines.append(f"no package that is known here has {', '.join(unknown)}: check the spelling")
    return "\n".join(lines)


def _family(os_release: str) -> str:
    found = re.findall(r"^(?:ID|ID_LIKE)=(.*)$", os_release, re.MULTILINE)
    words = {word for value in found for word in value.strip().strip("\"'").split()}
    if words & {"debian", "ubuntu"}:
        return "apt"
    return "dnf" if words & {"fedora", "rhel", "centos"} else ""


def check_ydotool(environ: Mapping[str, str]) -> str:
    """A warning for a job that requires ydotool. Raises ActionError when no ydotoold listens on YDOTOOL_SOCKET."""
    path = environ.get("YDOTOOL_SOCKET", "")
    # ydotoold receives datagrams since 1.0; Debian 12 has 0.1.8, which takes connections.
    problems = [_connect(path, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
    if all(problems):
        raise ActionError(
            f"input 'require' holds 'ydotool', and YDOTOOL_SOCKET is '{path}': no ydotoold listens there "
            f"({problems[0] if path else 'it is not set'})",
            hint="Start ydotoold on the host and set YDOTOOL_SOCKET to its socket, or remove 'ydotool'",
        )
    return (
        "ydotool types through the host's uinput device: into whatever has the focus on the host's own seat, not into "
        "this environment. Only one job at a time may use it: put a lock around it (action-cache-lock)."
    )


def _connect(path: str, kind: socket.SocketKind) -> str:
    """Empty when somebody listens, else why not."""
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except OSError as error:  # also for a path that is too long, without errno
            return error.strerror or str(error)
    return ""
