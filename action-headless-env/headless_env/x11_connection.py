"""The connection to an X server: introduction, requests, and the replies, errors and events that come back mixed.

The server carries out requests in order. `reply` waits for one answer; events that come meanwhile are kept for
`next_event`, and errors of requests without an answer for `synchronise`. For one thread at a time.
"""

from __future__ import annotations

import random
import re
import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from headless_env.displays import SOCKETS, read_cookie
from headless_env.x11_protocol import (
    ConnectionRefused,
    Event,
    RequestError,
    Setup,
    X11Error,
    encode_hello,
    pad,
    parse_welcome,
)

LARGEST_READ = 1 << 20  # bytes; a buffer is allocated for each
_REPLY, _ERROR, _GENERIC = 1, 0, 35


def open_socket(environ: Mapping[str, str], *, timeout: float) -> tuple[socket.socket, str]:
    """Connect to DISPLAY and send the introduction with the cookie from XAUTHORITY (or ~/.Xauthority).

    Returns the socket and the display's name. Raises ConnectionRefused.
    """
    display = environ.get("DISPLAY", "")
    match = re.fullmatch(r"(?:unix)?:(\d+)(?:\.\d+)?", display)
    if not match:
        raise ConnectionRefused(f"DISPLAY is {display!r}; :N, a display of this host, was expected")
    number = int(match[1])
    cookie = _cookie(environ, number)
    peer = _dial(number, timeout)
    try:
        peer.sendall(encode_hello(cookie))
    except OSError as error:
        peer.close()
        raise ConnectionRefused(f"the server of {display} broke off: {error.strerror or error}") from error
    return peer, display


def _cookie(environ: Mapping[str, str], number: int) -> bytes | None:
    authority = environ.get("XAUTHORITY")
    path = Path(authority) if authority else Path(environ.get("HOME", "/nonexistent")) / ".Xauthority"
    try:
        return read_cookie(path, number)
    except OSError as error:
        if authority:
            raise ConnectionRefused(f"XAUTHORITY {path} cannot be read: {error.strerror}") from error
        return None


def _dial(number: int, timeout: float) -> socket.socket:
    failure = ""
    for address in (str(SOCKETS / f"X{number}"), f"\0{SOCKETS}/X{number}"):
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        peer.settimeout(timeout)
        try:
            peer.connect(address)
        except OSError as error:
            peer.close()
            failure = failure or str(error.strerror or error)
        else:
            return peer
    raise ConnectionRefused(f"there is no X server on :{number}: {SOCKETS}/X{number}: {failure}")


