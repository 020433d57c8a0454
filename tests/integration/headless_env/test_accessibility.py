"""Real at-spi2: warmed, verified, started again; lying ones are refused; a GTK application is driven through it."""

from __future__ import annotations

import os
import signal
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from headless_env.bus import Bus
from headless_env.checks import accessibility as check
from headless_env.components.accessibility import ENABLED, LAUNCHER, PROPERTIES
from headless_env.health import Unhealthy
from headless_env.startup import StartFailed
from headless_env.world import World
from integration.headless_env.desktop_house import (
    desktop_world,
    kill,
    marked,
    need,
    need_accessibility,
    start_accessibility,
    start_bus,
    wait_for,
    x_server,
)

SYSTEM_PYTHON = Path("/usr/bin/python3")

APPLICATION = """
    import gi
    gi.require_version("Gtk", "3.0")
    from gi.repository import GLib, Gtk
    window, entry = Gtk.Window(title="dictation"), Gtk.Entry()
    window.add(entry)
    entry.connect("changed", lambda one: print(one.get_text(), flush=True))
    GLib.timeout_add_seconds(30, Gtk.main_quit)
    window.show_all()
    entry.grab_focus()
    Gtk.main()
"""

DRIVER = """
    import gi
    gi.require_version("Atspi", "2.0")
    from gi.repository import Atspi, GLib
    def focused(event):
        if event.source.get_role() == Atspi.Role.TEXT and event.detail1:
            event.source.get_editable_text_iface().insert_text(0, "hello headless", 14)
            print("read back:", Atspi.Text.get_text(event.source, 0, -1), flush=True)
            Atspi.event_quit()
    listener = Atspi.EventListener.new(focused)
    listener.register("object:state-changed:focused")
    print("listening", flush=True)
    GLib.timeout_add_seconds(20, Atspi.event_quit)
    Atspi.event_main()
"""


@pytest.fixture
def empty() -> Iterator[World]:
    need_accessibility()
    with desktop_world() as world, x_server(world):
        yield world


@pytest.fixture
def world(empty: World) -> World:
    start_bus(empty)
    start_accessibility(empty)
    return empty


def end(world: World, command: str) -> None:
    (pid,) = marked(world, command)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: pid not in marked(world, command), what=f"the end of {command}")


def test_a_started_bus_exports_an_address_that_its_successor_would_have_too(world: World):
    address = world.exports["AT_SPI_BUS_ADDRESS"]
    assert address.startswith("unix:")
    assert "guid" not in address
    assert str(world.runtime) in address


def test_both_checks_pass_on_a_healthy_registry_and_leave_no_application_behind(world: World):
    assert check.probe(world.environ()) == "registry answers, 0 applications"
    assert check.verify(world.environ()) == "an application was listed, and left"
    assert check.probe(world.environ()) == "registry answers, 0 applications"


def test_the_launcher_and_the_registry_carry_the_marker(world: World):
    assert marked(world, "at-spi-bus-launcher")
    assert marked(world, "at-spi2-registryd")


def test_starting_leaves_the_users_settings_alone(world: World):
    assert not list((Path(world.base["HOME"])).rglob("dconf/*"))


def test_a_registry_that_has_ended_is_refused_and_started_again(world: World):
    end(world, "at-spi2-registryd")
    for one in (check.probe, check.verify):
        with pytest.raises(Unhealthy, match=r"org\.a11y\.atspi\.Registry should be on .*found nobody"):
            one(world.environ())
    start_accessibility(world)
    assert check.verify(world.environ())


def test_a_launcher_that_has_ended_is_refused_and_comes_back_at_the_same_address(world: World):
    before = world.exports["AT_SPI_BUS_ADDRESS"]
    end(world, "at-spi-bus-launcher")
    with pytest.raises(Unhealthy):
        check.probe(world.environ())
    start_accessibility(world)
    assert world.exports["AT_SPI_BUS_ADDRESS"] == before
    assert check.verify(world.environ())
    assert len(marked(world, "accessibility.conf")) == 1
    wait_for(lambda: len(marked(world, "at-spi2-registryd")) == 1, what="the end of the earlier registry")


@pytest.mark.parametrize("attempt", range(5))
def test_after_the_session_bus_was_killed_both_come_back_at_once(world: World, attempt: int):
    before = world.exports["AT_SPI_BUS_ADDRESS"]
    kill(world, "session-bus")
    start_bus(world)
    start_accessibility(world)
    assert world.exports["AT_SPI_BUS_ADDRESS"] == before
    assert check.verify(world.environ())
    wait_for(lambda: len(marked(world, "at-spi-bus-launcher")) == 1, what="the end of the earlier launcher")
    assert check.verify(world.environ())


def test_another_environments_bus_address_is_refused(world: World):
    with desktop_world() as other, x_server(other):
        start_bus(other)
        start_accessibility(other)
        lie = {**world.environ(), "AT_SPI_BUS_ADDRESS": other.exports["AT_SPI_BUS_ADDRESS"]}
        with pytest.raises(Unhealthy, match="AT_SPI_BUS_ADDRESS should be"):
            check.probe(lie)


def test_accessibility_that_was_switched_off_is_refused(world: World):
    with Bus(world.exports["DBUS_SESSION_BUS_ADDRESS"]) as bus:
        bus.call(*LAUNCHER, PROPERTIES, "Set", "ssv", *ENABLED, ("b", False))
    with pytest.raises(Unhealthy, match="IsEnabled should be true"):
        check.probe(world.environ())


def test_a_session_bus_without_the_launcher_is_refused_and_none_is_started_by_looking(empty: World):
    start_bus(empty)
    with pytest.raises(Unhealthy, match=r"org\.a11y\.Bus should be on"):
        check.probe(empty.environ())
    assert not marked(empty, "at-spi")


def test_a_bus_that_does_not_know_the_launcher_fails_the_start(empty: World):
    start_bus(empty)
    configuration = empty.folder / "session-bus.conf"
    lines = configuration.read_text().splitlines(keepends=True)
    configuration.write_text("".join(line for line in lines if "servicedir" not in line))
    with Bus(empty.exports["DBUS_SESSION_BUS_ADDRESS"]) as bus:
        bus.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "ReloadConfig")
    with pytest.raises(StartFailed, match=r"accessibility: .*ServiceUnknown"):
        start_accessibility(empty)


def test_text_is_inserted_into_a_focused_gtk_entry_and_read_back(world: World):
    need("openbox")
    have = subprocess.run(
        [SYSTEM_PYTHON, "-c", textwrap.dedent(APPLICATION).split("window,")[0]], capture_output=True
    )
    if have.returncode != 0:
        pytest.skip("python3-gi with GTK 3 is not installed for the system's Python")
    environ = world.environ(GDK_BACKEND="x11")
    world.spawn("openbox", ["openbox", "--sm-disable"])  # without a window manager nothing is focused
    driver = subprocess.Popen(
        [SYSTEM_PYTHON, "-c", textwrap.dedent(DRIVER)], env=environ, stdout=subprocess.PIPE, text=True
    )
    assert driver.stdout is not None
    assert driver.stdout.readline() == "listening\n"
    application = subprocess.Popen(
        [SYSTEM_PYTHON, "-c", textwrap.dedent(APPLICATION)], env=environ, stdout=subprocess.PIPE, text=True
    )
    try:
        assert driver.communicate(timeout=25)[0] == "read back: hello headless\n"
        assert application.stdout is not None
        assert application.stdout.readline() == "hello headless\n"
    finally:
        for one in (driver, application):
            one.kill()
            one.communicate()
