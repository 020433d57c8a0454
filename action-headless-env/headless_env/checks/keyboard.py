"""Keys typed by xdotool arrive in a window that has the focus, in order and as the characters that were meant."""

from __future__ import annotations

import random
import shutil
import string
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from headless_env.health import Unhealthy
from headless_env.x11 import (
    EXPOSURES,
    FOCUS_CHANGES,
    KEY_PRESSES,
    PROPERTY_CHANGES,
    STRING,
    STRUCTURE,
    WM_CLASS,
    WM_HINTS,
    WM_NAME,
    Client,
    Event,
    X11Error,
    connect,
)

TIMEOUT_SECONDS = 8.0
ATTEMPTS = 3
LOOK_SECONDS = 0.1  # how often to look whether xdotool has ended without typing all

_NORMAL_STATE = 1  # in WM_STATE
_SHIFT, _LOCK = 1, 2  # bits of a key event's state
_MODIFIERS = range(0xFFE1, 0xFFEF)  # keysyms Shift_L … Hyper_R


def verify(environ: Mapping[str, str]) -> str:
    """`verify_keys`, with X's errors as Unhealthy."""
    try:
        return verify_keys(environ)
    except X11Error as error:
        raise Unhealthy(f"keyboard: {error}") from error


def verify_keys(environ: Mapping[str, str]) -> str:
    """Type into a window of our own, with or without a window manager. Raises Unhealthy, X11Error."""
    with connect(environ, timeout=TIMEOUT_SECONDS) as client:
        return type_into_window(client, environ, manager=None)


def type_into_window(client: Client, environ: Mapping[str, str], *, manager: str | None) -> str:
    """Type into a window that takes the focus itself or, if there is a `manager`, is given it. Raises Unhealthy.

    When another window takes the focus while we type, as any application may, we try again.
    """
    program = shutil.which("xdotool", path=environ.get("PATH"))
    for _ in range(ATTEMPTS):
        with _focused_window(client, manager=manager):
            if not program:
                return "keys not checked (xdotool is not installed)"
            text = _random_text()
            typed = _type(client, [program, "type", "--delay", "0", "--", text], environ, count=len(text))
        if typed.text == text:
            return f"{len(text)} keys typed by xdotool arrived"
        if not typed.lost_focus:
            said = f"; xdotool: {typed.said}" if typed.said else ""
            raise Unhealthy(f"{text!r} was typed by xdotool, {typed.text!r} arrived{said}")
    raise Unhealthy(
        f"other windows took the focus from a new one, {ATTEMPTS} times before ten keys were typed"
    )


@dataclass(frozen=True, slots=True)
class _Typed:
    """What arrived of the keys; what xdotool complained of."""

    text: str
    lost_focus: bool
    said: str = ""


@contextmanager
def _focused_window(client: Client, *, manager: str | None) -> Iterator[int]:
    """A window that has the focus; with a `manager` it is managed, and was given the focus. Raises Unhealthy."""
    events = KEY_PRESSES | EXPOSURES | STRUCTURE | FOCUS_CHANGES | PROPERTY_CHANGES
    window = client.create_window(width=240, height=80, events=events)
    client.change_property(window, WM_NAME, kind=STRING, width=8, data=b"headless-env check")
    client.change_property(window, WM_CLASS, kind=STRING, width=8, data=b"headless-env\0Headless-env\0")
    wants_input = struct.pack("<9I", 1, 1, *[0] * 7)  # ICCCM 4.1.2.4
    client.change_property(window, WM_HINTS, kind=WM_HINTS, width=32, data=wants_input)
    client.map_window(window)
    try:
        _wait_for_focus(client, window, takes=manager is None)
        if manager is not None:
            _wait_for_state(client, window, manager)
        yield window
    finally:
        # Withdrawn first: a window manager that learns of the end late may take the focus from the next window then.
        with suppress(X11Error, Unhealthy):
            client.unmap_window(window)
            _wait_for_release(client, window)
            client.destroy_window(window)
            client.synchronise()


def _wait_for_focus(client: Client, window: int, *, takes: bool) -> None:
    deadline, shown = time.monotonic() + TIMEOUT_SECONDS, False
    while event := client.next_event(deadline):
        if event.window != window:
            continue
        if event.code == Event.EXPOSE and not shown:
            shown = True  # only what can be seen may have the focus
            if takes:
                client.focus_window(window)
        if event.code == Event.FOCUS_IN and client.focused_window() == window:
            return
    how = "shown" if shown else "not shown"
    raise Unhealthy(
        f"a new window should have the focus within {TIMEOUT_SECONDS:g} s; it is {how} and has not"
    )


def _wait_for_state(client: Client, window: int, manager: str) -> None:
    """Wait for WM_STATE, which every window manager sets on what it manages (ICCCM 4.1.3.1)."""
    atom = client.intern_atom("WM_STATE")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while client.get_property(window, atom).numbers()[:1] != [_NORMAL_STATE]:
        if client.next_event(deadline) is None:
            raise Unhealthy(f"{manager} should manage a new window within {TIMEOUT_SECONDS:g} s, and has not")


def _wait_for_release(client: Client, window: int) -> None:
    """Wait until the window manager has taken its frame off."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while client.parent(window) != client.setup.root and client.next_event(deadline):
        pass


def _type(client: Client, argv: list[str], environ: Mapping[str, str], *, count: int) -> _Typed:
    with subprocess.Popen(
        argv,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as typist:
        try:
            typed = _read_keys(client, count, typist)
            typist.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise Unhealthy(f"xdotool should end within {TIMEOUT_SECONDS:g} s, and does not") from error
        finally:
            typist.kill()
        assert typist.stderr is not None  # noqa: S101 (mypy)
        return replace(typed, said=typist.stderr.read(500).decode("utf-8", "replace").strip())


def _random_text() -> str:
    """Ten characters with all that differs in how it is typed."""
    pick = random.SystemRandom().choice
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, " ")
    return "".join(pick(kind) for kind in (*kinds, *kinds[::-1], *kinds[:2]))


def _read_keys(client: Client, count: int, typist: subprocess.Popen[bytes]) -> _Typed:
    keyboard, found, lost = client.keyboard_map(), "", False
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(found) < count:
        event = client.next_event(min(deadline, time.monotonic() + LOOK_SECONDS))
        if event is None:
            if typist.poll() is None and time.monotonic() < deadline:
                continue
            client.synchronise()  # what was typed is here after that
            if (event := client.next_event(0.0)) is None:
                break
        if event.code == Event.MAPPING_NOTIFY:  # xdotool binds characters that no key has
            keyboard = client.keyboard_map()
        elif event.code == Event.KEY_PRESS:
            found += _character(keyboard.get(event.keycode, ()), event.state)
        elif event.code == Event.FOCUS_OUT:
            lost = True
    return _Typed(found, lost)


def _character(symbols: tuple[int, ...], state: int) -> str:
    """What a key means (X protocol, chapter 5). Keysyms of Latin-1 are its characters, 0x1000000 + n is Unicode's n."""
    if not symbols or symbols[0] in _MODIFIERS:
        return ""
    plain, shifted = symbols[0], symbols[1] if len(symbols) > 1 else 0
    symbol = (shifted or plain) if state & _SHIFT else plain
    number = symbol - 0x0100_0000 if symbol >= 0x0100_0000 else symbol
    character = (
        chr(number) if 0x20 <= number < 0x11_0000 and (symbol < 0x100 or number != symbol) else "\ufffd"
    )
    return character.upper() if not shifted and state & (_SHIFT | _LOCK) else character
