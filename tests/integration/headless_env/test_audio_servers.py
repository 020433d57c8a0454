"""Real PulseAudio and PipeWire: they come up, do their work, come back, and lying ones are refused."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headless_env.checks import audio, microphone
from headless_env.health import Unhealthy
from headless_env.pulse_client import ask
from headless_env.sound import measure_tone, write_tone
from headless_env.startup import StartFailed
from headless_env.tone_search import find_tone, player, recorder
from headless_env.world import World
from integration.headless_env.audio_house import (
    RATE,
    SERVERS,
    audio_world,
    is_unhealthy,
    pactl,
    record,
    start_server,
    streams,
    wait_for,
)

CHECKS: tuple[Callable[[Mapping[str, str]], str], ...] = (
    audio.probe,
    audio.verify,
    microphone.probe,
    microphone.verify,
)


@pytest.fixture(params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(kind: str) -> Iterator[World]:
    with audio_world(kind) as found:
        yield found


def test_a_started_server_has_our_sinks_and_our_microphone_as_defaults(world: World):
    said = pactl(world, "info")
    assert "Default Sink: he_speaker\n" in said
    assert "Default Source: he_mic\n" in said
    sinks = {line.split("\t")[1] for line in pactl(world, "list", "short", "sinks").splitlines()}
    assert sinks == {"he_speaker", world.exports["COLDVOX_MICROPHONE_SINK"]}
    assert Path(world.exports["ALSA_CONFIG_PATH"]).is_file()


def test_all_checks_pass_on_a_healthy_server_and_leave_no_stream_behind(world: World):
    environ = world.environ()
    for check in CHECKS:
        assert check(environ)
    wait_for(lambda: streams(world) == "")


def test_both_functional_checks_can_run_at_the_same_time(world: World):
    environ = world.environ()
    with ThreadPoolExecutor() as pool:
        found = [pool.submit(check, environ) for check in (audio.verify, microphone.verify)]
        assert all("tone found" in one.result() for one in found)


def test_the_microphone_is_checked_through_alsa_too(world: World):
    if shutil.which("arecord") is None:
        pytest.skip("arecord is not installed")
    assert "parec and arecord" in microphone.verify(world.environ())


def test_nothing_is_written_to_the_home_folder_nor_to_shared_memory(world: World):
    before = set(os.listdir("/dev/shm"))
    for check in (audio.verify, microphone.verify):
        check(world.environ())
    assert list((world.folder / "home").rglob("*")) == []
    assert not {name for name in set(os.listdir("/dev/shm")) - before if name.startswith("pulse")}


def test_the_users_own_settings_do_not_lead_away(kind: str, tmp_path: Path):
    (tmp_path / ".asoundrc").write_text("pcm.!default { type null }\n")
    for file, text in {
        "pulse/daemon.conf": "default-sample-rate = 8000\n",
        "pulse/client.conf": "default-sink = nowhere\ndefault-source = nowhere\n",
        "pulse/default.pa": ".nonsense\n",
        "pipewire/pipewire.conf": "nonsense {",
        "pipewire/pipewire-pulse.conf": "nonsense {",
        "wireplumber/wireplumber.conf": "nonsense {",
        "wireplumber/main.lua.d/10-nonsense.lua": "nonsense(",
    }.items():
        path = tmp_path / ".config" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with audio_world(kind, home=tmp_path) as world:
        assert audio.verify(world.environ())
        assert microphone.verify(world.environ())


def test_a_killed_server_is_started_again_at_the_same_address(world: World, kind: str):
    before = dict(world.exports)
    for name in (kind, "pipewire-pulse"):
        if component := world.components.get(name):
            component.popen.kill()
            component.popen.wait()
    assert is_unhealthy(lambda: audio.probe(world.environ()))
    start_server(world, kind)
    assert world.exports == before
    for check in CHECKS:
        assert check(world.environ())


def test_a_hanging_server_is_found_and_replaced(world: World, kind: str):
    name = "pulseaudio" if kind == "pulseaudio" else "pipewire-pulse"
    hanging = world.components[name].popen
    os.kill(hanging.pid, signal.SIGSTOP)
    begin = time.monotonic()
    assert "did not answer" in is_unhealthy(lambda: audio.probe(world.environ()))
    assert time.monotonic() - begin < audio.PROBE_SECONDS + 2
    start_server(world, kind)
    assert hanging.poll() is not None
    assert audio.verify(world.environ())


def test_without_wireplumber_pipewire_is_refused_though_pactl_answers():
    with audio_world("pipewire") as world:
        manager = world.components["wireplumber"].popen
        manager.kill()
        manager.wait()
        wait_for(lambda: "Default Source: he_mic\n" not in pactl(world, "info"))
        for check in CHECKS:
            assert "should be he_" in is_unhealthy(lambda check=check: check(world.environ()))


def test_a_wireplumber_that_cannot_start_is_told_with_its_log():
    with audio_world() as world:
        tools = world.folder / "tools"
        tools.mkdir()
        fake = tools / "wireplumber"
        fake.write_text("#!/bin/sh\n# libwireplumber-0.4.so\necho no bus; exit 7\n")
        fake.chmod(0o755)
        world.base["PATH"] = f"{tools}:{os.environ['PATH']}"
        with pytest.raises(StartFailed, match=r"exited with code 7(?s:.*)no bus"):
            start_server(world, "pipewire")


def test_a_pulseaudio_that_cannot_load_its_modules_is_told_with_its_log():
    with audio_world() as world:
        world.base["PULSE_DLPATH"] = "/nowhere"
        with pytest.raises(StartFailed, match="exited with code 1"):
            start_server(world, "pulseaudio")


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


def test_the_check_still_works_while_other_sound_goes_on(world: World, tmp_path: Path):
    wav = tmp_path / "other.wav"
    write_tone(wav, hertz=310, seconds=20)
    with subprocess.Popen(["paplay", str(wav)], env=world.environ()) as playing:
        wait_for(lambda: streams(world) != "")
        try:
            assert audio.verify(world.environ(), hertz=937.5)
        finally:
            playing.kill()


def test_two_environments_do_not_hear_each_other(kind: str):
    tones = (1000.0, 3000.0)
    with audio_world(kind) as one, audio_world(kind) as other:
        players = []
        try:
            for world, hertz in zip((one, other), tones, strict=True):
                wav = world.folder / "own.wav"
                write_tone(wav, hertz=hertz, seconds=30)
                for device in ("he_speaker", "he_mic_feed"):
                    players.append(
                        subprocess.Popen(["paplay", f"--device={device}", wav], env=world.environ())
                    )
            for world, own, foreign in ((one, *tones), (other, *reversed(tones))):
                for device in ("he_speaker.monitor", "he_mic"):
                    samples = record(world, seconds=0.2, device=device, skip_seconds=0.5)
                    assert measure_tone(samples, hertz=own, rate=RATE).share > 0.99
                    assert measure_tone(samples, hertz=foreign, rate=RATE).dbfs < -90
        finally:
            for player_ in players:
                player_.kill()
                player_.wait()
