"""A window manager is alive, and manages new windows."""

from __future__ import annotations

from collections.abc import Mapping

from headless_env.checks.keyboard import type_into_window
from headless_env.health import Unhealthy
from headless_env.x11 import ANY, BAD_WINDOW, WINDOW, Client, RequestError, X11Error, connect

TIMEOUT_SECONDS = 8.0


def probe(environ: Mapping[str, str]) -> str:
    """Its name, as the window that it keeps for that says (EWMH, _NET_SUPPORTING_WM_CHECK). Raises Unhealthy."""
    try:
        with connect(environ, timeout=TIMEOUT_SECONDS) as client:
            return _name(client)
    except X11Error as error:
        raise Unhealthy(f"window manager: {error}") from error


def verify(environ: Mapping[str, str]) -> str:
    """Map a window: it must become managed, be given the focus, and receive keys. Raises Unhealthy."""
    try:
        with connect(environ, timeout=TIMEOUT_SECONDS) as client:
            name = _name(client)
            return f"{name} manages windows, {type_into_window(client, environ, manager=name)}"
    except X11Error as error:
        raise Unhealthy(f"window manager: {error}") from error


def _name(client: Client) -> str:
    announced, name = client.intern_atom("_NET_SUPPORTING_WM_CHECK"), client.intern_atom("_NET_WM_NAME")
    owners = client.get_property(client.setup.root, announced, kind=WINDOW).numbers()
    if not owners:
        raise Unhealthy(f"a window manager was expected; none has announced itself on {client.name}")
    try:
        if client.get_property(owners[0], announced, kind=WINDOW).numbers() != owners:
            raise Unhealthy(
                f"a window manager was expected; what announced itself on {client.name} is something else"
            )
        return client.get_property(owners[0], name, kind=ANY).text() or "a window manager without a name"
    except RequestError as error:
        if error.code != BAD_WINDOW:
            raise
        raise Unhealthy(
            f"the window manager of {client.name} has died; its announcement is all that is left"
        ) from error
