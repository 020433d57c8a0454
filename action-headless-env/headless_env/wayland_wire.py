"""Asking a Wayland compositor what it has, without a library and without a process.

Wire format and the interfaces' numbers: The Wayland Protocol, chapter 4 and appendix A (wayland.xml).
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_DISPLAY, _REGISTRY, _FIRST_SYNC, _SEAT, _OUTPUT, _SECOND_SYNC = range(1, 7)  # our object ids
_SYNC, _GET_REGISTRY = 0, 1  # requests of wl_display
_BIND = 0  # request of wl_registry
_KEYBOARD = 2  # bit of wl_seat.capabilities
_CURRENT = 1  # bit of wl_output.mode's flags
_SEND_SECONDS = struct.pack("ll", 2, 0)  # a timeval: against a compositor that does not read


class WaylandError(Exception):
    """A compositor cannot be reached or does not answer; the text says which."""


@dataclass(slots=True)
class Compositor:
    """What a compositor has said so far."""

    interfaces: dict[str, int] = field(default_factory=dict)  # the registry's names, by interface
    has_keyboard: bool = False
    size: tuple[int, int] | None = None
    is_complete: bool = False


class Survey:
    """One connection that asks for the globals, the seat's capabilities and the output's size."""

    def __init__(self, path: str | Path) -> None:
        """Connect and ask. Raises WaylandError."""
        self.path = str(path)
        self.found = Compositor()
        self._buffer = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_SECONDS)
        try:
            self._socket.connect(self.path)
            self._request(_DISPLAY, _GET_REGISTRY, struct.pack("=I", _REGISTRY))
            self._request(_DISPLAY, _SYNC, struct.pack("=I", _FIRST_SYNC))
        except OSError as error:
            self._socket.close()
            raise WaylandError(f"cannot connect to {self.path}: {error.strerror or error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def read(self) -> Compositor:
        """Take in what has arrived; does not wait. Raises WaylandError."""
        try:
            data = self._socket.recv(65536, socket.MSG_DONTWAIT)
            if not data:
                raise WaylandError(f"{self.path} has hung up")
            self._buffer += data
            while len(self._buffer) >= 8:
                target, word = struct.unpack_from("=II", self._buffer)
                size, opcode = word >> 16, word & 0xFFFF
                if len(self._buffer) < size or size < 8:
                    break
                self._handle(target, opcode, self._buffer[8:size])
                self._buffer = self._buffer[size:]
        except BlockingIOError:
            pass
        except OSError as error:
            raise WaylandError(f"{self.path} has hung up: {error.strerror}") from error
        return self.found

    def complete(self, *, seconds: float) -> Compositor:
        """Wait for all answers. Raises WaylandError after `seconds`."""
        deadline = time.monotonic() + seconds
        poller = select.poll()
        poller.register(self.fileno(), select.POLLIN)
        while not self.found.is_complete:
            left = deadline - time.monotonic()
            if left <= 0 or not poller.poll(left * 1000):
                raise WaylandError(f"{self.path} does not answer within {seconds:g} s")
            self.read()
        return self.found

    def _request(self, target: int, opcode: int, payload: bytes) -> None:
        self._socket.sendall(struct.pack("=II", target, len(payload) + 8 << 16 | opcode) + payload)

    def _bind(self, interface: str, target: int) -> None:
        """Bind version 1, which has all that we want to know."""
        name = self.found.interfaces.get(interface)
        if name is not None:
            text = interface.encode() + b"\0"
            padded = struct.pack("=I", len(text)) + text + bytes(-len(text) % 4)
            self._request(_REGISTRY, _BIND, struct.pack("=I", name) + padded + struct.pack("=II", 1, target))

    def _handle(self, target: int, opcode: int, payload: bytes) -> None:
        match target, opcode:
            case (1, 0):  # wl_display.error
                raise WaylandError(f"{self.path} refuses us: {_text(payload, 8)}")
            case (2, 0):  # wl_registry.global
                self.found.interfaces.setdefault(_text(payload, 4), struct.unpack_from("=I", payload)[0])
            case (3, 0):  # wl_callback.done: all globals are known
                self._bind("wl_seat", _SEAT)
                self._bind("wl_output", _OUTPUT)
                self._request(_DISPLAY, _SYNC, struct.pack("=I", _SECOND_SYNC))
            case (4, 0):  # wl_seat.capabilities
                self.found.has_keyboard = bool(struct.unpack("=I", payload)[0] & _KEYBOARD)
            case (5, 1):  # wl_output.mode
                flags, width, height, _ = struct.unpack("=Iiii", payload)
                self.found.size = (width, height) if flags & _CURRENT else self.found.size
            case (6, 0):  # wl_callback.done: the seat and the output have spoken
                self.found.is_complete = True


def _text(payload: bytes, at: int) -> str:
    (size,) = struct.unpack_from("=I", payload, at)
    return payload[at + 4 : at + 3 + size].decode("utf-8", "replace")


def display_path(environ: Mapping[str, str]) -> str:
    """The socket that a client of this environment would connect to. Raises WaylandError when it would find none."""
    name = environ.get("WAYLAND_DISPLAY")
    if not name:
        raise WaylandError("WAYLAND_DISPLAY is not set")
    folder = environ.get("XDG_RUNTIME_DIR", "")
    if not os.path.isabs(name) and not folder:
        raise WaylandError(f"WAYLAND_DISPLAY={name} needs XDG_RUNTIME_DIR, which is not set")
    return str(Path(folder) / name)
