"""Whether an environment does its work: all checks that apply, side by side, each with its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from headless_env.checks import (
    accessibility,
    audio,
    clipboard,
    display,
    keyboard,
    microphone,
    session_bus,
    wayland,
    window_manager,
)
from headless_env.health import Finding, Unhealthy
from headless_env.probing import PROBES

Check = Callable[[Mapping[str, str]], str]

# Checks of one row share a resource (the keyboard focus, the sound server's clock) and run one after the other.
_FULL: dict[str, list[tuple[str, Check]]] = {
    "x11": [("display", display.verify)],
    "window-manager": [("window manager", window_manager.verify)],
    "session-bus": [("D-Bus session", session_bus.verify)],
    "at-spi": [("AT-SPI", accessibility.verify)],
    "audio": [("speaker", audio.verify), ("microphone", microphone.verify)],
    "wayland": [("Wayland", wayland.verify)],
}
_QUICK: dict[str, list[tuple[str, Check]]] = {
    unit: [("sound" if unit == "audio" else _FULL[unit][0][0], probe)] for unit, probe in PROBES.items()
}


def verify(components: Mapping[str, str], environ: Mapping[str, str], *, depth: str) -> list[Finding]:
    """Try out the `components` (unit: what it is) of an environment, whose variables are in `environ`.

    `depth` is `full`, `quick` or `none`. Findings come in the order of the components.
    """
    if depth == "none":
        return []
    rows = _rows(components, depth)
    if not rows:
        return []
    with ThreadPoolExecutor(max_workers=len(rows)) as pool:
        return [finding for row in pool.map(lambda row: _run_row(row, environ), rows) for finding in row]


def _rows(components: Mapping[str, str], depth: str) -> list[list[tuple[str, str, Check]]]:
    table = _FULL if depth == "full" else _QUICK
    rows = [[(unit, name, check) for name, check in table[unit]] for unit in components if unit in table]
    if depth == "full" and "x11" in components:
        rows.append([("x11", "clipboard", clipboard.verify)])
        if "window-manager" not in components:
            rows.append([("x11", "keyboard", keyboard.verify)])
    return rows


def _run_row(row: list[tuple[str, str, Check]], environ: Mapping[str, str]) -> list[Finding]:
    return [_run(unit, name, check, environ) for unit, name, check in row]


def _run(unit: str, name: str, check: Check, environ: Mapping[str, str]) -> Finding:
    begin = time.monotonic()
    detail = problem = ""
    try:
        detail = check(environ)
    except Unhealthy as error:
        problem = str(error)
    return Finding(unit, name, detail, problem, time.monotonic() - begin)
