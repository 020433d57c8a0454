"""The X server: Xvfb on a display of its own, open only to holders of the cookie."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from headless_env import displays
from headless_env.startup import Readable, StartFailed, Steps
from headless_env.world import Component, World
from headless_env.x11 import X11Error, begin

NAME = "x11"
ATTEMPTS = 5  # display numbers that somebody else may snatch between our look and the server's bind
ANSWER_SECONDS = 10.0


def start(world: World, *, screen: str, dpi: int, server_args: Sequence[str]) -> Steps:
    """Start Xvfb and wait for its answer to our cookie. `screen` as WIDTHxHEIGHTxDEPTH.

    DISPLAY and XAUTHORITY are exported before the first wait. When they already are, it comes back on the same display.
    """
    # Listening on the abstract name too (Xvfb's default) makes the kernel refuse a second server on this number, even
    # from a service with another /tmp; with `-nolisten local` a server started later could take over our socket.
    options = ["-dpi", str(dpi), "-nolisten", "tcp", "-noreset", *_without_opengl(server_args), *server_args]
    if "DISPLAY" in world.exports:
        yield from _run(world, screen, options)
        return
    first = 100
    for left in reversed(range(ATTEMPTS)):
        claim = displays.claim_display(pid=os.getpid(), first=first)
        authority = world.folder / "xauthority"
        displays.write_authority(authority, claim.number)
        world.exports |= {"DISPLAY": claim.name, "XAUTHORITY": str(authority)}
        try:
            yield from _run(world, screen, options)
        except StartFailed:
            server = world.components.get(NAME)
            release(world)
            if server is None or not _was_snatched(server) or not left:
                raise
            server.close()
            del world.components[NAME]
            first = claim.number + 1
        else:
            return


def _without_opengl(server_args: Sequence[str]) -> list[str]:
    """No GLX unless it is asked for: its software renderer takes 50 MB and half of the server's start."""
    return [] if "GLX" in server_args else ["-extension", "GLX"]


def release(world: World) -> None:
    """Give the display number back, once the server has ended."""
    name = world.exports.pop("DISPLAY", "")
    world.exports.pop("XAUTHORITY", None)
    if match := re.fullmatch(r":(\d+)", name):
        displays.release_display(int(match[1]), pid=os.getpid())


def _run(world: World, screen: str, options: Sequence[str]) -> Steps:
    environ, display = world.environ(), world.exports["DISPLAY"]
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        own = ["-displayfd", str(writer), "-auth", world.exports["XAUTHORITY"], "-screen", "0", screen]
        try:
            server = world.spawn(NAME, ["Xvfb", display, *own, *options], pass_fds=(writer,), environ=environ)
        finally:
            os.close(writer)
        text = b""
        while not text.endswith(
            b"\n"
        ):  # it writes the number and the line's end apart, and dies if we close between
            yield Readable(reader, server)
            piece = os.read(reader, 16)
            if not piece:
                yield Readable(server.pidfd)
                raise StartFailed(server.obituary())
            text += piece
    finally:
        os.close(reader)
    try:
        client = begin(environ, timeout=ANSWER_SECONDS)
        try:
            yield Readable(client.fileno(), server)
            client.finish()
            found = client.setup.screen
        finally:
            client.close()
    except X11Error as error:
        raise StartFailed(f"{NAME}: {error}; the end of its log:\n{server.log_tail()}") from error
    if found != screen:  # it takes a width modulo 65536, without a word
        raise StartFailed(f"{NAME}: a screen of {screen} was asked for, Xvfb made one of {found}")


def _was_snatched(server: Component) -> bool:
    return not server.is_running() and "server already running" in server.log_tail()
