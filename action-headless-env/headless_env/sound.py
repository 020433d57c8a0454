"""Tones: made, written to a WAV file, found again by their frequency, and searched for drop-outs."""

from __future__ import annotations

import math
import sys
import wave
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import mul
from pathlib import Path

from headless_env.wav import WavFormat, read_wav_header

__all__ = [
    "Dropout", "Tone", "WavFormat", "decode", "encode", "find_dropouts", "make_tone", "measure_tone",
    "read_wav_header", "strongest_tone", "write_tone",
]  # fmt: skip

FULL_SCALE = 32_767
TONE_DBFS = -12.0
SILENCE_DBFS = -120.0

_BLOCK_SECONDS = 0.01
_LEVEL_TOLERANCE_DB = 1.5
_PHASE_TOLERANCE = 0.25  # radians; a single sample lost at 1 kHz and 48 kHz is 0.13


@dataclass(frozen=True, slots=True)
class Tone:
    """How much of a tone there is: its level (0 dBFS is a full-scale sine), and its share of all power, 0 to 1."""

    hertz: float
    dbfs: float
    share: float


@dataclass(frozen=True, slots=True)
class Dropout:
    """A place, in seconds from the start, where a tone does not go on as it began."""

    seconds: float
    what: str


def make_tone(*, hertz: float, seconds: float, rate: int, dbfs: float = TONE_DBFS) -> array[int]:
    """A sine as signed 16-bit samples."""
    height, step = FULL_SCALE * 10 ** (dbfs / 20), 2 * math.pi * hertz / rate
    return array("h", (round(height * math.sin(step * n)) for n in range(round(seconds * rate))))


def encode(samples: array[int]) -> bytes:
    """As little-endian bytes."""
    if sys.byteorder == "big":
        samples = array("h", samples)
        samples.byteswap()
    return samples.tobytes()


def decode(data: bytes) -> array[int]:
    """Little-endian bytes as samples; an odd byte at the end is left out."""
    samples = array("h", data[: len(data) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def write_tone(path: Path, *, hertz: float, seconds: float, rate: int = 48_000) -> None:
    """Write a mono WAV file of 16 bits with a sine of TONE_DBFS."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(encode(make_tone(hertz=hertz, seconds=seconds, rate=rate)))


def measure_tone(samples: Sequence[int], *, hertz: float, rate: int) -> Tone:
    """One bin of the Fourier transform under a Hann window, which keeps tones four bins away out of it."""
    cosines, sines, window = _tables(len(samples), hertz / rate)
    weighted = list(map(mul, samples, window))
    power = sum(map(mul, weighted, weighted)) / sum(map(mul, window, window)) if len(samples) > 2 else 0.0
    if power == 0:
        return Tone(hertz, SILENCE_DBFS, 0.0)
    real, imaginary = sum(map(mul, weighted, cosines)), sum(map(mul, weighted, sines))
    height = 2 * math.hypot(real, imaginary) / sum(window)
    return Tone(hertz, _decibels(height / FULL_SCALE), min(1.0, height * height / 2 / power))


def strongest_tone(samples: Sequence[int], *, rate: int) -> Tone:
    """The most powerful tone between 100 Hz and 6 kHz, to within the window's resolution. Slow: for messages."""
    step = max(10.0, 1.5 * rate / max(1, len(samples)))
    tones = (
        measure_tone(samples, hertz=100 + n * step, rate=rate)
        for n in range(round(min(5900, rate / 2 - 200) / step))
    )
    return max(tones, key=lambda tone: tone.dbfs)


def find_dropouts(samples: Sequence[int], *, hertz: float, rate: int) -> list[Dropout]:
    """Where a steady tone is interrupted: its level falls, or its phase jumps because samples are lost or doubled.

    What is lost in whole periods of the tone shows only in its level: choose a frequency that no block divides.
    """
    blocks = list(_blocks(samples, hertz, rate))
    if not blocks:
        return [Dropout(0.0, "nothing recorded")]
    usual = sorted(level for _, level, _ in blocks)[len(blocks) // 2]
    found, before = [], blocks[0][2]
    for seconds, level, phase in blocks:
        turn = abs(math.remainder(phase - before, 2 * math.pi))
        if abs(level - usual) > _LEVEL_TOLERANCE_DB:
            found.append(Dropout(seconds, f"{level:.1f} dBFS instead of {usual:.1f}"))
        elif turn > _PHASE_TOLERANCE:
            found.append(Dropout(seconds, f"the phase jumps by {turn:.2f} rad"))
        before = phase
    return found


def _blocks(samples: Sequence[int], hertz: float, rate: int) -> Iterator[tuple[float, float, float]]:
    """Start in seconds, level in dBFS and phase at the recording's start of each block."""
    length = max(round(_BLOCK_SECONDS * rate), 4)
    cosines, sines, window = _tables(length, hertz / rate)
    for start in range(0, len(samples) - length + 1, length):
        weighted = list(map(mul, samples[start : start + length], window))
        real, imaginary = sum(map(mul, weighted, cosines)), sum(map(mul, weighted, sines))
        height = 2 * math.hypot(real, imaginary) / sum(window)
        phase = math.atan2(real, imaginary) - 2 * math.pi * hertz * start / rate
        yield start / rate, _decibels(height / FULL_SCALE), phase


def _decibels(ratio: float) -> float:
    return 20 * math.log10(ratio) if ratio > 1e-6 else SILENCE_DBFS


@lru_cache(maxsize=8)
def _tables(length: int, cycles_per_sample: float) -> tuple[list[float], list[float], list[float]]:
    step = 2 * math.pi * cycles_per_sample
    window = [0.5 - 0.5 * math.cos(2 * math.pi * (n + 0.5) / length) for n in range(length)]
    return [math.cos(step * n) for n in range(length)], [math.sin(step * n) for n in range(length)], window
