"""A headless Wayland compositor (sway) and a keyboard for its seat."""

from __future__ import annotations

import os
import re
from pathlib import Path

from headless_env.startup import Readable, StartFailed, Steps
from headless_env.wayland_wire import Survey, WaylandError
from headless_env.world import MARKER, World

NAME = "wayland"
KEYBOARD = "wayland-keyboard"
DISPLAY = "wayland-0"  # what clients are told; a link, so that a restart may choose another name
NOBODY = 65534  # the kernel's overflowuid: needs no entry in the user database

# The compositor may run as another user, which is no reason to show that user the job's secrets.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "XDG_DATA_DIRS", "XKB_CONFIG_ROOT",
              "XKB_DEFAULT_RULES", "XKB_DEFAULT_MODEL", "XKB_DEFAULT_LAYOUT", "XKB_DEFAULT_VARIANT",
              "XKB_DEFAULT_OPTIONS")  # fmt: skip

# wtype hands milliseconds * 1000 to usleep(3) in 32 bits: more than this many come out as less (a day as 500 s), and a
# keyboard that leaves takes the seat's capability with it. So several of the longest sleeps, together 20 days.
_LONGEST_SLEEP_MILLISECONDS = 4_294_967
_SLEEPS = 400

_CONFIGURATION = """\
xwayland disable
swaybg_command -
default_border none
focus_on_window_activation focus
output HEADLESS-1 resolution {width}x{height}
exec printf '%s\\n' "$WAYLAND_DISPLAY" > {answer}
"""


def start(world: World, *, screen: str) -> Steps:
    """Start sway with one output as large as `screen` ("1920x1080x24"), then the keyboard. Raises StartFailed.

    As root, sway runs as nobody, in a runtime directory of that user: sway refuses root, and libwayland a directory
    that is another's. Root's clients come in through a link in XDG_RUNTIME_DIR.
    """
    uid = NOBODY if os.geteuid() == 0 else None
    folder = _make_runtime_folder(world, uid)
    socket = folder / "sway.sock"
    socket.unlink(missing_ok=True)  # sway takes the name from SWAYSOCK only when it is free
    answer = _make_fifo(world.folder / "wayland-ready", uid)
    reader = os.open(answer, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        argv = [_require(world, "sway"), "-c", str(_write_configuration(world, screen, answer))]
        component = world.spawn(NAME, argv, environ=_make_environment(world, folder, socket), uid=uid)
        yield Readable(reader, component)
        name = os.read(reader, 100).decode("ascii", "replace").strip()
    finally:
        os.close(reader)
        answer.unlink(missing_ok=True)
    if not re.fullmatch(r"wayland-\d+", name):
        raise StartFailed(
            f"{NAME}: sway names its display {name!r}; the end of its log:\n{component.log_tail()}"
        )
    _link(world.runtime / DISPLAY, Path("..") / folder.name / name)
    yield from _add_keyboard(world)
    world.exports["WAYLAND_DISPLAY"] = DISPLAY
    world.exports["SWAYSOCK"] = str(socket)
    if "DISPLAY" not in world.exports:
        world.exports["XDG_SESSION_TYPE"] = "wayland"


def _add_keyboard(world: World) -> Steps:
    try:
        with Survey(world.runtime / DISPLAY) as survey:
            sleeps = ["-s", str(_LONGEST_SLEEP_MILLISECONDS)] * _SLEEPS
            environ = world.environ(WAYLAND_DISPLAY=DISPLAY)
            keyboard = world.spawn(KEYBOARD, [_require(world, "wtype"), *sleeps], environ=environ)
            while not (survey.found.is_complete and survey.found.has_keyboard):
                yield Readable(survey.fileno(), keyboard)
                survey.read()
    except WaylandError as error:
        raise StartFailed(
            f"{NAME}: {error}; the end of its log:\n{world.components[NAME].log_tail()}"
        ) from error


def _require(world: World, tool: str) -> str:
    path = world.which(tool)
    if path is None:
        raise StartFailed(f"{NAME}: {tool} is not on PATH")
    return path


def _make_runtime_folder(world: World, uid: int | None) -> Path:
    folder = world.folder / "wl"
    folder.mkdir(mode=0o700, exist_ok=True)
    if uid is not None:
        os.chown(folder, uid, uid)
        world.folder.chmod(0o711)  # to pass through, not to look
    return folder


def _make_fifo(path: Path, uid: int | None) -> Path:
    """Where sway's `exec` reports. In our folder: root must not write where another user can lay links."""
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    if uid is not None:
        os.chown(path, uid, uid)
    return path


def _write_configuration(world: World, screen: str, answer: Path) -> Path:
    width, height = screen.split("x")[:2]
    path = world.folder / "sway.conf"
    path.write_text(_CONFIGURATION.format(width=width, height=height, answer=answer), encoding="utf-8")
    path.chmod(0o644)
    return path


def _make_environment(world: World, folder: Path, socket: Path) -> dict[str, str]:
    return {
        **{name: world.base[name] for name in _PASSED_ON if name in world.base},
        MARKER: world.identity,
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "SWAYSOCK": str(socket),
        "WLR_BACKENDS": "headless",
        "WLR_RENDERER": "pixman",
        "WLR_LIBINPUT_NO_DEVICES": "1",
    }


def _link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)
