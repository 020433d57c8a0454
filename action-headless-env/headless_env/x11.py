"""A small X11 client, so that asking a server costs a round trip and not a process.

with connect(environ, timeout=5) as x:
    window = x.create_window(width=200, height=100, events=STRUCTURE)
    x.map_window(window)
    event = x.next_event(time.monotonic() + 5)
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from headless_env.x11_connection import Connection, open_socket
from headless_env.x11_protocol import ConnectionRefused, Event, RequestError, X11Error

__all__ = [
    "Client",
    "ConnectionRefused",
    "Event",
    "Property",
    "RequestError",
    "X11Error",
    "begin",
    "connect",
]

ANY = 0  # any type of property
ATOM, STRING, WINDOW, WM_CLASS, WM_HINTS, WM_NAME = 4, 31, 33, 67, 35, 39  # predefined atoms
BAD_WINDOW = 3

KEY_PRESSES = 1 << 0  # event masks
EXPOSURES = 1 << 15
STRUCTURE = 1 << 17
FOCUS_CHANGES = 1 << 21
PROPERTY_CHANGES = 1 << 22

_OVERRIDE_REDIRECT, _EVENT_MASK = 1 << 9, 1 << 11  # window attributes
_LONGEST = 1 << 18  # of a property, in 4 bytes
_Z_PIXMAP = 2


@dataclass(frozen=True, slots=True)
class Property:
    """A window's property; `width` is 8, 16 or 32 bits, 0 for one that is not set."""

    kind: int
    width: int
    data: bytes

    def numbers(self) -> list[int]:
        """The 32-bit numbers in it; none if it holds something else."""
        return list(struct.unpack(f"<{len(self.data) // 4}I", self.data)) if self.width == 32 else []

    def text(self) -> str:
        """The text in it."""
        return self.data.decode("utf-8", "replace").rstrip("\0")


@dataclass(frozen=True, slots=True)
class Geometry:
    """A window's place in its parent, in pixels."""

    x: int
    y: int
    width: int
    height: int
    depth: int


def connect(environ: Mapping[str, str], *, timeout: float) -> Client:
    """Connect to DISPLAY with the cookie from XAUTHORITY (or ~/.Xauthority).

    `timeout` in seconds, for this and for each later answer. Raises ConnectionRefused, X11Error if it takes too long.
    """
    client = begin(environ, timeout=timeout)
    try:
        client.finish()
    except BaseException:
        client.close()
        raise
    return client


def begin(environ: Mapping[str, str], *, timeout: float) -> Client:
    """The first half of `connect`; call `finish` when fileno() is readable. Raises ConnectionRefused."""
    peer, name = open_socket(environ, timeout=timeout)
    return Client(peer, name=name, timeout=timeout)


