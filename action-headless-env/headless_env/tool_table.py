"""The programs and libraries that an environment can be made of, and the packages that have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LIBRARY_FOLDERS = ("/usr/lib*", "/usr/lib/*-linux-gnu*", "/usr/local/lib*")
ALSA_PLUGIN = "alsa-lib/libasound_module_pcm_{}.so"
ANY_AUDIO, ANY_WINDOW_MANAGER = "audio server", "window manager"


@dataclass(frozen=True, slots=True)
class Tool:
    """Something that a host has or lacks.

    Each of `probe` is a program's name, or a pattern (glob) that begins with `/`; one that is found is enough.
    `apt` and `dnf` are package names, separated by spaces, empty where we know none.
    """

    name: str
    probe: tuple[str, ...]
    apt: str
    dnf: str
    reason: str


def _program(name: str, apt: str, dnf: str, reason: str) -> Tool:
    return Tool(name, (name,), apt, dnf, reason)


def _library(name: str, file: str, apt: str, dnf: str, reason: str) -> Tool:
    return Tool(name, tuple(f"{folder}/{file}" for folder in LIBRARY_FOLDERS), apt, dnf, reason)


_ROWS = (
    _program("bash", "bash", "bash", "runs the script"),
    _program("Xvfb", "xvfb", "xorg-x11-server-Xvfb", "the X11 display"),
    _program("openbox", "openbox", "openbox", "window manager: without one no window gets the focus"),
    _program("fluxbox", "fluxbox", "fluxbox", "window manager: without one no window gets the focus"),
    _program("dbus-daemon", "dbus-daemon", "dbus-daemon", "the D-Bus session"),
    Tool(
        "at-spi2-core",
        ("/usr/libexec/at-spi-bus-launcher", "/usr/lib*/at-spi2-core/at-spi-bus-launcher"),
        "at-spi2-core",
        "at-spi2-core",
        "the accessibility bus and its registry",
    ),
    # Fedora's package conflicts with pipewire-pulseaudio, which is installed there as a rule.
    _program("pulseaudio", "pulseaudio", "pulseaudio", "the audio server, where `audio` is `pulseaudio`"),
    _program("pipewire", "pipewire", "pipewire", "the audio server, where `audio` is `pipewire`"),
    _program(
        "wireplumber", "wireplumber", "wireplumber", "PipeWire's session manager, which links its streams"
    ),
    _program("pipewire-pulse", "pipewire-pulse", "pipewire-pulseaudio", "PulseAudio's protocol on PipeWire"),
    _program("pactl", "pulseaudio-utils", "pulseaudio-utils", "tells when a program records the microphone"),
    _program("pacat", "pulseaudio-utils", "pulseaudio-utils", "plays into the microphone, and the test tone"),
    _program("parec", "pulseaudio-utils", "pulseaudio-utils", "records the test tone"),
    Tool(
        "ALSA plugin",
        tuple(
            f"{folder}/{ALSA_PLUGIN.format(name)}"
            for folder in LIBRARY_FOLDERS
            for name in ("pulse", "pipewire")
        ),
        "libasound2-plugins",
        "alsa-plugins-pulseaudio",
        "leads programs that use ALSA (cpal, arecord) to the audio server",
    ),
    _program("arecord", "alsa-utils", "alsa-utils", "records the microphone through ALSA"),
    _program("sway", "sway", "sway", "the Wayland compositor"),
    _program("wtype", "wtype", "wtype", "keeps a keyboard on the Wayland seat, and types"),
    Tool("wl-clipboard", ("wl-copy",), "wl-clipboard", "wl-clipboard", "the Wayland clipboard"),
    _program("grim", "grim", "grim", "screenshots of Wayland"),
    _program("xdotool", "xdotool", "xdotool", "types the test keys"),
    _program("xclip", "xclip", "xclip", "the X11 clipboard"),
    _program("ffmpeg", "ffmpeg", "ffmpeg-free", "records the screen"),
    # What only `require` asks for.
    _program("paplay", "pulseaudio-utils", "pulseaudio-utils", "plays a WAV file"),
    _program("xterm", "xterm", "xterm", "a terminal window"),
    _program("wmctrl", "wmctrl", "wmctrl", "lists and moves windows"),
    _program("xsel", "xsel", "xsel", "the X11 clipboard"),
    _program("ydotool", "ydotool", "ydotool", "types through the host's uinput"),
    _library("enigo", "libxdo.so.3", "libxdo3", "libxdo", "libxdo, through which the crate enigo types"),
    _library("gtk", "libgtk-3.so.0", "libgtk-3-0", "gtk3", "GTK 3"),
    _library("gtk4", "libgtk-4.so.1", "libgtk-4-1", "gtk4", "GTK 4"),
    # What stands for the choice that `auto` leaves; apt and dnf differ in what a host of theirs has as a rule.
    Tool(
        ANY_AUDIO,
        ("pulseaudio", "pipewire-pulse"),
        "pulseaudio",
        "pipewire pipewire-pulseaudio wireplumber",
        "sound and the microphone",
    ),
    Tool(
        ANY_WINDOW_MANAGER,
        ("openbox", "fluxbox"),
        "openbox",
        "openbox",
        "without one no window gets the focus",
    ),
)
TOOLS: Mapping[str, Tool] = {tool.name: tool for tool in _ROWS}


def find_tool(name: str) -> Tool:
    """The tool of that name; any other name is that of a program, whose package we do not know."""
    return TOOLS.get(name) or Tool(name, (name,), "", "", "the job requires it")
