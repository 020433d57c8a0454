"""The accessibility bus and its registry (AT-SPI), warmed up: the first client's request would take 30 to 130 ms."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator

from actionlib.process_tree import send_signal
from actionlib.processes import Process
from headless_env.bus import BUS, Bus, BusError
from headless_env.startup import Readable, StartFailed, Steps, Task
from headless_env.world import World

NAME = "accessibility"
LAUNCHER = ("org.a11y.Bus", "/org/a11y/bus")
REGISTRY = ("org.a11y.atspi.Registry", "/org/a11y/atspi/accessible/root")
PROPERTIES = "org.freedesktop.DBus.Properties"
ENABLED = ("org.a11y.Status", "IsEnabled")
CHILD_COUNT = ("org.a11y.atspi.Accessible", "ChildCount")


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
            yield from _end_previous(session, world.exports.get("AT_SPI_BUS_ADDRESS", ""))
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


def _end_previous(session: Bus, previous: str) -> Steps:
    """On restart, when the launcher is gone: end the bus and the registry that it had. Both outlive a launcher that is
    killed; and a bus that ends properly removes its socket by name, which could be the new one's by then.
    """
    if not previous or (yield from _find_owner(session, LAUNCHER[0])):
        return
    try:
        with Bus(previous) as earlier:
            registry = yield from _find_owner(earlier, REGISTRY[0])
            for pid in filter(None, (earlier.peer(), registry)):
                with contextlib.suppress(ProcessLookupError):
                    send_signal(Process.of(pid), signal.SIGKILL)
            while True:
                earlier.take(lambda message: False)
                yield Readable(earlier.fileno())
    except BusError:
        return  # has ended


def _find_owner(bus: Bus, name: str) -> Generator[Readable, None, int]:
    """The pid of who has `name`, 0 for nobody; unlike a call to the name, this starts nobody."""
    asked = bus.send(*BUS, "NameHasOwner", "s", name)
    (has_owner,) = yield from bus.reply(asked, "NameHasOwner")
    if not has_owner:
        return 0
    asked = bus.send(*BUS, "GetConnectionUnixProcessID", "s", name)
    (pid,) = yield from bus.reply(asked, "GetConnectionUnixProcessID")
    return int(pid)
