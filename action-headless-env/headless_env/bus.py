"""A small D-Bus client: what the starts and the checks ask of a bus, and nothing else.

Our own, because starting fast is what this action is for: importing the smallest library takes 27 ms, this and
`bus_types` take 3 ms beyond what the supervisor has imported anyway.
Wire format, authentication and addresses: D-Bus Specification 0.43, "Message Protocol", "Authentication Protocol",
"Server Addresses".
"""

from __future__ import annotations

import os
import re
import select
import socket
import struct
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Self

from headless_env.bus_types import decode, decode_header, encode, encode_header, message_size
from headless_env.startup import Readable

CALL, REPLY, ERROR, SIGNAL = 1, 2, 3, 4
_NO_REPLY_EXPECTED = 1
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY_SERIAL, _DESTINATION, _SENDER, _SIGNATURE = range(1, 9)
_FIELD_TYPES = {
    _PATH: "o", _INTERFACE: "s", _MEMBER: "s", _ERROR_NAME: "s", _REPLY_SERIAL: "u", _DESTINATION: "s", _SIGNATURE: "g"
}  # fmt: skip

_SEND_SECONDS = struct.pack("ll", 2, 0)  # a timeval: against a bus that does not read
BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


class BusError(Exception):
    """A bus cannot be reached, does not answer in time, or answers with an error; the text says which."""


@dataclass(frozen=True, slots=True)
class Message:
    """A received message. `body` holds Python values: variants are (signature, value), structs tuples."""

    kind: int
    serial: int
    fields: dict[int, Any]
    body: tuple[Any, ...]
    wants_reply: bool

    @property
    def reply_serial(self) -> int | None:
        """The serial of the call that this answers."""
        number: int | None = self.fields.get(_REPLY_SERIAL)
        return number

    @property
    def member(self) -> str:
        """The method's or the signal's name."""
        return str(self.fields.get(_MEMBER, ""))

    @property
    def interface(self) -> str:
        """The interface that the member belongs to."""
        return str(self.fields.get(_INTERFACE, ""))

    @property
    def error_text(self) -> str:
        """An error's name and, when it has one, its text."""
        text = f": {self.body[0]}" if self.body and isinstance(self.body[0], str) else ""
        return f"{self.fields.get(_ERROR_NAME, 'error without a name')}{text}"