class Connection:
    """A client of one X server. Times are `time.monotonic()`."""

    def __init__(self, peer: socket.socket, *, name: str, timeout: float) -> None:
        """Take over a socket on which the introduction has been sent."""
        self.name = name
        self.timeout = timeout
        self.setup: Setup
        self._peer = peer
        self._selector = selectors.PollSelector()
        self._selector.register(peer, selectors.EVENT_READ)
        self._received = bytearray()
        self._sequence = 0
        # Not from 0: the server gives a closed connection's range to the next one, and a window manager that learns of
        # a window's end late would take the new one with the same identity for it (openbox did, once in 300).
        self._next_resource = random.getrandbits(20)
        self._awaited: dict[int, bytes | RequestError | None] = {}
        self._events: deque[Event] = deque()
        self._errors: deque[RequestError] = deque()

    def __enter__(self) -> Self:
        """Close at the end; the server then destroys what we made."""
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._selector.close()
        self._peer.close()

    def fileno(self) -> int:
        """To wait for events elsewhere; look at `next_event` with a deadline that has passed before doing so."""
        return self._peer.fileno()

    def finish(self) -> None:
        """Read the answer to the introduction. Raises ConnectionRefused when it is a refusal."""
        deadline = time.monotonic() + self.timeout
        try:
            head = self._take(8, deadline)
            body = self._take(int.from_bytes(head[6:8], "little") * 4, deadline)
            self.setup = parse_welcome(head, body)
        except TimeoutError as error:
            raise self._silence() from error
        except ConnectionRefused as error:
            raise ConnectionRefused(f"the server of {self.name} refuses us: {error}") from error

    # -- requests ---------------------------------------------------------------------------------------------------

    def send(self, opcode: int, body: bytes = b"", *, detail: int = 0, awaited: bool = False) -> int:
        """Send a request; `detail` is its second byte. Returns its number, for `reply` if `awaited`."""
        body = pad(body)
        self._sequence = (self._sequence + 1) & 0xFFFF
        if awaited:
            self._awaited[self._sequence] = None
        try:
            self._peer.sendall(struct.pack("<BBH", opcode, detail, len(body) // 4 + 1) + body)
        except OSError as error:
            raise X11Error(f"the server of {self.name} broke off: {error.strerror or error}") from error
        return self._sequence

    def reply(self, sequence: int) -> bytes:
        """The answer to a request. Raises RequestError for the server's error, X11Error when none comes in time."""
        deadline = time.monotonic() + self.timeout
        while (answer := self._awaited[sequence]) is None:
            try:
                self._read_packet(deadline)
            except TimeoutError as error:
                raise self._silence() from error
        del self._awaited[sequence]
        if isinstance(answer, RequestError):
            raise answer
        return answer

    def ask(self, opcode: int, body: bytes = b"", *, detail: int = 0) -> bytes:
        """Send a request and wait for its answer."""
        return self.reply(self.send(opcode, body, detail=detail, awaited=True))

    def synchronise(self) -> None:
        """Wait until all requests are carried out. Raises RequestError for the first that was not."""
        self.ask(43)  # GetInputFocus
        if self._errors:
            error = self._errors.popleft()
            self._errors.clear()
            raise error

    def next_event(self, deadline: float) -> Event | None:
        """The next event, or None when none has come by the deadline. One that has passed takes what is there."""
        while not self._events:
            try:
                self._read_packet(deadline)
            except TimeoutError:
                return None
        return self._events.popleft()

    def events_there(self) -> list[Event]:
        """All events that have come by now."""
        return list(iter(lambda: self.next_event(0.0), None))

    def new_resource(self) -> int:
        """An unused identity for a window."""
        self._next_resource += 1
        return self.setup.resource_base | (self._next_resource & self.setup.resource_mask)

    def _silence(self) -> X11Error:
        return X11Error(f"the server of {self.name} does not answer within {self.timeout:g} s")

    # -- packets ----------------------------------------------------------------------------------------------------

    def _read_packet(self, deadline: float) -> None:
        self._fill(32, deadline)
        kind, sequence = self._received[0] & 0x7F, int.from_bytes(self._received[2:4], "little")
        extra = int.from_bytes(self._received[4:8], "little") * 4 if kind in (_REPLY, _GENERIC) else 0
        packet = self._take(32 + extra, deadline)
        if kind == _ERROR:
            error = RequestError(packet)
            if sequence in self._awaited:
                self._awaited[sequence] = error
            else:
                self._errors.append(error)
        elif kind != _REPLY:
            self._events.append(Event(kind, packet))
        elif sequence in self._awaited:
            self._awaited[sequence] = packet

    def _take(self, count: int, deadline: float) -> bytes:
        self._fill(count, deadline)
        data = bytes(memoryview(self._received)[:count])
        del self._received[:count]
        return data

    def _fill(self, count: int, deadline: float) -> None:
        while len(self._received) < count:
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            try:
                chunk = self._peer.recv(min(max(65536, count - len(self._received)), LARGEST_READ))
            except OSError as error:
                raise X11Error(f"the server of {self.name} broke off: {error.strerror or error}") from error
            if not chunk:
                raise X11Error(f"the server of {self.name} broke off")
            self._received += chunk
