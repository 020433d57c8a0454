"""How the X11 protocol looks on the wire: the connection setup, packets, errors and events.

Numbers and layouts: X Window System Protocol, X Version 11, appendix B. Little-endian throughout: the server follows
the byte order that the client names in its first byte.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

COOKIE_NAME = b"MIT-MAGIC-COOKIE-1"

ERRORS = (
    "Success", "BadRequest", "BadValue", "BadWindow", "BadPixmap", "BadAtom", "BadCursor", "BadFont", "BadMatch",
    "BadDrawable", "BadAccess", "BadAlloc", "BadColor", "BadGC", "BadIDChoice", "BadName", "BadLength",
    "BadImplementation",
)  # fmt: skip


class X11Error(Exception):
    """The server answered with an error, broke off, or did not answer in time."""


class ConnectionRefused(X11Error):
    """There is no server on this display, or it does not let us in."""


class RequestError(X11Error):
    """The server's error for one request; `code` as in the protocol (3 = BadWindow)."""

    def __init__(self, packet: bytes) -> None:
        """Take what it says from the error packet."""
        self.code = packet[1]
        self.resource: int = struct.unpack_from("<I", packet, 4)[0]
        self.opcode = packet[10]
        name = ERRORS[self.code] if self.code < len(ERRORS) else f"error {self.code}"
        super().__init__(f"{name} for request {self.opcode}, resource 0x{self.resource:x}")


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `data` is the packet as it came."""

    KEY_PRESS: ClassVar = 2
    FOCUS_IN: ClassVar = 9
    FOCUS_OUT: ClassVar = 10
    EXPOSE: ClassVar = 12
    MAP_NOTIFY: ClassVar = 19
    REPARENT_NOTIFY: ClassVar = 21
    PROPERTY_NOTIFY: ClassVar = 28
    MAPPING_NOTIFY: ClassVar = 34

    code: int
    data: bytes

    @property
    def keycode(self) -> int:
        """Of a key event."""
        return self.data[1]

    @property
    def state(self) -> int:
        """Modifiers of a key event: 1 Shift, 2 Lock, 4 Control …"""
        return int.from_bytes(self.data[28:30], "little")

    @property
    def window(self) -> int:
        """The window of a property or focus event."""
        return int.from_bytes(self.data[4:8], "little")

    @property
    def atom(self) -> int:
        """The property of a property event."""
        return int.from_bytes(self.data[8:12], "little")


@dataclass(frozen=True, slots=True)
class Visual:
    """Where a pixel holds its colours."""

    identity: int
    kind: int  # 4 TrueColor, 5 DirectColor
    red: int
    green: int
    blue: int


@dataclass(frozen=True, slots=True)
class Setup:
    """What a server says of itself when it lets us in. Sizes in pixels."""

    resource_base: int
    resource_mask: int
    little_endian_images: bool
    formats: dict[int, tuple[int, int]]  # depth: bits per pixel, bits that a line is padded to
    min_keycode: int
    max_keycode: int
    root: int
    width: int
    height: int
    depth: int
    visual: Visual  # the root window's

    @property
    def screen(self) -> str:
        """As Xvfb's -screen takes it."""
        return f"{self.width}x{self.height}x{self.depth}"


def pad(data: bytes) -> bytes:
    """Fill up to a multiple of four bytes."""
    return data + bytes(-len(data) % 4)


def encode_hello(cookie: bytes | None) -> bytes:
    """The client's first message."""
    name, value = (COOKIE_NAME, cookie) if cookie else (b"", b"")
    head = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(value))
    return head + pad(name) + pad(value)


def parse_welcome(head: bytes, body: bytes) -> Setup:
    """The server's answer: 8 bytes and what they announce. Raises ConnectionRefused when it is a refusal."""
    if head[0] != 1:
        reason = body[: head[1]] if head[0] == 0 else body
        raise ConnectionRefused(reason.decode("latin-1").strip("\0\n ") or "no reason given")
    try:
        return _parse_setup(body)
    except (struct.error, IndexError, KeyError) as error:
        raise ConnectionRefused("the answer is not that of an X server") from error


def _parse_setup(body: bytes) -> Setup:
    base, mask, vendor_size = struct.unpack_from("<4xII4xH", body, 0)
    screens, formats, image_order = body[20], body[21], body[22]
    if screens < 1:
        raise ConnectionRefused("the server has no screen")
    position = 32 + vendor_size + (-vendor_size % 4)
    by_depth: dict[int, tuple[int, int]] = {}
    for _ in range(formats):
        by_depth[body[position]] = (body[position + 1], body[position + 2])
        position += 8
    root, width, height, visual_id = struct.unpack_from("<I16xHH8xI", body, position)
    depth, depths = body[position + 38], body[position + 39]
    return Setup(
        resource_base=base,
        resource_mask=mask,
        little_endian_images=image_order == 0,
        formats=by_depth,
        min_keycode=body[26],
        max_keycode=body[27],
        root=root,
        width=width,
        height=height,
        depth=depth,
        visual=_parse_visuals(body, position + 40, depths)[visual_id],
    )


def _parse_visuals(body: bytes, position: int, depths: int) -> dict[int, Visual]:
    visuals: dict[int, Visual] = {}
    for _ in range(depths):
        (count,) = struct.unpack_from("<2xH", body, position)
        position += 8
        for _ in range(count):
            identity, kind, red, green, blue = struct.unpack_from("<IBxxxIII", body, position)
            visuals[identity] = Visual(identity, kind, red, green, blue)
            position += 24
    return visuals
