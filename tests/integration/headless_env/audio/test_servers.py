"""Real PulseAudio and PipeWire: they come up, do their work, and come back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headless_env.checks import audio, microphone
from headless_env.sound import measure_tone, write_tone
from headless_env.startup import StartFailed
from headless_env.world import World
from integration.headless_env.audio.audio_house import (
    CHECKS,
    RATE,
    audio_world,
    is_unhealthy,
    pactl,
    record,
    start_server,
    streams,
    wait_for,
)


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
