"""Playing a tone with one program and waiting for it in the recordings of others."""

from __future__ import annotations

import os
import secrets
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO

from headless_env.audio_layout import RATE_HERTZ
from headless_env.health import Unhealthy
from headless_env.sound import Tone, decode, encode, make_tone, measure_tone, strongest_tone

TIMEOUT_SECONDS = 8.0
CHECK_PROPERTY = "coldvox.check"  # so that the microphone's player can tell our recordings from a test's

WINDOW_SAMPLES = 2048
_HEARD_SHARE = 0.1  # other sound may go on meanwhile; white noise has 0.001 in each window
_HEARD_DBFS = -50.0
# Whole cycles per window, and more than the four bins apart that measure_tone cannot tell from each other.
_TONES = [bins * RATE_HERTZ / WINDOW_SAMPLES for bins in range(20, 220, 5)]
_RAW = ("--raw", "--format=s16le", f"--rate={RATE_HERTZ}", "--channels=1")
_STREAM = ("--client-name=coldvox-check", "--latency-msec=10")


def choose_tone() -> float:
    """One of the frequencies (Hz) that can be told from each other."""
    return secrets.choice(_TONES)


def missing_tools(environ: Mapping[str, str]) -> str:
    """Which of the programs that play and record are not on PATH, for people; empty when both are."""
    names = [name for name in ("pacat", "parec") if not shutil.which(name, path=environ.get("PATH"))]
    return f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'}" if names else ""


def player(*options: str) -> list[str]:
    """A program that plays what it is given; raw samples, mono."""
    return ["pacat", "--playback", *_RAW, *_STREAM, *options]


def recorder(*options: str) -> list[str]:
    """A program that records PulseAudio's default source, or --device."""
    return ["parec", *_RAW, *_STREAM, *options]


def alsa_recorder() -> list[str]:
    """A program that records ALSA's default device."""
    return [
        *("arecord", "--quiet", "--device=default", "--file-type=raw", "--format=S16_LE"),
        *(f"--rate={RATE_HERTZ}", "--channels=1", "--period-time=10000", "--buffer-time=40000"),
    ]


@dataclass(slots=True)
class _Recording:
    """What one recorder has delivered."""

    process: subprocess.Popen[bytes]
    data: bytearray = field(default_factory=bytearray)
    tone: Tone | None = None

    def listen(self, hertz: float) -> None:
        """Take what has arrived; `tone` is set once it is heard."""
        chunk = os.read(pipe_of(self.process.stdout).fileno(), 65_536)
        if not chunk:
            raise Unhealthy(_obituary(self.process))
        self.data += chunk
        if len(self.data) >= 2 * WINDOW_SAMPLES:
            tone = measure_tone(self.window(), hertz=hertz, rate=RATE_HERTZ)
            if tone.share >= _HEARD_SHARE and tone.dbfs >= _HEARD_DBFS:
                self.tone = tone
            keep = len(self.data) % 2 + 2 * WINDOW_SAMPLES
            del self.data[: (len(self.data) - keep) // 2 * 2]

    def window(self) -> Sequence[int]:
        """The latest samples."""
        whole = len(self.data) // 2 * 2
        return decode(bytes(self.data[max(0, whole - 2 * WINDOW_SAMPLES) : whole]))

    def describe(self) -> str:
        """What was heard instead."""
        name = _name(self.process)
        if not self.data:
            return f"{name} recorded nothing"
        tone = strongest_tone(self.window(), rate=RATE_HERTZ)
        if tone.dbfs < _HEARD_DBFS:
            return f"{name} recorded silence"
        return f"{name} recorded {tone.hertz:.0f} Hz at {tone.dbfs:.0f} dB"


def find_tone(
    environ: Mapping[str, str],
    *,
    play: Sequence[str],
    record: Sequence[Sequence[str]],
    hertz: float,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> list[Tone]:
    """Play a tone until every recorder has heard it; returns how. Raises Unhealthy with what they heard instead."""
    deadline = time.monotonic() + timeout_seconds
    cycle = encode(make_tone(hertz=hertz, seconds=WINDOW_SAMPLES / RATE_HERTZ, rate=RATE_HERTZ))
    with ExitStack() as stack:
        recordings = [_Recording(stack.enter_context(_running(argv, environ))) for argv in record]
        source = stack.enter_context(_running(play, environ))
        entry = pipe_of(source.stdin)
        os.set_blocking(entry.fileno(), False)
        feed = _feed(entry.fileno(), cycle)
        while left := [one for one in recordings if one.tone is None]:
            outputs = {pipe_of(one.process.stdout): one for one in left}
            seconds = deadline - time.monotonic()
            if seconds <= 0:
                heard = "; ".join(one.describe() for one in left)
                raise Unhealthy(
                    f"a tone of {hertz:.0f} Hz was played and not found in {timeout_seconds:g} s: {heard}"
                )
            readable, writable, _ = select.select(list(outputs), [entry], [], seconds)
            for stream in readable:
                outputs[stream].listen(hertz)
            if writable and not next(feed):
                raise Unhealthy(_obituary(source))
    return [one.tone for one in recordings if one.tone is not None]


def _feed(descriptor: int, cycle: bytes) -> Iterator[bool]:
    """Write the tone on and on, as much at a time as goes in; False when nobody reads it any more."""
    rest = b""
    while True:
        rest = rest or cycle
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            yield False
        yield True


@contextmanager
def _running(argv: Sequence[str], environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is killed at the end; its stream ends with it."""
    pipe = subprocess.PIPE
    marked = {**environ, "PULSE_PROP": f"{CHECK_PROPERTY}=yes"}  # libpulse adds it to all streams, ALSA's too
    try:
        process = subprocess.Popen(list(argv), env=marked, stdin=pipe, stdout=pipe, stderr=pipe, cwd="/")
    except OSError as error:
        raise Unhealthy(f"{argv[0]} cannot be started: {error.strerror}") from error
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            pipe_of(stream).close()


def pipe_of(stream: IO[bytes] | None) -> IO[bytes]:
    """A stream that was asked for with PIPE."""
    if stream is None:
        raise TypeError("the program was started without this pipe")
    return stream


def _name(process: subprocess.Popen[bytes]) -> str:
    return str(next(iter(process.args)))  # type: ignore[arg-type]


def _obituary(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(1)
    except subprocess.TimeoutExpired:
        return f"{_name(process)} closed its output"
    said = pipe_of(process.stderr).read().decode("utf-8", "replace").strip()
    return f"{_name(process)} ended with {code}: {said or 'without a word'}"
