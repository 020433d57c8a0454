"""D-Bus values as bytes and back (D-Bus Specification 0.43, "Type System" and "Marshaling").

We write little-endian and read both. Types: y b n q i u x t d s o g v, arrays, structs, dictionaries; no descriptors.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

_FIXED = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d"}
_ALIGN = {"y": 1, "g": 1, "v": 1, "n": 2, "q": 2, "x": 8, "t": 8, "d": 8, "(": 8, "{": 8}  # the others: 4
_CLOSING = {"(": ")", "{": "}"}
HEADER_BYTES = 16


def split_signature(signature: str) -> list[str]:
    """The complete types of a signature: "a(so)us" are "a(so)", "u" and "s". Raises ValueError."""
    types = []
    while signature:
        end = _type_end(signature, 0)
        types.append(signature[:end])
        signature = signature[end:]
    return types


def _type_end(signature: str, start: int) -> int:
    while signature[start : start + 1] == "a":
        start += 1
    first = signature[start : start + 1]
    if first in _CLOSING:
        at = start + 1
        while signature[at : at + 1] != _CLOSING[first]:
            at = _type_end(signature, at)
        return at + 1
    if not first or (first not in "sogv" and first not in _FIXED):
        raise ValueError(f"not a D-Bus signature that we know: {signature!r}")
    return start + 1


def encode(signature: str, values: Sequence[object]) -> bytes:
    """The bytes of `values`. Variants are (signature, value)."""
    out = bytearray()
    for kind, value in zip(split_signature(signature), values, strict=True):
        _put(out, kind, value)
    return bytes(out)


def _pad(out: bytearray, kind: str) -> None:
    out += bytes(-len(out) % _ALIGN.get(kind[0], 4))


def _put(out: bytearray, kind: str, value: Any) -> None:  # noqa: ANN401 (what `kind` says)
    _pad(out, kind)
    if kind in _FIXED:
        out += struct.pack("<" + _FIXED[kind], value)
    elif kind in "so":
        text = value.encode()
        out += struct.pack("<I", len(text)) + text + b"\0"
    elif kind == "g":
        out += bytes([len(value)]) + value.encode() + b"\0"
    elif kind == "v":
        _put(out, "g", value[0])
        _put(out, value[0], value[1])
    elif kind[0] == "a":
        _put_array(out, kind[1:], value.items() if kind[1] == "{" else value)
    else:
        for inner, item in zip(split_signature(kind[1:-1]), value, strict=True):
            _put(out, inner, item)


def _put_array(out: bytearray, kind: str, items: Iterable[object]) -> None:
    at = len(out)
    out += bytes(4)
    _pad(out, kind)
    start = len(out)  # the padding before the first item does not count
    for item in items:
        _put(out, kind, item)
    out[at : at + 4] = struct.pack("<I", len(out) - start)


def encode_header(kind: int, serial: int, body_bytes: int, fields: Sequence[tuple[int, object]]) -> bytes:
    """A message's header, padded to where the body begins. `fields` are (number, variant)."""
    out = bytearray(encode("yyyyuua(yv)", (ord("l"), kind, 0, 1, body_bytes, serial, fields)))
    out += bytes(-len(out) % 8)
    return bytes(out)


class _Reader:
    def __init__(self, data: bytes, *, is_little: bool) -> None:
        self.data = data
        self.at = 0
        self.order = "<" if is_little else ">"

    def values(self, signature: str) -> tuple[Any, ...]:
        return tuple(self.value(kind) for kind in split_signature(signature))

    def value(self, kind: str) -> Any:  # noqa: ANN401 (what `kind` says)
        self.at += -self.at % _ALIGN.get(kind[0], 4)
        if kind in _FIXED:
            code = self.order + _FIXED[kind]
            (number,) = struct.unpack_from(code, self.data, self.at)
            self.at += struct.calcsize(code)
            return bool(number) if kind == "b" else number
        if kind in ("s", "o", "g"):
            size = self.value("y" if kind == "g" else "u")
            text = self.data[self.at : self.at + size].decode("utf-8", "replace")
            self.at += size + 1
            return text
        if kind == "v":
            inner = self.value("g")
            return inner, self.value(inner)
        if kind[0] == "a":
            return self.array(kind[1:])
        return self.values(kind[1:-1])

    def array(self, kind: str) -> list[Any] | dict[Any, Any]:
        size = self.value("u")
        self.at += -self.at % _ALIGN.get(kind[0], 4)
        end = self.at + size
        items = []
        while self.at < end:
            items.append(self.value(kind))
        return dict(items) if kind[0] == "{" else items


def decode(signature: str, data: bytes, *, is_little: bool = True) -> tuple[Any, ...]:
    """The values in `data`: arrays as lists, dictionaries as dicts, structs as tuples, variants as (type, value)."""
    return _Reader(data, is_little=is_little).values(signature)


def message_size(data: bytes | bytearray) -> int | None:
    """The bytes of the message that begins here; None while its fixed header is incomplete."""
    if len(data) < HEADER_BYTES:
        return None
    order = "<" if data[:1] == b"l" else ">"
    (body,) = struct.unpack_from(order + "I", data, 4)
    (fields,) = struct.unpack_from(order + "I", data, 12)
    return int(HEADER_BYTES + fields + -fields % 8 + body)


def decode_header(data: bytes) -> tuple[int, int, int, int, dict[int, Any]]:
    """Kind, flags, serial, where the body begins, and the header's fields."""
    reader = _Reader(data, is_little=data[:1] == b"l")
    _, kind, flags, _, _, serial, fields = reader.values("yyyyuua(yv)")
    start = reader.at + -reader.at % 8
    return kind, flags, serial, start, {number: variant[1] for number, variant in fields}
