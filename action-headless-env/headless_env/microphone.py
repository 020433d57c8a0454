"""Plays a WAV file into the virtual microphone, in a process of its own, for ever or once."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import actionlib
from actionlib.process_tree import set_parent_death_signal
from actionlib.programs import ask
from headless_env.audio_layout import FEED, MICROPHONE
from headless_env.checks.audio import probe
from headless_env.health import Unhealthy
from headless_env.tone_search import CHECK_PROPERTY, pipe_of
from headless_env.wav import WavFormat, read_wav_header
from headless_env.world import Component, World

UNIT = "microphone"
CHUNK_BYTES = 65_536  # what a pipe holds
BUFFER_MILLISECONDS = (
    500  # enough for a busy machine; the sound still begins at once, because it is all there
)
LEAD_SECONDS = (
    0.1  # of silence before a WAV that is played once: a recorder that has just begun loses none of it
)
RETURN_SECONDS = 30.0  # how long a server that is being started again may be away
PACTL_SECONDS = 10.0
_POLL_SECONDS = 0.05
_QUICK_FAILURE_SECONDS = 1.0
_QUICK_FAILURES = 5

_BOOT = (
    "import json, os, sys; sys.path[:0] = json.loads(sys.argv[1]); from headless_env.microphone import main; "
    "sys.exit(main(sys.argv[2:], dict(os.environ)))"
)


class PlaybackFailed(Exception):
    """The WAV cannot be played into the microphone; the text says why."""


class _ServerGone(Exception):
    """The sound server hung up."""


def start(world: World, wav: Path, *, loop: bool) -> Component:
    """Start the player. It exits with 0 when the WAV has been played once; its parent's death is its own."""
    paths = sorted({str(Path(file).parent.parent) for file in (__file__, actionlib.__file__ or "")})
    before, world.unit = world.unit, UNIT
    try:
        return world.spawn(
            UNIT,
            [
                sys.executable,
                "-I",
                "-S",
                "-c",
                _BOOT,
                json.dumps(paths),
                str(wav),
                "loop" if loop else "once",
            ],
        )
    finally:
        world.unit = before


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """The player's process: WAV, then `loop` or `once`."""
    try:
        play(environ, Path(argv[0]), loop=argv[1] == "loop")
    except (PlaybackFailed, OSError, ValueError) as error:
        os.write(2, f"{argv[0]}: {error}\n".encode(errors="replace"))
        return 1
    return 0


def play(environ: Mapping[str, str], wav: Path, *, loop: bool) -> None:
    """Play `wav` without gaps from now on, for ever; or once, from when the first program records.

    A server that is started again meanwhile is waited for, and the sound begins anew. Raises PlaybackFailed, and
    what `read_wav_header` raises.
    """
    sound = read_wav_header(wav)
    failures = 0
    while True:
        begin = time.monotonic()
        try:
            if not loop:
                await_recording(environ)
            _feed(environ, wav, sound, loop=loop)
        except _ServerGone as error:
            failures = failures + 1 if time.monotonic() - begin < _QUICK_FAILURE_SECONDS else 0
            if failures >= _QUICK_FAILURES:
                raise PlaybackFailed(str(error)) from error
            _await_server(environ)
        else:
            return


def await_recording(environ: Mapping[str, str]) -> None:
    """Return when a program records from the microphone; our own checks do not count."""
    with _child(["pactl", "subscribe"], environ, stdout=subprocess.PIPE) as events:
        output = pipe_of(events.stdout)
        subscribed = False
        while True:
            # Until the subscription is seen to work, each look provokes an event: that of pactl's own connection.
            patience = [] if subscribed else [_POLL_SECONDS]
            if not select.select([output], [], [], *patience)[0]:
                if is_recorded(environ):
                    return
                continue
            said = os.read(output.fileno(), CHUNK_BYTES)
            if not said:
                raise _ServerGone("pactl subscribe ended: the sound server has hung up")
            if (not subscribed or b"source-output" in said) and is_recorded(environ):
                return
            subscribed = True