class Bus:
    """One connection. Nothing blocks but `receive` and `call`, and those have a deadline.

    The greeting (authentication and Hello) is sent in one go when the connection is made; `name` is ours once its
    answer has been read, which any later reply implies: a bus answers in order.
    """

    def __init__(self, address: str) -> None:
        """Connect to `address`; only unix: sockets. Raises BusError."""
        self.address = address
        self.name = ""
        self._socket = _connect(address)
        self._buffer = bytearray()
        self._is_authenticated = False
        self._serial = 0
        self._kept: list[Message] = []
        self._problem = ""  # why nothing more will come
        identity = str(os.geteuid()).encode().hex()
        self._unsent = f"\0AUTH EXTERNAL {identity}\r\nBEGIN\r\n".encode()
        self.hello = self.send(*BUS, "Hello")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect; the bus then takes our names away."""
        self._socket.close()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def peer(self) -> int:
        """The pid of the process that listens at the other end (unix(7), SO_PEERCRED)."""
        size = struct.calcsize("iII")
        pid, _, _ = struct.unpack("iII", self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        return int(pid)

    def send(
        self, destination: str, path: str, interface: str, member: str, signature: str = "", *body: object
    ) -> int:
        """Call a method without waiting; returns the call's serial."""
        fields = {_PATH: path, _INTERFACE: interface, _MEMBER: member, _DESTINATION: destination}
        return self._send(CALL, fields, signature, body)

    def emit(self, path: str, interface: str, member: str, signature: str = "", *body: object) -> None:
        """Send a signal to whom it may concern."""
        self._send(SIGNAL, {_PATH: path, _INTERFACE: interface, _MEMBER: member}, signature, body)

    def answer(self, call: Message, signature: str = "", *body: object) -> None:
        """Reply to a call that was received."""
        fields = {_REPLY_SERIAL: call.serial, _DESTINATION: call.fields.get(_SENDER, "")}
        self._send(REPLY, fields, signature, body)

    def take(self, matches: Callable[[Message], bool]) -> Message | None:
        """The first message that `matches`, of those that have arrived; does not wait. Raises BusError.

        Calls that do not match are answered with an error, so that nobody waits for us.
        """
        self._read()
        found = None
        for message in self._kept[:]:
            if found is None and matches(message):
                found = message
                self._kept.remove(message)
            elif message.kind == CALL:
                self._kept.remove(message)
                self._refuse(message)
        if found is None and self._problem:
            raise BusError(self._problem)
        return found

    def receive(self, matches: Callable[[Message], bool], *, what: str, seconds: float = 5.0) -> Message:
        """Wait for a message that `matches`. Raises BusError naming `what` after `seconds`."""
        deadline = time.monotonic() + seconds
        poller = select.poll()
        poller.register(self.fileno(), select.POLLIN)
        while (message := self.take(matches)) is None:
            left = deadline - time.monotonic()
            if left <= 0 or not poller.poll(left * 1000):
                raise BusError(f"no {what} within {seconds:g} s from {self.address}")
        return message

    def call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        *body: object,
        seconds: float = 5.0,
    ) -> tuple[Any, ...]:
        """Call a method and wait for the reply's values. Raises BusError."""
        return self.result(self.send(destination, path, interface, member, signature, *body), member, seconds)

    def result(self, serial: int, member: str, seconds: float = 5.0) -> tuple[Any, ...]:
        """Wait for the reply to the call with this serial; `member` is named when there is none. Raises BusError."""
        what = f"reply to {member}"
        reply = self.receive(lambda message: message.reply_serial == serial, what=what, seconds=seconds)
        return _values(reply, member)

    def reply(self, serial: int, member: str) -> Generator[Readable, None, tuple[Any, ...]]:
        """The same for a start's generator: `values = yield from bus.reply(serial, "Hello")`. Raises BusError."""
        while (reply := self.take(lambda message: message.reply_serial == serial)) is None:
            yield Readable(self.fileno())
        return _values(reply, member)

    def _refuse(self, call: Message) -> None:
        if call.wants_reply:
            fields = {
                _REPLY_SERIAL: call.serial,
                _DESTINATION: call.fields.get(_SENDER, ""),
                _ERROR_NAME: "org.freedesktop.DBus.Error.UnknownMethod",
            }
            self._send(ERROR, fields, "s", (f"there is no {call.interface}.{call.member}",))

    def _send(self, kind: int, fields: dict[int, Any], signature: str, body: tuple[object, ...]) -> int:
        self._serial += 1
        if signature:
            fields = {**fields, _SIGNATURE: signature}
        variants = [(number, (_FIELD_TYPES[number], value)) for number, value in fields.items()]
        payload = encode(signature, body)
        self._write(encode_header(kind, self._serial, len(payload), variants) + payload)
        return self._serial

    def _write(self, data: bytes) -> None:
        data, self._unsent = self._unsent + data, b""
        try:
            self._socket.sendall(data)
        except OSError as error:
            self.close()
            raise BusError(f"{self.address} has hung up: {error.strerror or error}") from error

    def _read(self) -> None:
        while not self._problem:
            try:
                data = self._socket.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError as error:
                self._problem = f"{self.address} has hung up: {error.strerror}"
                break
            if not data:
                self._problem = f"{self.address} has hung up"
            self._buffer += data
        if not self._is_authenticated and not self._read_authentication():
            return
        while (size := message_size(self._buffer)) is not None and len(self._buffer) >= size:
            message = bytes(self._buffer[:size])
            del self._buffer[:size]
            self._keep(_parse(message))

    def _read_authentication(self) -> bool:
        line, end, rest = bytes(self._buffer).partition(b"\r\n")
        if not end:
            return False
        if not line.startswith(b"OK "):
            raise BusError(
                f"{self.address} does not let uid {os.geteuid()} in: {line.decode('ascii', 'replace')}"
            )
        self._buffer = bytearray(rest)
        self._is_authenticated = True
        return True

    def _keep(self, message: Message) -> None:
        if message.reply_serial == self.hello and message.kind == REPLY:
            self.name = str(message.body[0])
        if message.fields.get(_MEMBER) != "NameAcquired":  # greets every connection; nobody asks for it
            self._kept.append(message)


def _values(reply: Message, member: str) -> tuple[Any, ...]:
    if reply.kind == ERROR:
        raise BusError(f"{member} was answered with {reply.error_text}")
    return reply.body


def _parse(data: bytes) -> Message:
    kind, flags, serial, start, fields = decode_header(data)
    body = decode(fields.get(_SIGNATURE, ""), data[start:], is_little=data[:1] == b"l")
    return Message(kind, serial, fields, body, not flags & _NO_REPLY_EXPECTED)


def _connect(address: str) -> socket.socket:
    """Connect to the first entry of a server address that answers."""
    problems = []
    for entry in filter(None, address.split(";")):
        try:
            target = socket_name(entry)
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        except ValueError as error:
            problems.append(str(error))
            continue
        try:
            # The kernel's time limit, for connecting too; with Python's own, MSG_DONTWAIT would wait.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_SECONDS)
            connection.connect(target)
        except OSError as error:
            connection.close()
            problems.append(f"{entry}: {error.strerror or error}")
        else:
            return connection
    raise BusError("cannot connect to the bus: " + ("; ".join(problems) or "its address is empty"))


def socket_name(entry: str) -> str:
    """The socket's name of one `unix:` address; abstract ones begin with NUL. Raises ValueError for the others."""
    transport, _, pairs = entry.partition(":")
    values = dict(pair.partition("=")[::2] for pair in pairs.split(","))
    if transport == "unix" and "path" in values:
        return _unescape(values["path"])
    if transport == "unix" and "abstract" in values:
        return "\0" + _unescape(values["abstract"])
    raise ValueError(f"{entry!r} is not a unix:path= or unix:abstract= address")


def _unescape(value: str) -> str:
    return os.fsdecode(re.sub(rb"%([0-9a-fA-F]{2})", lambda code: bytes([int(code[1], 16)]), value.encode()))
