"""What xclip copies can be pasted again, in both selections."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from headless_env.health import Unhealthy
from headless_env.x11 import Client, X11Error, connect

TIMEOUT_SECONDS = 8.0
POLL_SECONDS = 0.002  # X tells of a new owner only through an extension
SELECTIONS = ("CLIPBOARD", "PRIMARY")


def verify(environ: Mapping[str, str]) -> str:
    """Copy a random token to CLIPBOARD and one to PRIMARY, and paste both. Raises Unhealthy.

    What was in them is lost, as with any copy; afterwards they are empty.
    """
    program = shutil.which("xclip", path=environ.get("PATH"))
    if not program:
        return "not checked (xclip is not installed)"
    tokens = {selection: f"headless-env {secrets.token_hex(8)}" for selection in SELECTIONS}
    try:
        with connect(environ, timeout=TIMEOUT_SECONDS) as client, ExitStack() as owners:
            before = {selection: _owner(client, selection) for selection in SELECTIONS}
            for selection, token in tokens.items():
                owners.enter_context(_copying(program, selection, token, environ))
            for selection in SELECTIONS:
                _wait_for_owner(client, selection, before[selection])
            readers = {
                selection: owners.enter_context(_pasting(program, selection, environ))
                for selection in SELECTIONS
            }
            for selection, token in tokens.items():
                _compare(selection, token, readers[selection])
    except X11Error as error:
        raise Unhealthy(f"clipboard: {error}") from error
    return f"{' and '.join(SELECTIONS)} pasted as copied by xclip"


@contextmanager
def _copying(program: str, selection: str, text: str, environ: Mapping[str, str]) -> Iterator[None]:
    """Own a selection for a while; `-quiet` keeps xclip from going to the background, where it would outlive us."""
    argv = [program, "-quiet", "-selection", selection.lower(), "-in"]
    with subprocess.Popen(
        argv, env=dict(environ), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as owner:
        try:
            assert owner.stdin is not None  # noqa: S101 (mypy)
            owner.stdin.write(text.encode())
            owner.stdin.close()
            yield
        except BrokenPipeError as error:
            raise Unhealthy(f"xclip ended before it had read what to copy to {selection}") from error
        finally:
            owner.kill()


@contextmanager
def _pasting(program: str, selection: str, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    argv = [program, "-selection", selection.lower(), "-out"]
    with subprocess.Popen(
        argv, env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as reader:
        try:
            yield reader
        finally:
            reader.kill()


def _owner(client: Client, selection: str) -> int:
    return client.selection_owner(client.intern_atom(selection))


def _wait_for_owner(client: Client, selection: str, before: int) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while _owner(client, selection) in (0, before):
        if time.monotonic() >= deadline:
            raise Unhealthy(f"xclip should own {selection} within {TIMEOUT_SECONDS:g} s, and does not")
        time.sleep(POLL_SECONDS)


def _compare(selection: str, token: str, reader: subprocess.Popen[bytes]) -> None:
    try:
        output, _ = reader.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise Unhealthy(f"xclip does not paste {selection} within {TIMEOUT_SECONDS:g} s") from error
    found = output.decode("utf-8", "replace")
    if found != token:
        raise Unhealthy(f"{token!r} was copied to {selection}, {found!r} was pasted")
