"""Verification finds what only looks like a desktop."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from fakes.runner import poll_until
from headless_env.verification import verify
from integration.headless_env.traces import record_of


def problems(components: dict[str, str], environ: dict[str, str], depth: str) -> dict[str, str]:
    return {one.check: one.problem for one in verify(components, environ, depth=depth) if one.problem}


@pytest.mark.parametrize("depth", ["quick", "full"])
def test_a_display_without_a_server_is_refused(depth):
    found = problems({"x11": "Xvfb"}, {"DISPLAY": ":4711", "PATH": os.environ["PATH"]}, depth)
    assert "display" in found


@pytest.mark.parametrize("depth", ["quick", "full"])
def test_a_window_manager_that_has_died_is_refused_although_its_property_stays(steps, depth):
    started = steps.run(mode="start", verify="none", restart="never", audio="none", at_spi=False)
    record = record_of(started.outputs["log-dir"])
    supervisor = record["supervisor"]["pid"]
    for child in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
        if Path(f"/proc/{child}/comm").read_text().strip() == "openbox":
            os.kill(int(child), signal.SIGKILL)
    environ = {**record["exports"], "PATH": os.environ["PATH"]}
    # The X server hears of the death a moment later.
    poll_until(lambda: "window manager" in problems({"window-manager": "openbox"}, environ, depth))
    steps.run(mode="stop")


@pytest.mark.parametrize("unit", ["session-bus", "at-spi", "audio", "wayland"])
@pytest.mark.parametrize("depth", ["quick", "full"])
def test_addresses_where_nobody_listens_are_refused(tmp_path, unit, depth):
    environ = {
        "PATH": os.environ["PATH"],
        "XDG_RUNTIME_DIR": str(tmp_path),
        "WAYLAND_DISPLAY": "wayland-0",
        "PULSE_SERVER": f"unix:{tmp_path}/pulse",
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/bus",
        "AT_SPI_BUS_ADDRESS": f"unix:path={tmp_path}/at-spi",
        "HOME": str(tmp_path),
    }
    assert problems({unit: unit}, environ, depth)
