r"""X display numbers and the cookies that open them.

A number is claimed as X servers do it (xserver os/utils.c, LockServer): `/tmp/.XN-lock` holds the owner's pid as
"%10d\n", and is written elsewhere and then linked, so that nobody ever reads an empty one.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from headless_env.startup import StartFailed

TMP = Path("/tmp")  # noqa: S108 (the X protocol's own place, not a choice of ours)
SOCKETS = TMP / ".X11-unix"
NUMBERS = 10_000  # how many are tried from the first one on

_COOKIE_NAME = b"MIT-MAGIC-COOKIE-1"
_FAMILY_LOCAL = 256  # Xauth(3)
_FAMILY_WILD = 65535


@dataclass(frozen=True, slots=True)
class Display:
    """A claimed display number."""

    number: int
    lock: Path

    @property
    def name(self) -> str:
        """The value of DISPLAY."""
        return f":{self.number}"


def claim_display(*, pid: int, first: int = 100) -> Display:
    """Claim the first free display number for the process `pid`. Raises StartFailed when there is none."""
    try:
        _make_socket_folder()
        draft = _draft(pid)
        draft.unlink(missing_ok=True)  # of an earlier process with our pid that was killed
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        try:
            os.fchmod(descriptor, 0o444)  # whatever the umask: an X server gives up on a lock it cannot read
            os.write(descriptor, b"%10d\n" % pid)
            return _link_free(draft, first)
        finally:
            os.close(descriptor)
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise StartFailed(f"x11: no display can be claimed below {TMP}: {error}") from error


def release_display(number: int, *, pid: int) -> bool:
    """Remove lock and socket of a display if `pid` still holds it. Returns whether it did.

    The pid may be that of a dead process; a lock that somebody else has taken over since then stays.
    """
    lock = _lock(number)
    if _owner(lock) != pid:
        return False
    with suppress(OSError):
        (SOCKETS / f"X{number}").unlink()  # first: without the lock the next owner's might be there already
    lock.unlink(missing_ok=True)
    return True


def release_displays(*, pid: int) -> list[int]:
    """Release whatever `pid` claimed. For a process that was killed before it could note what that was."""
    with suppress(OSError):
        _draft(pid).unlink(missing_ok=True)
    found = (re.fullmatch(r"\.X(\d+)-lock", path.name) for path in TMP.glob(".X*-lock"))
    numbers = [int(match[1]) for match in found if match]
    return sorted(number for number in numbers if release_display(number, pid=pid))


def write_authority(path: Path, number: int) -> bytes:
    """Write an Xauthority file with a new cookie, mode 0600, for any host name. Returns the cookie."""
    cookie = secrets.token_bytes(16)
    host = socket.gethostname().encode()
    # Xlib looks for the host's name, others (and Xlib after the name has changed) are content with the wildcard.
    entries = _entry(_FAMILY_LOCAL, host, number, cookie) + _entry(_FAMILY_WILD, b"", number, cookie)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(entries)
    draft.replace(path)
    return cookie


def read_cookie(path: Path, number: int) -> bytes | None:
    """The cookie for a display of this host, or None. Raises OSError when the file cannot be read."""
    data, position, host = path.read_bytes(), 0, socket.gethostname().encode()
    while position + 2 <= len(data):
        (family,) = struct.unpack_from(">H", data, position)
        position += 2
        fields: list[bytes] = []
        for _ in range(4):  # address, number, name, value
            if position + 2 > len(data):
                return None
            (size,) = struct.unpack_from(">H", data, position)
            fields.append(data[position + 2 : position + 2 + size])
            position += 2 + size
        address, display, name, value = fields
        here = family == _FAMILY_WILD or (family == _FAMILY_LOCAL and address == host)
        if here and display in (b"", b"%d" % number) and name == _COOKIE_NAME:
            return value
    return None


def _entry(family: int, address: bytes, number: int, cookie: bytes) -> bytes:
    fields = (address, b"%d" % number, _COOKIE_NAME, cookie)
    return struct.pack(">H", family) + b"".join(struct.pack(">H", len(field)) + field for field in fields)


def _make_socket_folder() -> None:
    """Make the folder as the first X server on a host does; an existing one stays as it is."""
    if not SOCKETS.is_dir():
        with suppress(FileExistsError):
            SOCKETS.mkdir()
            SOCKETS.chmod(0o1777)


def _link_free(draft: Path, first: int) -> Display:
    taken = _listening()
    for number in range(first, first + NUMBERS):
        lock = _lock(number)
        if number in taken or os.path.lexists(lock) or os.path.lexists(SOCKETS / f"X{number}"):
            continue
        with suppress(FileExistsError):
            os.link(draft, lock)
            return Display(number, lock)
    raise StartFailed(f"x11: all display numbers from :{first} to :{first + NUMBERS - 1} are taken")


def _listening() -> set[int]:
    """Numbers with a socket anywhere in this network namespace.

    A service with PrivateTmp has another /tmp, but the same abstract names, and libxcb tries those first.
    """
    try:
        text = Path("/proc/net/unix").read_text(errors="replace")
    except OSError:
        return set()
    return {int(number) for number in re.findall(r"[ @]/tmp/\.X11-unix/X(\d+)$", text, re.MULTILINE)}


def _lock(number: int) -> Path:
    return TMP / f".X{number}-lock"


def _draft(pid: int) -> Path:
    return TMP / f".tX-{pid}-lock"


def _owner(lock: Path) -> int | None:
    try:
        return int(lock.read_bytes()[:11])
    except (OSError, ValueError):
        return None
