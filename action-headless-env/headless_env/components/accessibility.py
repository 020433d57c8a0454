"""The accessibility bus and its registry (AT-SPI), warmed up: the first client's request would take 30 to 130 ms."""

from __future__ import annotations

import time

from headless_env.bus import BUS, Bus, BusError
from headless_env.startup import StartFailed, Steps, Task
from headless_env.world import World

NAME = "accessibility"
LAUNCHER = ("org.a11y.Bus", "/org/a11y/bus")
REGISTRY = ("org.a11y.atspi.Registry", "/org/a11y/atspi/accessible/root")
PROPERTIES = "org.freedesktop.DBus.Properties"
ENABLED = ("org.a11y.Status", "IsEnabled")
CHILD_COUNT = ("org.a11y.atspi.Accessible", "ChildCount")
_FAREWELL_SECONDS = 2.0


def start(world: World, *, bus: Task | None = None, display: Task | None = None) -> Steps:
    """Have the session bus start both and wait for their answers, after `bus` and `display`. Raises StartFailed.

    Both are the session bus's children, not ours: a repeated start finds those that live and starts those that do not.
    """
    if bus is not None:
        yield bus
    # The launcher tells the X server where its bus is, the registry watches its keys: neither tries a second time.
    if display is not None:
        yield display
    try:
        with Bus(world.exports["DBUS_SESSION_BUS_ADDRESS"]) as session:
            yield from _await_farewell(session, world.exports.get("AT_SPI_BUS_ADDRESS", ""))
            asked = session.send(*LAUNCHER, "org.a11y.Bus", "GetAddress")
            enabled = session.send(*LAUNCHER, PROPERTIES, "Set", "ssv", *ENABLED, ("b", True))
            (address,) = yield from session.reply(asked, "org.a11y.Bus.GetAddress")
            with Bus(str(address)) as bus_of_its_own:
                asked = bus_of_its_own.send(*REGISTRY, PROPERTIES, "Get", "ss", *CHILD_COUNT)
                yield from bus_of_its_own.reply(asked, "the registry's ChildCount")
            yield from session.reply(enabled, "setting org.a11y.Status.IsEnabled")
    except BusError as error:
        raise StartFailed(f"{NAME}: {error}") from error
    # Without its guid: a launcher that has to start again takes the same path, and what later steps hold stays true.
    world.exports["AT_SPI_BUS_ADDRESS"] = without_guid(str(address))


def without_guid(address: str) -> str:
    """A server address that holds for the server's successor at the same place, too."""
    entries = (
        [part for part in entry.split(",") if not part.startswith("guid=")] for entry in address.split(";")
    )
    return ";".join(",".join(entry) for entry in entries)


def _await_farewell(session: Bus, previous: str) -> Steps:
    """On restart: until the earlier bus is gone, when its launcher is. In ending it removes its socket by name, and
    that would be the new one's.
    """
    (has_owner,) = yield from session.reply(
        session.send(*BUS, "NameHasOwner", "s", LAUNCHER[0]), "NameHasOwner"
    )
    if not previous or has_owner:
        return
    deadline = time.monotonic() + _FAREWELL_SECONDS
    try:
        with Bus(previous) as earlier:
            while time.monotonic() < deadline:
                earlier.take(lambda message: False)
                yield 0.002
    except BusError:
        return