class Client(Connection):
    """The requests that we need. Those that return nothing do not wait; `synchronise` raises their errors.

    The others raise RequestError, and X11Error when the connection is lost.
    """

    def intern_atom(self, name: str) -> int:
        """The number of a name."""
        encoded = name.encode("latin-1")
        return _number(self.ask(16, struct.pack("<Hxx", len(encoded)) + encoded))

    def ask_property(self, window: int, name: int, *, kind: int = ANY) -> int:
        """Send the request for a property; its number is for `take_property`."""
        body = struct.pack("<5I", window, name, kind, 0, _LONGEST)
        return self.send(20, body, awaited=True)

    def take_property(self, sequence: int) -> Property:
        """The answer to `ask_property`."""
        answer = self.reply(sequence)
        kind, _, length = struct.unpack_from("<III", answer, 8)
        return Property(kind, answer[1], answer[32 : 32 + length * answer[1] // 8])

    def get_property(self, window: int, name: int, *, kind: int = ANY) -> Property:
        """A window's property."""
        return self.take_property(self.ask_property(window, name, kind=kind))

    def change_property(self, window: int, name: int, *, kind: int, width: int, data: bytes) -> None:
        """Set a property to `data`, in items of `width` bits."""
        head = struct.pack("<IIIBxxxI", window, name, kind, width, len(data) * 8 // width)
        self.send(18, head + data)

    def delete_property(self, window: int, name: int) -> None:
        """Remove a property."""
        self.send(19, struct.pack("<II", window, name))

    def select_events(self, window: int, mask: int) -> None:
        """Have the events of `mask` sent to us."""
        self.send(2, struct.pack("<III", window, _EVENT_MASK, mask))

    def create_window(self, *, width: int, height: int, events: int = 0, unmanaged: bool = False) -> int:
        """Make a window on the screen, not yet mapped. `unmanaged` hides it from window managers."""
        window = self.new_resource()
        place = struct.pack("<IIhhHHHHI", window, self.setup.root, 0, 0, width, height, 0, 1, 0)
        attributes = struct.pack("<III", _OVERRIDE_REDIRECT | _EVENT_MASK, int(unmanaged), events)
        self.send(1, place + attributes)
        return window

    def map_window(self, window: int) -> None:
        """Show it, or ask the window manager to."""
        self.send(8, struct.pack("<I", window))

    def unmap_window(self, window: int) -> None:
        """Hide it, or withdraw it from the window manager."""
        self.send(10, struct.pack("<I", window))

    def destroy_window(self, window: int) -> None:
        """Remove it."""
        self.send(4, struct.pack("<I", window))

    def focus_window(self, window: int) -> None:
        """Send the keys to a window that can be seen; BadMatch for another."""
        revert_to_parent, now = 2, 0
        self.send(42, struct.pack("<II", window, now), detail=revert_to_parent)

    def focused_window(self) -> int:
        """Where keys go: 0 nowhere, 1 to the window below the pointer, else a window."""
        return _number(self.ask(43))

    def selection_owner(self, selection: int) -> int:
        """The window that owns a selection, 0 if none does."""
        return _number(self.ask(23, struct.pack("<I", selection)))

    def ask_tree(self, window: int) -> int:
        """Send the request for a window's children; its number is for `take_tree`."""
        return self.send(15, struct.pack("<I", window), awaited=True)

    def take_tree(self, sequence: int) -> list[int]:
        """The children, from the lowest to the topmost."""
        answer = self.reply(sequence)
        (count,) = struct.unpack_from("<H", answer, 16)
        return list(struct.unpack_from(f"<{count}I", answer, 32))

    def parent(self, window: int) -> int:
        """The window that it lies in."""
        return int.from_bytes(self.ask(15, struct.pack("<I", window))[12:16], "little")

    def ask_geometry(self, window: int) -> int:
        """Send the request for a window's place; its number is for `take_geometry`."""
        return self.send(14, struct.pack("<I", window), awaited=True)

    def take_geometry(self, sequence: int) -> Geometry:
        """The answer to `ask_geometry`."""
        answer = self.reply(sequence)
        x, y, width, height = struct.unpack_from("<hhHH", answer, 12)
        return Geometry(x, y, width, height, answer[1])

    def ask_map_state(self, window: int) -> int:
        """Send the request for a window's attributes; its number is for `take_map_state`."""
        return self.send(3, struct.pack("<I", window), awaited=True)

    def take_map_state(self, sequence: int) -> str:
        """Whether it can be seen."""
        return ("unmapped", "unviewable", "viewable")[self.reply(sequence)[26]]

    def keyboard_map(self) -> dict[int, tuple[int, ...]]:
        """For each keycode its keysyms: plain, with Shift, and more for other groups."""
        first, count = self.setup.min_keycode, self.setup.max_keycode - self.setup.min_keycode + 1
        answer = self.ask(101, struct.pack("<BBxx", first, count))
        each = answer[1]
        symbols = struct.unpack_from(f"<{count * each}I", answer, 32)
        return {first + i: symbols[i * each : (i + 1) * each] for i in range(count)}

    def get_image(self, window: int, *, width: int, height: int) -> tuple[int, memoryview]:
        """The pixels from a window's upper left corner: depth, and lines as `setup.formats` has them."""
        planes = 0xFFFFFFFF
        body = struct.pack("<IhhHHI", window, 0, 0, width, height, planes)
        answer = self.ask(73, body, detail=_Z_PIXMAP)
        return answer[1], memoryview(answer)[32:]


def _number(answer: bytes) -> int:
    return int.from_bytes(answer[8:12], "little")
