"""Pictures of a display, and the list of its windows, for the moment of a failure."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

from actionlib.programs import ask
from headless_env.x11 import WM_CLASS, WM_NAME, Client, RequestError, X11Error, connect

TIMEOUT_SECONDS = 10.0
MAX_WINDOWS = 1000

_TRUE_COLOR = 4
_FASTEST = (
    1  # zlib's level: a screen is mostly flat, and higher ones take 2 to 5 times as long for a few percent
)


class ScreenshotFailed(Exception):
    """There is no picture; the text says why."""


def save_x_screenshot(
    environ: Mapping[str, str], path: Path, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> None:
    """Save what DISPLAY shows as a PNG. Raises ScreenshotFailed."""
    try:
        with connect(environ, timeout=timeout_seconds) as client:
            setup = client.setup
            _, pixels = client.get_image(setup.root, width=setup.width, height=setup.height)
            lines = _to_rgb(client, pixels)
        path.write_bytes(encode_png(lines, width=setup.width))
    except X11Error as error:
        raise ScreenshotFailed(f"no screenshot of {environ.get('DISPLAY')}: {error}") from error
    except OSError as error:
        raise ScreenshotFailed(f"the screenshot {path} cannot be written: {error.strerror}") from error


def save_wayland_screenshot(
    environ: Mapping[str, str], path: Path, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> None:
    """Save what the compositor of WAYLAND_DISPLAY shows as a PNG, by grim. Raises ScreenshotFailed."""
    answer = ask(
        ["grim", "-l", str(_FASTEST), str(path)], environ=environ, folder=Path.cwd(), seconds=timeout_seconds
    )
    if answer.exit_code:
        why = answer.errors.strip()[-500:]
        raise ScreenshotFailed(f"no screenshot of {environ.get('WAYLAND_DISPLAY')}: grim: {why}")


def window_tree(environ: Mapping[str, str], *, timeout_seconds: float = TIMEOUT_SECONDS) -> str:
    """The windows from the root down, topmost last, a line each. Raises ScreenshotFailed."""
    try:
        with connect(environ, timeout=timeout_seconds) as client:
            lines = [f"screen {client.setup.screen}, focus {client.focused_window():#x}"]
            net_name = client.intern_atom("_NET_WM_NAME")
            level = [(client.setup.root, 0)]
            while level and len(lines) <= MAX_WINDOWS:
                window, depth = level.pop()
                children = _describe(client, window, depth, net_name, lines)
                level += [(child, depth + 1) for child in reversed(children)]
    except X11Error as error:
        raise ScreenshotFailed(f"no window tree of {environ.get('DISPLAY')}: {error}") from error
    return "\n".join([*lines, "…"] if level else lines)


def _describe(client: Client, window: int, depth: int, net_name: int, lines: list[str]) -> list[int]:
    """Add a window's line; returns its children."""
    asked = [client.ask_property(window, name) for name in (net_name, WM_NAME, WM_CLASS)]
    geometry, state, tree = client.ask_geometry(window), client.ask_map_state(window), client.ask_tree(window)
    try:
        names = [client.take_property(sequence).text() for sequence in asked]
        place, shown = client.take_geometry(geometry), client.take_map_state(state)
        children = client.take_tree(tree)
    except RequestError:
        return []  # gone since its parent was asked
    name = names[0] or names[1]
    title = f" {name!r}" if name else ""
    kind = f" ({names[2].replace(chr(0), ', ')})" if names[2] else ""
    size = f"{place.width}x{place.height}{place.x:+d}{place.y:+d}"
    lines.append(f"{'  ' * depth}{window:#x} {size} {shown}{title}{kind}")
    return children


def encode_png(rgb: bytes | bytearray, *, width: int) -> bytes:
    """A PNG of 8-bit RGB pixels (PNG specification, 2nd edition, chapters 5, 9 and 11)."""
    line = width * 3
    height = len(rgb) // line
    view = memoryview(rgb)
    packer = zlib.compressobj(_FASTEST)
    packed = [packer.compress(b"\0" + view[start : start + line]) for start in range(0, height * line, line)]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b"".join([*packed, packer.flush()])), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _to_rgb(client: Client, pixels: memoryview) -> bytearray:
    """Three bytes a pixel, by slicing: a loop over two million pixels would take a second."""
    setup = client.setup
    bits, padded_to = setup.formats[setup.depth]
    if setup.visual.kind != _TRUE_COLOR or bits not in (16, 32):
        raise ScreenshotFailed(f"screens of depth {setup.depth} are not supported")
    line = setup.width * bits // 8
    stride = -(-setup.width * bits // padded_to) * padded_to // 8
    data = pixels[: stride * setup.height]
    if stride != line:
        data = memoryview(b"".join(data[start : start + line] for start in range(0, len(data), stride)))
    rgb = bytearray(setup.width * setup.height * 3)
    order = range(bits // 8) if setup.little_endian_images else range(bits // 8)[::-1]
    planes = [bytes(data[index :: bits // 8]) for index in order]  # from the least significant byte on
    for channel, mask in enumerate((setup.visual.red, setup.visual.green, setup.visual.blue)):
        rgb[channel::3] = _extract(planes, mask)
    return rgb


def _extract(planes: list[bytes], mask: int) -> bytes:
    """One colour of all pixels, stretched to eight bits; a mask may lie across two bytes."""
    shift, width = (mask & -mask).bit_length() - 1, mask.bit_count()
    if width > 8:  # a depth of 30 has ten bits a colour: the upper eight
        shift, width = shift + width - 8, 8
    first, offset = divmod(shift, 8)
    if offset == 0 and width == 8:
        return planes[first]
    full = (1 << width) - 1
    low = planes[first].translate(bytes((value >> offset) & full for value in range(256)))
    if offset + width > 8:
        table = bytes((value << (8 - offset)) & full for value in range(256))
        high = planes[first + 1].translate(table)
        # one long number each: the quickest way to combine two byte strings
        both = int.from_bytes(low, "little") | int.from_bytes(high, "little")
        low = both.to_bytes(len(low), "little")
    return low.translate(bytes(min(value, full) * 255 // full for value in range(256)))
