"""The X server lets us in with the cookie, and nobody without it."""

from __future__ import annotations

from collections.abc import Mapping

from headless_env.health import Unhealthy
from headless_env.x11 import ConnectionRefused, X11Error, connect

TIMEOUT_SECONDS = 5.0


def probe(environ: Mapping[str, str]) -> str:
    """Connect and ask; returns the screen, such as 1920x1080x24. Raises Unhealthy."""
    try:
        with connect(environ, timeout=TIMEOUT_SECONDS) as client:
            client.synchronise()
            return client.setup.screen
    except X11Error as error:
        raise Unhealthy(f"an X server that answers was expected: {error}") from error


def verify(environ: Mapping[str, str]) -> str:
    """As `probe`; besides, a client without the cookie must be refused. Raises Unhealthy."""
    screen = probe(environ)
    stranger = {**environ, "XAUTHORITY": "/dev/null"}
    try:
        with connect(stranger, timeout=TIMEOUT_SECONDS):
            pass
    except ConnectionRefused:
        return f"{screen}, closed without the cookie"
    except X11Error as error:
        raise Unhealthy(f"a client without a cookie should be refused at once: {error}") from error
    raise Unhealthy(f"a client without a cookie should be refused; {environ.get('DISPLAY')} lets anybody in")