def is_recorded(environ: Mapping[str, str]) -> bool:
    """Whether a program other than our checks records from the microphone now."""
    rows = (line.split("\t") for line in _pactl(environ, "list", "short", "sources").splitlines())
    index = next((row[0] for row in rows if len(row) > 1 and row[1] == MICROPHONE), None)
    for text in re.split(r"^Source Output #", _pactl(environ, "list", "source-outputs"), flags=re.MULTILINE)[
        1:
    ]:
        fields = dict(re.findall(r"^\t(Source|Corked): (\S+)$", text, re.MULTILINE))
        ours = f'{CHECK_PROPERTY} = "yes"' in text
        if fields.get("Source") == index and fields.get("Corked") != "yes" and not ours:
            return True
    return False


def _pactl(environ: Mapping[str, str], *arguments: str) -> str:
    answer = ask(["pactl", *arguments], environ=_plain(environ), seconds=PACTL_SECONDS)
    if answer.exit_code:
        raise _ServerGone(f"pactl {' '.join(arguments)}: {answer.errors.strip()}")
    return answer.text


def _feed(environ: Mapping[str, str], wav: Path, sound: WavFormat, *, loop: bool) -> None:
    """One pacat for the whole time: a new one for each round would leave a gap."""
    argv = [
        *(
            "pacat",
            "--playback",
            f"--device={FEED}",
            "--raw",
            f"--client-name={UNIT}",
            f"--stream-name={wav.name}",
        ),
        *(f"--format={sound.encoding}", f"--rate={sound.rate}", f"--channels={sound.channels}"),
        f"--latency-msec={BUFFER_MILLISECONDS}",
    ]
    with _child(argv, environ, stdin=subprocess.PIPE) as pacat:
        entry = pipe_of(pacat.stdin)
        try:
            if not loop:
                entry.write(sound.silence(LEAD_SECONDS))
            for chunk in _chunks(wav, sound, loop=loop):
                entry.write(chunk)
            entry.close()
        except BrokenPipeError:
            pass
        if code := pacat.wait():
            raise _ServerGone(f"pacat ended with {code}")


def _chunks(wav: Path, sound: WavFormat, *, loop: bool) -> Iterator[bytes]:
    """The sound's bytes, for ever with `loop`."""
    with wav.open("rb", buffering=0) as file:
        if loop and sound.data_bytes <= CHUNK_BYTES:
            file.seek(sound.data_offset)
            short = file.read(sound.data_bytes) * (CHUNK_BYTES // sound.data_bytes)
            while True:
                yield short
        while True:
            file.seek(sound.data_offset)
            left = sound.data_bytes
            while left:
                chunk = file.read(min(left, CHUNK_BYTES))
                if not chunk:
                    raise PlaybackFailed("the file has become shorter while it was played")
                left -= len(chunk)
                yield chunk
            if not loop:
                return


def _await_server(environ: Mapping[str, str]) -> None:
    deadline = time.monotonic() + RETURN_SECONDS
    while True:
        try:
            probe(environ)
        except Unhealthy as error:
            if time.monotonic() >= deadline:
                raise PlaybackFailed(f"no sound server for {RETURN_SECONDS:g} s: {error}") from error
            time.sleep(_POLL_SECONDS)
        else:
            return


@contextmanager
def _child(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that ends with us at the latest, whatever ends us."""
    process = subprocess.Popen(
        list(argv), env=_plain(environ), stdin=stdin, stdout=stdout, bufsize=0, preexec_fn=_die_with_parent
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def _die_with_parent() -> None:
    set_parent_death_signal(signal.SIGKILL)


def _plain(environ: Mapping[str, str]) -> dict[str, str]:
    return {**environ, "LC_ALL": "C"}  # pactl's words are translated
