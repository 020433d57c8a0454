"""The header of a WAV file. Python's `wave` refuses float and, before 3.12, WAVE_FORMAT_EXTENSIBLE.

Rules: Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" (RIFF) and mmreg.h.
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_CODECS = {
    2: "MS ADPCM",
    6: "A-law",
    7: "mu-law",
    0x11: "IMA ADPCM",
    0x31: "GSM 6.10",
    0x50: "MPEG",
    0x55: "MP3",
}
_ENCODINGS = {
    (_PCM, 8): "u8",
    (_PCM, 16): "s16le",
    (_PCM, 24): "s24le",
    (_PCM, 32): "s32le",
    (_FLOAT, 32): "float32le",
}
_MAX_CHANNELS = 32  # PA_CHANNELS_MAX of PulseAudio's sample.h
_MAX_RATE = 384_000  # PA_RATE_MAX
_UNKNOWN_SIZE = 0x7FFF0000  # or more: of a writer to a pipe, which cannot seek back (sox, ffmpeg, arecord)


@dataclass(frozen=True, slots=True)
class WavFormat:
    """What a WAV file holds, and where. `encoding` is PulseAudio's name for it."""

    encoding: str
    channels: int
    rate: int
    data_offset: int
    data_bytes: int

    @property
    def frame_bytes(self) -> int:
        """The size of one sample of all channels."""
        width = next(bits for (_, bits), name in _ENCODINGS.items() if name == self.encoding) // 8
        return width * self.channels

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return self.data_bytes / self.frame_bytes / self.rate

    def silence(self, seconds: float) -> bytes:
        """Frames without a sound, of that length."""
        zero = b"\x80" if self.encoding == "u8" else b"\0"  # unsigned samples swing around 128
        return zero * (round(seconds * self.rate) * self.frame_bytes)


def read_wav_header(path: Path) -> WavFormat:
    """What is in a WAV file. Raises ValueError for what cannot be played, saying why, and OSError."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a regular file")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise ValueError("the file is empty")
        head = file.read(12)
        if head[:4] in (b"RIFX", b"RF64"):
            raise ValueError(f"a WAV file of the kind {head[:4].decode()}: save it as plain RIFF")
        if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
            raise ValueError(f"not a WAV file: it should begin with RIFF and WAVE, found {head!r}")
        return _read_chunks(file, size)


def _read_chunks(file: BinaryIO, size: int) -> WavFormat:
    encoding, channels, rate = "", 0, 0
    position = 12
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        position += 8
        if name == b"fmt ":
            encoding, channels, rate = _parse_format(file.read(min(length, 64)))
        elif name == b"data":
            if not encoding:
                raise ValueError("a WAV file whose sound comes before its format")
            left = size - position
            if length > left and length < _UNKNOWN_SIZE:
                raise ValueError(f"a WAV file that is cut off: {left} of {length} bytes of sound are there")
            found = WavFormat(encoding, channels, rate, position, min(length, left))
            if found.data_bytes < found.frame_bytes:
                raise ValueError("a WAV file without sound")
            return WavFormat(
                encoding, channels, rate, position, found.data_bytes - found.data_bytes % found.frame_bytes
            )
        position += length + length % 2  # chunks begin at even places
    raise ValueError(f"a WAV file without {'sound' if encoding else 'format'}")


def _parse_format(chunk: bytes) -> tuple[str, int, int]:
    if len(chunk) < 16:
        raise ValueError("a WAV file whose format is cut off")
    code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if code == _EXTENSIBLE and len(chunk) >= 26:
        code = struct.unpack_from("<H", chunk, 24)[0]  # the subformat's GUID begins with the plain code
    encoding = _ENCODINGS.get((code, bits))
    if encoding is None:
        what = {_PCM: "PCM", _FLOAT: "float"}.get(code, _CODECS.get(code, f"codec {code}"))
        raise ValueError(
            f"a WAV file with {what} of {bits} bits; PCM of 8, 16, 24 or 32 or float of 32 is needed"
        )
    if not 1 <= channels <= _MAX_CHANNELS:
        raise ValueError(f"a WAV file with {channels} channels; 1 to {_MAX_CHANNELS} can be played")
    if not 1 <= rate <= _MAX_RATE:
        raise ValueError(f"a WAV file with {rate} Hz; 1 to {_MAX_RATE} can be played")
    return encoding, channels, rate
