"""Sound servers that answer without doing their work, or are none, are refused with the reason."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from headless_env.checks import audio, microphone
from headless_env.health import Unhealthy
from headless_env.pulse_client import ask
from headless_env.sound import write_tone
from headless_env.tone_search import find_tone, player, recorder
from headless_env.world import World
from integration.headless_env.audio.audio_house import (
    CHECKS,
    audio_world,
    is_unhealthy,
    pactl,
    streams,
    wait_for,
)


def test_without_wireplumber_pipewire_is_refused_though_pactl_answers():
    with audio_world("pipewire") as world:
        manager = world.components["wireplumber"].popen
        manager.kill()
        manager.wait()
        wait_for(lambda: "Default Source: he_mic\n" not in pactl(world, "info"))
        for check in CHECKS:
            assert "should be he_" in is_unhealthy(lambda check=check: check(world.environ()))


@pytest.fixture
def foreign() -> Iterator[dict[str, str]]:
    """A PulseAudio server that is well, and not ours: its one sink has another name."""
    if shutil.which("pulseaudio") is None:
        pytest.skip("pulseaudio is not installed")
    with audio_world() as world:
        address = world.runtime / "foreign"
        environ = world.environ(PULSE_RUNTIME_PATH=str(world.runtime), DBUS_SESSION_BUS_ADDRESS="disabled:")
        world.spawn(
            "foreign",
            [
                *("pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"),
                "--load=module-null-sink sink_name=other norewinds=1",
                f"--load=module-native-protocol-unix socket={address} auth-anonymous=1",
            ],
            environ=environ,
        )
        found = {**environ, "PULSE_SERVER": f"unix:{address}"}
        wait_for(lambda: "found other" in is_unhealthy(lambda: audio.probe(found)))
        yield found


def test_a_server_that_answers_without_our_sink_is_refused(foreign: dict[str, str]):
    assert (
        "Default Sink: other"
        in subprocess.run(
            ["pactl", "info"], env={**foreign, "LC_ALL": "C"}, capture_output=True, text=True, timeout=20
        ).stdout
    )
    assert (
        is_unhealthy(lambda: audio.verify(foreign))
        == "the default sink should be he_speaker, found other (pulseaudio)"
    )
    assert "default source should be he_mic" in is_unhealthy(lambda: microphone.verify(foreign))


@pytest.mark.parametrize("check", CHECKS)
def test_no_server_at_all_is_refused(check: Callable[[Mapping[str, str]], str], tmp_path: Path):
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with pytest.raises(Unhealthy, match="PULSE_SERVER should name a unix: socket, found ''"):
        check(environ)
    with pytest.raises(Unhealthy, match="no sound server at /nowhere: No such file"):
        check({**environ, "PULSE_SERVER": "unix:/nowhere"})


def test_a_socket_that_speaks_something_else_is_refused(tmp_path: Path):
    with audio_world() as world:
        path = world.runtime / "other"
        import socket

        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()

            def answer() -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    connection.recv(4096)

            thread = threading.Thread(target=answer)
            thread.start()
            with pytest.raises(Unhealthy, match="does not speak PulseAudio's protocol"):
                ask({"PULSE_SERVER": f"unix:{path}"}, timeout_seconds=5)
            thread.join()


def test_a_muted_speaker_is_refused_as_silence(world: World):
    pactl(world, "set-sink-mute", "he_speaker", "1")
    with pytest.raises(Unhealthy, match="recorded silence"):
        find_tone(
            world.environ(),
            play=player(),
            record=[recorder("--device=he_speaker.monitor")],
            hertz=937.5,
            timeout_seconds=2,
        )


def test_another_frequency_is_refused_and_named(world: World, tmp_path: Path):
    wav = tmp_path / "other.wav"
    write_tone(wav, hertz=1500, seconds=5)
    with pytest.raises(
        Unhealthy, match=r"a tone of 938 Hz was played and not found in 2 s: parec recorded 1[45]\d\d Hz"
    ):
        find_tone(
            world.environ(),
            play=[
                "sh",
                "-c",
                'exec paplay "$1" 3<&0',
                "sh",
                str(wav),
            ],  # keeps the pipe that it is fed through
            record=[recorder("--device=he_speaker.monitor")],
            hertz=937.5,
            timeout_seconds=2,
        )
    wait_for(lambda: streams(world) == "")


def test_a_recorder_that_cannot_record_is_quoted():
    with (
        audio_world("pulseaudio") as world,
        pytest.raises(Unhealthy, match=r"parec ended with 1: .*No such entity"),
    ):
        find_tone(world.environ(), play=player(), record=[recorder("--device=nowhere")], hertz=937.5)
