"""PulseAudio with two null sinks: one is the speaker, the other feeds the microphone. Needs neither X nor D-Bus."""

from __future__ import annotations

from headless_env.audio_layout import FEED, MICROPHONE, RATE_HERTZ, SPEAKER, pulse_socket, write_client_files
from headless_env.audio_startup import await_defaults, end_earlier
from headless_env.startup import Steps
from headless_env.world import World

NAME = "pulseaudio"

# norewinds (PulseAudio 15 and later): a null sink otherwise buffers 2 s and takes as long to show a new stream.
# The protocol module comes last, so that who can connect finds everything in place.
_SCRIPT = """\
.fail
load-module module-null-sink sink_name={speaker} rate={rate} norewinds=1
load-module module-null-sink sink_name={feed} rate={rate} norewinds=1
load-module module-remap-source source_name={microphone} master={feed}.monitor
update-sink-proplist {speaker} device.description=Speaker
update-sink-proplist {feed} device.description=MicrophoneFeed
update-source-proplist {microphone} device.description=Microphone
set-default-sink {speaker}
set-default-source {microphone}
load-module module-native-protocol-unix socket={socket} auth-cookie={cookie}
"""
# The user's own daemon.conf stays unread. Without shared memory a killed server leaves nothing in /dev/shm.
_DAEMON = f"""\
default-sample-rate = {RATE_HERTZ}
alternate-sample-rate = {RATE_HERTZ}
flat-volumes = no
enable-shm = no
"""


def start(world: World) -> Steps:
    """Start the server; ready when it names our sink and our source as its defaults."""
    yield from end_earlier(world, [NAME])
    variables = write_client_files(world)
    folder = world.folder / "audio"
    state = folder / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    script, daemon = folder / "pulseaudio.pa", folder / "daemon.conf"
    socket = pulse_socket(world)
    script.write_text(
        _SCRIPT.format(
            speaker=SPEAKER,
            feed=FEED,
            microphone=MICROPHONE,
            rate=RATE_HERTZ,
            socket=socket,
            cookie=variables["PULSE_COOKIE"],
        )
    )
    daemon.write_text(_DAEMON)
    environ = world.environ(
        PULSE_RUNTIME_PATH=variables["PULSE_RUNTIME_PATH"],
        PULSE_STATE_PATH=str(state),
        PULSE_CONFIG=str(daemon),
        # It registers itself on the session bus, and libdbus would start one that stays behind.
        DBUS_SESSION_BUS_ADDRESS="disabled:",
    )
    environ.pop("DISPLAY", None)
    server = world.spawn(
        NAME,
        [
            "pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disallow-exit",
            "--realtime=no", "--high-priority=no", "--log-target=stderr", f"--file={script}",
        ],
        environ=environ,
    )  # fmt: skip
    yield from await_defaults(variables, [server])
    world.exports.update(variables)
