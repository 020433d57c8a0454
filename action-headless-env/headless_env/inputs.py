"""The action's inputs, read once and checked."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from actionlib.errors import ActionError
from actionlib.inputs import Inputs

MODES = ("run", "start", "stop", "check", "doctor")
# The X protocol holds window sizes in 16 bits; beyond 16384 Xvfb needs gigabytes.
SCREEN_LIMIT = 16_384
DEPTHS = (8, 15, 16, 24, 30)
# What the action decides itself: another value would open the display or take another one's.
_OWN_SERVER_ARGS = {
    "-ac": "access control stays on",
    "-auth": "the display has a cookie of its own",
    "-displayfd": "the display's number is claimed by the action",
    "-listen": "the display is reached by its socket only",
    "-nolisten": "the display is reached by its socket only",
    "-noreset": "it is always given",
    "-reset": "state must survive the last client",
    "-terminate": "the display ends with the environment",
    "-screen": "use the input 'screen'",
    "-dpi": "use the input 'dpi'",
    "-inetd": "the action starts the server",
    **dict.fromkeys(
        ("-query", "-broadcast", "-multicast", "-indirect", "-once"), "the display has no login (XDMCP)"
    ),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """One run's settings; durations in seconds."""

    mode: str
    run: str
    timeout_seconds: float
    grace_seconds: float
    display_server: str
    screen: str
    dpi: int
    server_args: tuple[str, ...]
    window_manager: str
    audio: str
    microphone_wav: str
    microphone_play: str
    at_spi: bool
    verify: str
    require: tuple[str, ...]
    startup_timeout_seconds: float
    watch_interval_seconds: float
    restart: str
    max_age_seconds: float
    screenshot: str
    record: bool
    artifacts_dir: str

    @property
    def has_x11(self) -> bool:
        """Whether the environment has an X server."""
        return self.display_server in ("x11", "both")

    @property
    def has_wayland(self) -> bool:
        """Whether the environment has a Wayland compositor."""
        return self.display_server in ("wayland", "both")


def parse(inputs: Inputs) -> Settings:
    """Read and check all inputs. Raises ActionError that names the input, its value and what is allowed."""
    mode = inputs.choice("mode", MODES)
    settings = Settings(
        mode=mode,
        run=inputs.script_of_run_mode(mode),
        timeout_seconds=inputs.number("timeout-seconds", minimum=1, maximum=432_000),
        grace_seconds=inputs.number("grace-seconds", minimum=0, maximum=300),
        display_server=inputs.choice("display-server", ("x11", "wayland", "both", "none")),
        screen=_screen(inputs.text("screen")),
        dpi=inputs.integer("dpi", minimum=30, maximum=600),
        server_args=_server_args(inputs.text("server-args")),
        window_manager=inputs.choice("window-manager", ("auto", "openbox", "fluxbox", "none")),
        audio=inputs.choice("audio", ("auto", "pulseaudio", "pipewire", "none")),
        microphone_wav=inputs.text("microphone-wav"),
        microphone_play=inputs.choice("microphone-play", ("once", "loop")),
        at_spi=inputs.boolean("at-spi"),
        verify=_verify(inputs),
        require=_words(inputs.text("require")),
        startup_timeout_seconds=inputs.number("startup-timeout-seconds", minimum=1, maximum=600),
        watch_interval_seconds=inputs.number("watch-interval-seconds", minimum=0, maximum=3600),
        restart=inputs.choice("restart", ("on-failure", "never")),
        max_age_seconds=inputs.number("max-age-seconds", minimum=1, maximum=3_024_000),
        screenshot=inputs.choice("screenshot", ("on-failure", "always", "never")),
        record=inputs.boolean("record"),
        artifacts_dir=inputs.text("artifacts-dir"),
    )
    _check_combination(settings)
    return settings


def _verify(inputs: Inputs) -> str:
    """Without a value: all that can be tried out, but with `check` nothing that would disturb who uses it."""
    if inputs.text("verify"):
        return inputs.choice("verify", ("full", "quick", "none"))
    return "quick" if inputs.text("mode") == "check" else "full"


def _screen(text: str) -> str:
    found = re.fullmatch(r"(\d{1,9})x(\d{1,9})(?:x(\d{1,3}))?", text)
    if found:
        width, height, depth = int(found[1]), int(found[2]), int(found[3] or 24)
        if 1 <= width <= SCREEN_LIMIT and 1 <= height <= SCREEN_LIMIT and depth in DEPTHS:
            return f"{width}x{height}x{depth}"
    raise ActionError(
        f"input 'screen' is '{text}'; allowed: WIDTHxHEIGHT or WIDTHxHEIGHTxDEPTH, sides from 1 to {SCREEN_LIMIT} "
        f"pixels, depth one of {', '.join(map(str, DEPTHS))}",
        hint="For example 1920x1080x24",
    )


def _server_args(text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ActionError(f"input 'server-args' is '{text}': {error}", hint="Check its quotes") from error
    for word in words:
        own_number = "the display's number is claimed by the action" if word.startswith(":") else ""
        why = _OWN_SERVER_ARGS.get(word) or own_number
        if why:
            raise ActionError(
                f"input 'server-args' holds '{word}', which is not allowed: {why}", hint="Remove it"
            )
    return words


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in re.split(r"[\s,]+", text) if word))


def _check_combination(settings: Settings) -> None:
    if settings.microphone_wav and settings.audio == "none":
        raise ActionError(
            f"input 'microphone-wav' is '{settings.microphone_wav}', and 'audio' is 'none': there is no microphone",
            hint="Set 'audio: auto', or remove 'microphone-wav'",
        )
    if settings.record and not settings.has_x11:
        raise ActionError(
            f"input 'record' is 'true', and 'display-server' is '{settings.display_server}': only X11 is recorded",
            hint="Use 'display-server: x11' or 'both'",
        )
    if settings.window_manager in ("openbox", "fluxbox") and not settings.has_x11:
        raise ActionError(
            f"input 'window-manager' is '{settings.window_manager}', and 'display-server' is "
            f"'{settings.display_server}': it needs X11",
            hint="Use 'display-server: x11' or 'both', or 'window-manager: auto'",
        )
