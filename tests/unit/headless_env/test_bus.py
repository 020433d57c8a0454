"""The D-Bus client: values as bytes, addresses, and buses that do not behave."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless_env.bus import Bus, BusError, socket_name
from headless_env.bus_types import decode, decode_header, encode, encode_header, message_size, split_signature

# By hand from the specification's rules: lengths, alignment, NULs.
KNOWN = [
    ("s", ("foo",), "03000000 666f6f00"),
    ("u", (1,), "01000000"),
    ("b", (True,), "01000000"),
    ("o", ("/a",), "02000000 2f6100"),
    ("g", ("as",), "02 617300"),
    ("v", (("u", 7),), "01 7500 00 07000000"),
    ("yu", (1, 2), "01 000000 02000000"),
    ("as", (["a", "bc"],), "0f000000 01000000 6100 0000 02000000 626300"),
    ("a(so)", ([],), "00000000 00000000"),
    ("a(so)", ([("a", "/")],), "0e000000 00000000 01000000 6100 0000 01000000 2f00"),
    ("at", ([1],), "08000000 00000000 0100000000000000"),
    ("a{sv}", ({"k": ("b", False)},), "10000000 00000000 01000000 6b00 01 6200 00 0000 00000000"),
]


@pytest.mark.parametrize(("signature", "values", "expected"), KNOWN)
def test_values_have_the_bytes_that_the_specification_gives_them(signature, values, expected):
    data = bytes.fromhex(expected)
    assert encode(signature, values) == data
    assert decode(signature, data) == values


def test_big_endian_values_are_read():
    assert decode("us", bytes.fromhex("00000007 00000003 666f6f00"), is_little=False) == (7, "foo")


@given(
    st.lists(st.tuples(st.text(), st.integers(0, 2**32 - 1), st.booleans())),
    st.dictionaries(st.text(), st.integers(-(2**63), 2**63 - 1)),
    st.integers(0, 255),
)
def test_values_come_back_as_they_were(structs, mapping, byte):
    signature = "ya(sub)a{sx}v"
    values = (byte, structs, mapping, ("a(sub)", structs))
    assert decode(signature, encode(signature, values)) == values


@pytest.mark.parametrize("signature", ["a", "(s", "h", "s)", "z", "a{s"])
def test_an_unknown_or_unfinished_signature_is_an_error(signature):
    with pytest.raises(ValueError, match="signature"):
        split_signature(signature)


def test_a_signature_is_split_into_complete_types():
    assert split_signature("a(so)us(ub)aay") == ["a(so)", "u", "s", "(ub)", "aay"]


def test_a_header_tells_the_size_of_its_message_and_where_the_body_begins():
    header = encode_header(1, 9, 5, [(1, ("o", "/x")), (3, ("s", "Member"))])
    assert len(header) % 8 == 0
    assert message_size(header[:15]) is None
    assert message_size(header) == len(header) + 5
    kind, flags, serial, start, fields = decode_header(header)
    assert (kind, flags, serial, start, fields) == (1, 0, 9, len(header), {1: "/x", 3: "Member"})


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("unix:path=/run/bus", "/run/bus"),
        ("unix:path=/run/a%20b,guid=00", "/run/a b"),
        ("unix:abstract=/tmp/dbus-x,guid=00", "\0/tmp/dbus-x"),
    ],
)
def test_an_address_names_a_socket(entry, name):
    assert socket_name(entry) == name


@pytest.mark.parametrize("address", ["", "tcp:host=localhost,port=1", "unix:tmpdir=/tmp", "nonsense"])
def test_an_address_without_a_unix_socket_is_an_error(address):
    with pytest.raises(BusError, match="cannot connect to the bus"):
        Bus(address)


def test_a_path_too_long_for_a_socket_is_an_error():
    with pytest.raises(BusError, match="too long"):
        Bus("unix:path=/" + "x" * 200)


@contextmanager
def fake_bus(tmp_path: Path, behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A socket whose far end misbehaves as told: no real bus can be made to."""
    os.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("bus")
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                behave(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield "unix:path=bus"
        thread.join(10)


@pytest.fixture(autouse=True)
def _come_back() -> Iterator[None]:
    before = Path.cwd()
    yield
    os.chdir(before)


def test_a_bus_that_lets_us_not_in_is_named(tmp_path):
    with (
        fake_bus(tmp_path, lambda one: one.sendall(b"REJECTED EXTERNAL\r\n")) as address,
        Bus(address) as bus,
        pytest.raises(BusError, match=r"does not let uid \d+ in: REJECTED EXTERNAL"),
    ):
        bus.result(bus.hello, "Hello")


def test_a_bus_that_hangs_up_is_named(tmp_path):
    with (
        fake_bus(tmp_path, lambda one: one.sendall(b"OK 00\r\n")) as address,
        Bus(address) as bus,
        pytest.raises(BusError, match="unix:path=bus has hung up"),
    ):
        bus.result(bus.hello, "Hello")


def test_a_silent_bus_is_waited_for_until_the_deadline_only(tmp_path):
    over = threading.Event()
    with fake_bus(tmp_path, lambda one: over.wait(10) and None) as address, Bus(address) as bus:
        with pytest.raises(BusError, match=r"no reply to Hello within 0\.05 s"):
            bus.result(bus.hello, "Hello", 0.05)
        over.set()


def test_an_answer_in_small_pieces_is_put_together(tmp_path):
    reply = encode_header(2, 1, 9, [(5, ("u", 1)), (8, ("g", "s"))]) + encode("s", (":1.0",))

    def trickle(connection: socket.socket) -> None:
        for byte in b"OK 00\r\n" + reply:
            connection.sendall(bytes([byte]))

    with fake_bus(tmp_path, trickle) as address, Bus(address) as bus:
        assert bus.result(bus.hello, "Hello") == (":1.0",)
        assert bus.name == ":1.0"
