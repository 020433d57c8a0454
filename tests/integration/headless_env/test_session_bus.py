"""A real dbus-daemon: it comes up, carries messages, comes back at its address; and dead ones are refused."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from headless_env.bus import BUS, Bus, BusError
from headless_env.checks import session_bus as check
from headless_env.health import Unhealthy
from headless_env.startup import StartFailed
from headless_env.world import MARKER, World
from integration.headless_env.desktop_house import desktop_world, kill, need, start_bus, wait_for

SERVICE = """[D-BUS Service]
Name={name}
Exec=/bin/sh -c 'env > {out}.new; mv {out}.new {out}'
"""


@pytest.fixture
def empty() -> Iterator[World]:
    need("dbus-daemon")
    with desktop_world() as world:
        yield world


@pytest.fixture
def world(empty: World) -> World:
    start_bus(empty)
    return empty


def install(world: World, folder: Path, name: str) -> Path:
    """A service that notes its environment; returns where."""
    out = world.folder / name
    services = folder / "dbus-1/services"
    services.mkdir(parents=True)
    (services / f"{name}.service").write_text(SERVICE.format(name=name, out=out))
    return out


def test_a_started_bus_exports_its_address_and_its_pid(world: World):
    assert world.exports["DBUS_SESSION_BUS_ADDRESS"] == f"unix:path={world.runtime}/bus"
    assert int(world.exports["DBUS_SESSION_BUS_PID"]) == world.components["session-bus"].process.pid


def test_both_checks_pass_on_a_healthy_bus_and_leave_no_name_behind(world: World):
    assert check.probe(world.environ()).startswith("id ")
    assert check.verify(world.environ()) == "name owned, call answered, signal received"
    with Bus(world.exports["DBUS_SESSION_BUS_ADDRESS"]) as bus:
        (names,) = bus.call(*BUS, "ListNames")
    assert not [name for name in names if "HeadlessCheck" in name]


def test_a_call_that_fails_says_why(world: World):
    with (
        Bus(world.exports["DBUS_SESSION_BUS_ADDRESS"]) as bus,
        pytest.raises(
            BusError, match=r"GetNonsense was answered with org\.freedesktop\.DBus\.Error\.UnknownMethod"
        ),
    ):
        bus.call(*BUS, "GetNonsense")


def test_a_call_to_us_that_we_do_not_know_is_refused_rather_than_left_waiting(world: World):
    address = world.exports["DBUS_SESSION_BUS_ADDRESS"]
    with Bus(address) as server, Bus(address) as client:
        server.result(server.hello, "Hello")
        serial = client.send(server.name, "/x", "x.y", "Unknown")
        with pytest.raises(BusError):
            server.receive(lambda message: False, what="nothing", seconds=0.2)
        with pytest.raises(BusError, match=r"there is no x\.y\.Unknown"):
            client.result(serial, "Unknown")


def test_what_the_bus_activates_carries_the_marker_and_no_way_to_the_users_settings(
    empty: World, tmp_path: Path
):
    empty.base["XDG_DATA_DIRS"] = str(tmp_path)
    out = install(empty, tmp_path, "test.coldvox.Noted")
    start_bus(empty)
    with Bus(empty.exports["DBUS_SESSION_BUS_ADDRESS"]) as bus:
        bus.send(*BUS, "StartServiceByName", "su", "test.coldvox.Noted", 0)
        wait_for(out.exists, what="the service")
    said = out.read_text().splitlines()
    assert f"{MARKER}={empty.identity}" in said
    assert "GSETTINGS_BACKEND=memory" in said
    assert "ATSPI_DBUS_IMPLEMENTATION=dbus-daemon" in said


def test_services_in_the_users_home_are_not_activated(empty: World):
    out = install(empty, Path(empty.base["HOME"]) / ".local/share", "test.coldvox.Home")
    start_bus(empty)
    with Bus(empty.exports["DBUS_SESSION_BUS_ADDRESS"]) as bus:
        (names,) = bus.call(*BUS, "ListActivatableNames")
        with pytest.raises(BusError, match="ServiceUnknown"):
            bus.call(*BUS, "StartServiceByName", "su", "test.coldvox.Home", 0)
    assert "org.freedesktop.DBus" in names
    assert not out.exists()


def test_a_killed_bus_is_refused_and_comes_back_at_the_same_address(world: World):
    before = dict(world.exports)
    kill(world, "session-bus")
    for one in (check.probe, check.verify):
        with pytest.raises(Unhealthy, match="cannot connect to the bus"):
            one(world.environ())
    start_bus(world)
    assert check.verify(world.environ())
    assert world.exports["DBUS_SESSION_BUS_ADDRESS"] == before["DBUS_SESSION_BUS_ADDRESS"]
    assert world.exports["DBUS_SESSION_BUS_PID"] != before["DBUS_SESSION_BUS_PID"]


def test_a_stopped_bus_is_unhealthy_within_a_second(world: World):
    world.components["session-bus"].popen.send_signal(signal.SIGSTOP)
    with pytest.raises(Unhealthy, match="no reply to GetId within 1 s"):
        check.probe(world.environ())


def test_no_address_is_unhealthy():
    with pytest.raises(Unhealthy, match="DBUS_SESSION_BUS_ADDRESS is not set"):
        check.probe({})


def test_a_socket_that_listens_but_is_no_bus_is_unhealthy(empty: World):
    path = empty.runtime / "bus"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with pytest.raises(Unhealthy, match="no reply to GetId"):
            check.probe({"DBUS_SESSION_BUS_ADDRESS": f"unix:path={path}"})


def test_a_bus_that_cannot_start_fails_with_its_own_words(empty: World):
    empty.runtime.rmdir()
    with pytest.raises(
        StartFailed, match=r"session-bus .*dbus-daemon.* exited with code 1(.|\n)*No such file"
    ):
        start_bus(empty)
    empty.runtime.mkdir()


def test_without_dbus_daemon_the_start_fails_by_its_name(empty: World, tmp_path: Path):
    empty.base["PATH"] = str(tmp_path)
    with pytest.raises(StartFailed, match="dbus-daemon is not on PATH"):
        start_bus(empty)


def test_other_clients_understand_the_bus(world: World):
    need("dbus-send")
    argv = ["dbus-send", "--session", "--print-reply=literal", f"--dest={BUS[0]}", BUS[1], f"{BUS[2]}.GetId"]
    said = subprocess.run(argv, env=world.environ(), capture_output=True, text=True, timeout=10, check=True)
    with Bus(world.exports["DBUS_SESSION_BUS_ADDRESS"]) as bus:
        assert bus.call(*BUS, "GetId") == (said.stdout.strip(),)
