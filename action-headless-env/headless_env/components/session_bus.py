"""The D-Bus session bus."""

from __future__ import annotations

import os

from headless_env.bus import Bus, BusError
from headless_env.startup import Exit, Readable, StartFailed, Steps
from headless_env.world import Component, World

NAME = "session-bus"

# No systemd activation, no host-wide session.d; the installed services only, not those in the user's home: what a
# developer has put there is no part of the environment that a job asked for. Limits as in the stock session.conf, whose
# purpose is that nothing ever meets one.
_CONFIGURATION = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <keep_umask/>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
{services}
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_message_size">1000000000</limit>
  <limit name="max_incoming_bytes">1000000000</limit>
  <limit name="max_outgoing_bytes">1000000000</limit>
  <limit name="service_start_timeout">30000</limit>
  <limit name="max_completed_connections">100000</limit>
  <limit name="max_connections_per_user">100000</limit>
  <limit name="max_match_rules_per_connection">50000</limit>
  <limit name="max_replies_per_connection">50000</limit>
</busconfig>
"""

# For what the bus activates; clients do not get these.
_SERVICE_ENVIRONMENT = {
    # Fedora's and Arch's launcher prefers dbus-broker, which leaves activation to `systemd --user`: on a bus of our own
    # the registry would never start.
    "ATSPI_DBUS_IMPLEMENTATION": "dbus-daemon",
    # Setting org.a11y.Status.IsEnabled would otherwise be written to the user's dconf, for good.
    "GSETTINGS_BACKEND": "memory",
    # A FUSE mount in the runtime directory would keep it from being removed.
    "GVFS_DISABLE_FUSE": "1",
    "GIO_USE_VFS": "local",
}


def start(world: World) -> Steps:
    """Start the bus; on restart at the same address. Raises StartFailed."""
    daemon = world.which("dbus-daemon")
    if daemon is None:
        raise StartFailed(f"{NAME}: dbus-daemon is not on PATH")
    address = f"unix:path={world.runtime}/bus"
    configuration = world.folder / "session-bus.conf"
    configuration.write_text(_configure(address, world.base), encoding="utf-8")
    reader, writer = os.pipe()
    try:
        argv = [daemon, f"--config-file={configuration}", "--nofork", "--nopidfile", "--nosyslog"]
        environ = world.environ(**_SERVICE_ENVIRONMENT, DBUS_SESSION_BUS_ADDRESS=address)
        try:
            component = world.spawn(
                NAME, [*argv, f"--print-address={writer}"], pass_fds=(writer,), environ=environ
            )
        finally:
            os.close(writer)
        yield Readable(reader, component)
        if not os.read(reader, 1000):  # not its address, but its end
            yield Exit(component)
            raise StartFailed(component.obituary())
        yield from _greet(address, component)
    finally:
        os.close(reader)
    world.exports["DBUS_SESSION_BUS_ADDRESS"] = address
    world.exports["DBUS_SESSION_BUS_PID"] = str(component.process.pid)


def _greet(address: str, component: Component) -> Steps:
    try:
        with Bus(address) as bus:
            while bus.take(lambda message: message.reply_serial == bus.hello) is None:
                yield Readable(bus.fileno(), component)
    except BusError as error:
        raise StartFailed(f"{NAME}: {error}; the end of its log:\n{component.log_tail()}") from error


def _configure(address: str, base: dict[str, str]) -> str:
    data = base.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    folders = dict.fromkeys([*filter(os.path.isabs, data.split(":")), "/usr/share"])
    services = [
        f"  <servicedir>{_escape(folder.rstrip('/'))}/dbus-1/services</servicedir>" for folder in folders
    ]
    return _CONFIGURATION.format(address=_escape(address), services="\n".join(services))


def _escape(text: str) -> str:
    """Text as XML content. The standard library's own way imports http and email: 18 ms of a start."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
