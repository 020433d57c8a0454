"""The player of `microphone-wav` on real servers: no gap, nothing lost, nothing left."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from array import array
from contextlib import ExitStack
from pathlib import Path

import pytest

import actionlib
from actionlib.process_tree import descendants
from actionlib.processes import Process
from headless_env import microphone
from headless_env.checks import microphone as check
from headless_env.sound import find_dropouts, make_tone, measure_tone, write_tone
from headless_env.world import Component, World
from integration.headless_env.audio.audio_house import (
    RATE,
    audio_world,
    busy_processors,
    record,
    start_server,
    streams,
    wait_for,
)

HERTZ = 1237.0  # no block of frames is whole periods of it, one second is
TAKES = 100 if os.environ.get("SOAK") == "1" else 5


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    write_tone(path, hertz=HERTZ, seconds=1)
    return path


def end(player: Component) -> None:
    player.popen.terminate()
    player.popen.wait(10)


def hears_the_tone(world: World, *, hertz: float = HERTZ) -> bool:
    return measure_tone(record(world, seconds=0.05), hertz=hertz, rate=RATE).share > 0.9


def loud_blocks(samples: array[int]) -> list[int]:
    """The hundredths of a second in which the tone is heard."""
    blocks = [samples[n : n + 480] for n in range(0, len(samples), 480)]
    return [n for n, block in enumerate(blocks) if measure_tone(block, hertz=HERTZ, rate=RATE).dbfs > -20]


def is_waiting(player: Component) -> bool:
    return any(Path(f"/proc/{one.pid}/comm").read_text() == "pactl\n" for one in descendants(player.process))


def test_a_looped_wav_has_no_dropouts_in_many_takes_half_of_them_on_busy_processors(world: World, wav: Path):
    microphone.start(world, wav, loop=True)
    wait_for(lambda: hears_the_tone(world))
    found = []
    for take in range(TAKES):
        with ExitStack() as stack:
            if take % 2:
                stack.enter_context(busy_processors())
            samples = record(world, seconds=1.5, skip_seconds=0.2)
        found += [(take, one) for one in find_dropouts(samples, hertz=HERTZ, rate=RATE)]
    assert found == []


@pytest.mark.parametrize(
    ("samples", "rate", "hertz"), [(240, 48_000, 1000.0), (44_100, 44_100, HERTZ), (160, 16_000, 500.0)]
)
def test_short_wavs_and_other_rates_are_looped_without_a_gap(
    world: World, tmp_path: Path, samples: int, rate: int, hertz: float
):
    path = tmp_path / "short.wav"
    write_tone(path, hertz=hertz, seconds=samples / rate, rate=rate)
    microphone.start(world, path, loop=True)
    wait_for(lambda: hears_the_tone(world, hertz=hertz))
    assert find_dropouts(record(world, seconds=2.5, skip_seconds=0.2), hertz=hertz, rate=RATE) == []


def test_a_float_wav_with_a_trailing_chunk_is_looped_without_a_gap(world: World, tmp_path: Path):
    tone = array("f", (value / 32768 for value in make_tone(hertz=HERTZ, seconds=1, rate=RATE))).tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, RATE, RATE * 4, 4, 32)
    body = (
        b"WAVE"
        + form
        + b"data"
        + struct.pack("<I", len(tone))
        + tone
        + b"LIST"
        + struct.pack("<I", 4000)
        + b"x" * 4000
    )
    path = tmp_path / "float.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    microphone.start(world, path, loop=True)
    wait_for(lambda: hears_the_tone(world))
    assert find_dropouts(record(world, seconds=2.5, skip_seconds=0.2), hertz=HERTZ, rate=RATE) == []


def test_once_begins_with_the_first_recording_and_is_whole(world: World, wav: Path):
    player = microphone.start(world, wav, loop=False)
    wait_for(lambda: is_waiting(player))
    assert "paplay" not in streams(world)
    samples = record(world, seconds=3)
    heard = loud_blocks(samples)
    assert heard, "the WAV was not heard at all"
    assert heard == list(range(heard[0], heard[-1] + 1)), "the WAV has gaps"
    assert (heard[-1] - heard[0] + 1) * 0.01 == pytest.approx(1.0, abs=0.03)
    assert heard[0] > 0, "its beginning is missing"
    assert player.popen.wait(20) == 0
    wait_for(lambda: streams(world) == "")


def test_our_own_check_does_not_set_once_off(world: World, wav: Path):
    player = microphone.start(world, wav, loop=False)
    wait_for(lambda: is_waiting(player))
    check.verify(world.environ(), hertz=5000)
    assert player.is_running()
    heard = loud_blocks(record(world, seconds=2))
    assert heard[0] > 0
    assert len(heard) == pytest.approx(100, abs=3)
    assert player.popen.wait(20) == 0


def test_a_recording_that_runs_already_sets_once_off(world: World, wav: Path):
    argv = ["parec", "--raw", "--format=s16le", f"--rate={RATE}", "--channels=1", "--latency-msec=50"]
    with subprocess.Popen(argv, env=world.environ(), stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None
        recorder.stdout.read(4096)
        player = microphone.start(world, wav, loop=False)
        drained = subprocess.Popen(["cat"], stdin=recorder.stdout, stdout=subprocess.DEVNULL)
        assert player.popen.wait(20) == 0
        recorder.kill()
        drained.wait()


def test_a_looped_wav_goes_on_after_the_server_was_started_again(world: World, kind: str, wav: Path):
    player = microphone.start(world, wav, loop=True)
    wait_for(lambda: hears_the_tone(world))
    for name in (kind, "pipewire-pulse"):
        if component := world.components.get(name):
            component.popen.kill()
            component.popen.wait()
    start_server(world, kind)
    wait_for(lambda: hears_the_tone(world))
    assert player.is_running()


def test_once_still_waits_after_the_server_was_started_again(world: World, kind: str, wav: Path):
    player = microphone.start(world, wav, loop=False)
    wait_for(lambda: is_waiting(player))
    waiting = descendants(player.process)
    for name in (kind, "pipewire-pulse"):
        if component := world.components.get(name):
            component.popen.kill()
            component.popen.wait()
    start_server(world, kind)
    wait_for(lambda: not any(one.is_alive() for one in waiting) and is_waiting(player))
    record(world, seconds=1.5)
    assert player.popen.wait(20) == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("loop", [True, False])
def test_nothing_is_left_of_a_player_that_is_ended(world: World, wav: Path, how: signal.Signals, loop: bool):
    player = microphone.start(world, wav, loop=loop)
    wait_for(lambda: hears_the_tone(world) if loop else is_waiting(player))
    family = descendants(player.process)
    assert family
    player.popen.send_signal(how)
    player.popen.wait(10)
    wait_for(lambda: not any(one.is_alive() for one in family))
    wait_for(lambda: streams(world) == "")


def test_the_player_dies_with_its_parent(world: World, wav: Path):
    code = (
        "import json, sys\n"
        "sys.path[:0] = json.loads(sys.argv[1])\n"
        "from pathlib import Path\n"
        "from headless_env import microphone\n"
        "from headless_env.world import World\n"
        "logs, wav, environ = Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4])\n"
        "print(microphone.start(World('x', logs, logs, base=environ), wav, loop=True).popen.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    paths = [str(Path(one).parent.parent) for one in (microphone.__file__, str(actionlib.__file__))]
    from json import dumps

    parent = subprocess.Popen(
        [sys.executable, "-c", code, dumps(paths), str(world.logs), str(wav), dumps(world.environ())],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert parent.stdout is not None
    player = Process.of(int(parent.stdout.readline()))
    wait_for(lambda: hears_the_tone(world))
    parent.kill()
    parent.communicate()
    wait_for(lambda: not player.is_alive())
    wait_for(lambda: streams(world) == "")


def test_a_file_that_is_no_wav_ends_the_player_with_the_reason(world: World, tmp_path: Path):
    path = tmp_path / "no.wav"
    path.write_text("no sound")
    player = microphone.start(world, path, loop=True)
    assert player.popen.wait(20) == 1
    assert "not a WAV file" in player.log_tail()


def test_a_microphone_without_its_sink_ends_the_player_with_the_reason(wav: Path):
    with audio_world("pulseaudio") as world:
        subprocess.run(
            ["pactl", "load-module", "module-null-sink", "sink_name=x"], env=world.environ(), check=True
        )
        subprocess.run(["pactl", "unload-module", "module-remap-source"], env=world.environ(), check=True)
        world.exports["PULSE_SERVER"] = "unix:/nowhere"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(microphone, "RETURN_SECONDS", 0.2)
            with pytest.raises(microphone.PlaybackFailed, match="no sound server"):
                microphone.play(world.environ(), wav, loop=True)
