"""Is the accessibility bus the one that applications are told of, and does its registry list them?"""

from __future__ import annotations

from collections.abc import Mapping

from headless_env.bus import BUS, SIGNAL, Bus, BusError
from headless_env.checks.session_bus import address_of
from headless_env.components.accessibility import (
    CHILD_COUNT,
    ENABLED,
    LAUNCHER,
    PROPERTIES,
    REGISTRY,
    without_guid,
)
from headless_env.health import Unhealthy

PROBE_SECONDS = 1.0
_ROOT = REGISTRY[1]  # applications and the registry use the same path


def probe(environ: Mapping[str, str]) -> str:
    """Raise Unhealthy unless the exported address is the launcher's, accessibility is on, and the registry answers.

    Looks before it asks: a question to a registry that has ended would start another one, without its applications.
    """
    try:
        with Bus(address_of(environ)) as session:
            _require_owner(session, LAUNCHER[0])
            (address,) = session.call(*LAUNCHER, "org.a11y.Bus", "GetAddress", seconds=PROBE_SECONDS)
            (enabled,) = session.call(*LAUNCHER, PROPERTIES, "Get", "ss", *ENABLED, seconds=PROBE_SECONDS)
        exported = environ.get("AT_SPI_BUS_ADDRESS", "")
        if without_guid(exported) != without_guid(str(address)):
            raise Unhealthy(f"AT_SPI_BUS_ADDRESS should be {address}, found {exported or 'nothing'}")
        if enabled != ("b", True):
            raise Unhealthy(f"org.a11y.Status.IsEnabled should be true, found {enabled[1]}")
        with Bus(exported) as bus:
            _require_owner(bus, REGISTRY[0])
            ((_, count),) = bus.call(*REGISTRY, PROPERTIES, "Get", "ss", *CHILD_COUNT, seconds=PROBE_SECONDS)
    except BusError as error:
        raise Unhealthy(f"accessibility: {error}") from error
    return f"registry answers, {count} application{'' if count == 1 else 's'}"


def verify(environ: Mapping[str, str]) -> str:
    """Raise Unhealthy unless an application that registers is listed, and no longer when it has left."""
    probe(environ)
    address = environ["AT_SPI_BUS_ADDRESS"]
    try:
        with Bus(address) as observer:
            with Bus(address) as application:
                own = _embed(application)
                if own not in _children(observer):
                    raise Unhealthy(
                        f"the registry should list the application {own}, found {_children(observer)}"
                    )
                rule = f"type='signal',member='NameOwnerChanged',arg0='{own}'"
                observer.call(*BUS, "AddMatch", "s", rule)
            # The bus tells the registry and us at once, so our next question reaches the registry after it knows.
            observer.receive(
                lambda message: message.kind == SIGNAL and message.body[:1] == (own,),
                what="signal of the application's end",
            )
            if own in _children(observer):
                raise Unhealthy(f"the registry should have forgotten the application {own}, found it listed")
    except BusError as error:
        raise Unhealthy(f"accessibility: {error}") from error
    return "an application was listed, and left"


def _require_owner(bus: Bus, name: str) -> None:
    (has_owner,) = bus.call(*BUS, "NameHasOwner", "s", name, seconds=PROBE_SECONDS)
    if not has_owner:
        raise Unhealthy(f"{name} should be on {bus.address}, found nobody of that name")


def _embed(application: Bus) -> str:
    """Register as applications do at their start; returns the name under which they are listed."""
    application.result(application.hello, "Hello")
    own = (application.name, _ROOT)
    application.call(*REGISTRY, "org.a11y.atspi.Socket", "Embed", "(so)", own)
    return application.name


def _children(observer: Bus) -> list[str]:
    (children,) = observer.call(*REGISTRY, "org.a11y.atspi.Accessible", "GetChildren")
    return [name for name, _ in children]
