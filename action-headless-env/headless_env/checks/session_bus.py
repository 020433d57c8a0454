"""Does the session bus answer, and carry calls and signals from one program to another?"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from headless_env.bus import BUS, CALL, SIGNAL, Bus, BusError, Message
from headless_env.health import Unhealthy

PROBE_SECONDS = 1.0
_PATH, _INTERFACE = "/coldvox/HeadlessCheck", "coldvox.HeadlessCheck"
_DO_NOT_QUEUE, _IS_OWNER = 4, 1  # RequestName's flag and its answer


def address_of(environ: Mapping[str, str]) -> str:
    """The session bus's address. Raises Unhealthy when there is none: libdbus would then start a bus that leaks."""
    address = environ.get("DBUS_SESSION_BUS_ADDRESS", "")
    if not address:
        raise Unhealthy("DBUS_SESSION_BUS_ADDRESS is not set")
    return address


def probe(environ: Mapping[str, str]) -> str:
    """Raise Unhealthy unless the bus tells its identity."""
    try:
        with Bus(address_of(environ)) as bus:
            (identity,) = bus.call(*BUS, "GetId", seconds=PROBE_SECONDS)
    except BusError as error:
        raise Unhealthy(f"session bus: {error}") from error
    return f"id {str(identity)[:8]}"


def verify(environ: Mapping[str, str]) -> str:
    """Raise Unhealthy unless a name can be owned, called by another connection, and its signal be received."""
    address, token = address_of(environ), secrets.token_hex(8)
    name = f"{_INTERFACE}.t{token}"
    try:
        with Bus(address) as server, Bus(address) as client:
            (owner,) = server.call(*BUS, "RequestName", "su", name, _DO_NOT_QUEUE)
            if owner != _IS_OWNER:
                raise Unhealthy(
                    f"session bus: RequestName {name} should be answered with {_IS_OWNER}, found {owner}"
                )
            client.call(*BUS, "AddMatch", "s", f"type='signal',interface='{_INTERFACE}',sender='{name}'")
            _call(client, server, name, token)
            server.emit(_PATH, _INTERFACE, "Told", "s", token)
            signal = client.receive(
                lambda message: _is(message, SIGNAL, "Told"), what="signal from our own name"
            )
    except BusError as error:
        raise Unhealthy(f"session bus: {error}") from error
    if signal.body != (token,):
        raise Unhealthy(f"session bus: the signal should bring {token}, found {signal.body}")
    return "name owned, call answered, signal received"


def _call(client: Bus, server: Bus, name: str, token: str) -> None:
    serial = client.send(name, _PATH, _INTERFACE, "Echo", "s", token)
    call = server.receive(lambda message: _is(message, CALL, "Echo"), what="call to our own name")
    server.answer(call, "s", *call.body)
    (echo,) = client.result(serial, "Echo")
    if echo != token:
        raise Unhealthy(f"session bus: the call should return {token}, found {echo}")


def _is(message: Message, kind: int, member: str) -> bool:
    return (message.kind, message.interface, message.member) == (kind, _INTERFACE, member)
