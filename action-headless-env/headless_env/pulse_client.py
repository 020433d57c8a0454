"""One question to a sound server in PulseAudio's native protocol: which sink and source are its defaults?

Rules: PulseAudio's PROTOCOL file and pulsecore/native-common.h, tagstruct.h; PipeWire's pulse server answers the same.
`pactl info` says it too, but as a process of its own with some 10 ms.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headless_env.audio_layout import COOKIE_BYTES
from headless_env.health import Unhealthy

_CONTROL_CHANNEL = 0xFFFFFFFF
_HEADER = struct.Struct(">5I")  # length, channel, offset high and low, flags
_WORD = struct.Struct(">cI")
_ERROR, _REPLY, _AUTH, _SET_CLIENT_NAME, _GET_SERVER_INFO = 0, 2, 8, 9, 20
_VERSION = 32  # PulseAudio 10 and later
_MAX_REPLY_BYTES = 65_536
_AUTHENTICATED, _INTRODUCED, _ASKED = range(3)  # tags of our commands
_OTHER_PROTOCOL = "the server does not speak PulseAudio's protocol"


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a sound server says about itself."""

    name: str
    version: str
    sink: str
    source: str


class Question:
    """A question under way. Call `read` whenever the socket can be read, until it gives the answer; close it then."""

    def __init__(self, path: str, cookie: bytes) -> None:
        """Connect and ask. Raises OSError where nobody listens."""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._got = b""
        try:
            self.socket.settimeout(0)
            self.socket.connect(path)
            self.socket.sendall(_introduction(cookie))
        except OSError:
            self.socket.close()
            raise

    def read(self) -> ServerInfo | None:
        """The answer, if it is complete. Raises ConnectionError when the server hangs up or refuses."""
        data = self.socket.recv(_MAX_REPLY_BYTES)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._got += data
        while len(self._got) >= _HEADER.size:
            length = _HEADER.unpack_from(self._got)[0]
            if length > _MAX_REPLY_BYTES:
                raise ConnectionError(_OTHER_PROTOCOL)
            if len(self._got) < _HEADER.size + length:
                return None
            packet = self._got[_HEADER.size : _HEADER.size + length]
            self._got = self._got[_HEADER.size + length :]
            tag, rest = _open_reply(packet)
            if tag == _INTRODUCED:
                # Not before: PipeWire's server would answer before it has heard of any sink.
                self.socket.sendall(_packet(_GET_SERVER_INFO, _ASKED))
            elif tag == _ASKED:
                return _parse(rest)
        return None

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def ask(environ: Mapping[str, str], *, timeout_seconds: float) -> ServerInfo:
    """Ask the server that PULSE_SERVER names. Raises Unhealthy when there is no answer in time."""
    server = environ.get("PULSE_SERVER", "")
    path = server.removeprefix("unix:")
    if path == server:
        raise Unhealthy(f"PULSE_SERVER should name a unix: socket, found {server!r}")
    deadline = time.monotonic() + timeout_seconds
    try:
        question = Question(path, read_cookie(environ))
    except OSError as error:
        raise Unhealthy(f"no sound server at {path}: {error.strerror or error}") from error
    try:
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([question.socket], [], [], left)[0]:
                raise Unhealthy(f"the sound server at {path} did not answer within {timeout_seconds:g} s")
            info = question.read()
            if info:
                return info
    except OSError as error:
        raise Unhealthy(f"the sound server at {path} refused to answer: {error}") from error
    finally:
        question.close()


def read_cookie(environ: Mapping[str, str]) -> bytes:
    """The content of PULSE_COOKIE; zeros where there is none, for servers that go by the uid."""
    try:
        return Path(environ.get("PULSE_COOKIE", "")).read_bytes()[:COOKIE_BYTES].ljust(COOKIE_BYTES, b"\0")
    except OSError:
        return bytes(COOKIE_BYTES)


def _introduction(cookie: bytes) -> bytes:
    name = b"coldvox-actions\0"
    properties = b"Pt" + b"application.name\0" + _word(len(name)) + _arbitrary(name) + b"N"
    return _packet(_AUTH, _AUTHENTICATED, _word(_VERSION) + _arbitrary(cookie)) + _packet(
        _SET_CLIENT_NAME, _INTRODUCED, properties
    )


def _packet(command: int, tag: int, arguments: bytes = b"") -> bytes:
    body = _word(command) + _word(tag) + arguments
    return _HEADER.pack(len(body), _CONTROL_CHANNEL, 0, 0, 0) + body


def _arbitrary(data: bytes) -> bytes:
    return _WORD.pack(b"x", len(data)) + data


def _word(value: int) -> bytes:
    return _WORD.pack(b"L", value)


def _open_reply(packet: bytes) -> tuple[int, bytes]:
    """The tag of the command that is answered, and the rest. Raises ConnectionError for an error reply."""
    try:
        (_, command), (_, tag) = _WORD.unpack_from(packet), _WORD.unpack_from(packet, _WORD.size)
        if command == _ERROR:
            raise ConnectionError(
                f"error {_WORD.unpack_from(packet, 2 * _WORD.size)[1]} of PulseAudio's protocol"
            )
    except struct.error as error:
        raise ConnectionError(_OTHER_PROTOCOL) from error
    return (tag if command == _REPLY else -1), packet[2 * _WORD.size :]


def _parse(rest: bytes) -> ServerInfo:
    try:
        name, rest = _take_string(rest)
        version, rest = _take_string(rest)
        for _ in ("user", "host"):
            _, rest = _take_string(rest)
        sink, rest = _take_string(rest[7:])  # after the sample format: tag, format, channels, rate
        source, _ = _take_string(rest)
    except ValueError as error:
        raise ConnectionError(_OTHER_PROTOCOL) from error
    return ServerInfo(name, version, sink, source)


def _take_string(data: bytes) -> tuple[str, bytes]:
    if data[:1] == b"N":  # no string
        return "", data[1:]
    if data[:1] != b"t":
        raise ValueError("a string was expected")
    end = data.index(b"\0")
    return data[1:end].decode("utf-8", "replace"), data[end + 1 :]
