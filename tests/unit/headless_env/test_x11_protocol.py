"""What a server's first words mean, and what keys and pixels mean."""

from __future__ import annotations

import struct
import zlib

import pytest

from headless_env.checks import keyboard
from headless_env.screenshots import _extract, encode_png
from headless_env.x11 import Property
from headless_env.x11_protocol import ConnectionRefused, RequestError, encode_hello, parse_welcome


def test_a_refusal_says_why():
    reason = b"Authorization required, but no authorization protocol specified\n"
    with pytest.raises(ConnectionRefused, match=r"^Authorization required.*specified$"):
        parse_welcome(bytes([0, len(reason), 11, 0, 0, 0, 16, 0]), reason)


@pytest.mark.parametrize("body", [b"", b"HTTP/1.1 400 Bad Request", bytes(200), b"\xff" * 200])
def test_an_answer_that_is_not_x11_is_a_refusal(body):
    with pytest.raises(ConnectionRefused):
        parse_welcome(b"\1\0\x0b\0\0\0\0\0", body)


def test_an_introduction_carries_the_cookie_or_nothing():
    assert len(encode_hello(None)) == 12
    assert encode_hello(b"c" * 16) == b"l\0\x0b\0\0\0\x12\0\x10\0\0\0MIT-MAGIC-COOKIE-1\0\0" + b"c" * 16


def test_an_error_names_itself_the_request_and_the_resource():
    error = RequestError(b"\0\3" + bytes(2) + struct.pack("<IHB", 0x1234, 0, 15) + bytes(21))
    assert str(error) == "BadWindow for request 15, resource 0x1234"
    assert "error 200" in str(RequestError(b"\0\xc8" + bytes(30)))


def test_a_property_that_is_not_made_of_numbers_has_none():
    assert Property(31, 8, b"abcdef").numbers() == []
    assert Property(33, 32, struct.pack("<2I", 1, 2)).numbers() == [1, 2]


@pytest.mark.parametrize(
    ("symbols", "state", "character"),
    [
        ((0x61, 0x41), 0, "a"), ((0x61, 0x41), 1, "A"), ((0x61, 0), 1, "A"), ((0x31, 0x21), 1, "!"),
        ((0x20,), 0, " "), ((0x0100_20AC,), 0, "€"), ((0xFFE1, 0), 0, ""), ((), 0, ""), ((0xFF0D, 0), 0, "\ufffd"),
    ],
)  # fmt: skip
def test_keys_are_read_by_the_keyboard_map(symbols, state, character):
    assert keyboard._character(symbols, state) == character


def test_what_is_typed_has_both_cases_digits_and_a_space_and_is_never_the_same():
    texts = {keyboard._random_text() for _ in range(50)}
    assert len(texts) == 50
    for text in texts:
        assert {"l", "u", "d", " "} == {
            "l" if c.islower() else "u" if c.isupper() else "d" if c.isdigit() else c for c in text
        }


def test_colours_of_sixteen_bits_are_stretched_to_eight():
    pixels = [0x0000, 0xFFFF, 0xF800, 0x07E0, 0x001F, 0x8410]
    planes = [bytes(p & 255 for p in pixels), bytes(p >> 8 for p in pixels)]
    red, green, blue = (_extract(planes, mask) for mask in (0xF800, 0x07E0, 0x001F))
    found = list(zip(red, green, blue, strict=True))
    assert found == [
        (0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (131, 129, 131),
    ]  # fmt: skip


def test_a_png_holds_its_pixels_line_by_line():
    data = encode_png(bytes(range(12)), width=2)
    assert data.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\2\0\0\0\2\x08\x02\0\0\0")
    begin = data.index(b"IDAT") + 4
    (size,) = struct.unpack(">I", data[begin - 8 : begin - 4])
    assert zlib.decompress(data[begin : begin + size]) == b"\0\0\1\2\3\4\5\0\6\7\x08\x09\x0a\x0b"
    assert data.endswith(b"IEND\xaeB`\x82")
