from __future__ import annotations

import random
import struct
import time
from array import array
from pathlib import Path

import pytest

from headless_env.sound import (
    TONE_DBFS,
    decode,
    encode,
    find_dropouts,
    make_tone,
    measure_tone,
    read_wav_header,
    strongest_tone,
    write_tone,
)

RATE = 48_000
PCM_GUID = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def fmt(code: int, *, bits: int, channels: int = 1, rate: int = RATE, tail: bytes = b"") -> bytes:
    width = max(1, bits // 8) * channels
    return chunk(b"fmt ", struct.pack("<HHIIHH", code, channels, rate, rate * width, width, bits) + tail)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_a_written_tone_is_found_at_its_frequency_and_level(tmp_path: Path):
    path = tmp_path / "tone.wav"
    write_tone(path, hertz=440, seconds=0.2)
    header = read_wav_header(path)
    samples = decode(path.read_bytes()[header.data_offset :])
    tone = measure_tone(samples[:4800], hertz=440, rate=RATE)
    assert tone.dbfs == pytest.approx(TONE_DBFS, abs=0.1)
    assert tone.share > 0.99
    assert (header.encoding, header.channels, header.rate) == ("s16le", 1, RATE)
    assert header.seconds == pytest.approx(0.2)


@pytest.mark.parametrize("hertz", [340, 540, 880, 1320, 220])
def test_a_tone_is_not_found_at_another_frequency(hertz: float):
    samples = make_tone(hertz=440, seconds=0.1, rate=RATE)
    assert measure_tone(samples, hertz=hertz, rate=RATE).share < 0.001


def test_silence_and_no_samples_hold_no_tone():
    assert measure_tone(array("h", bytes(4096)), hertz=440, rate=RATE).share == 0
    assert measure_tone(array("h"), hertz=440, rate=RATE).share == 0


def test_noise_holds_no_tone():
    source = random.Random(7)
    noise = array("h", (source.randint(-32_768, 32_767) for _ in range(4800)))
    assert measure_tone(noise, hertz=440, rate=RATE).share < 0.02


def test_a_tone_is_found_under_noise():
    source = random.Random(7)
    tone = make_tone(hertz=440, seconds=0.1, rate=RATE)
    mixed = array("h", (value + source.randint(-8000, 8000) for value in tone))
    found = measure_tone(mixed, hertz=440, rate=RATE)
    assert found.share > 0.3
    assert found.dbfs == pytest.approx(TONE_DBFS, abs=1)


def test_the_strongest_tone_is_named():
    samples = make_tone(hertz=2345, seconds=2048 / RATE, rate=RATE)
    assert strongest_tone(samples, rate=RATE).hertz == pytest.approx(2345, abs=40)


def test_measuring_a_tenth_of_a_second_takes_less_than_20_ms():
    samples = make_tone(hertz=440, seconds=0.1, rate=RATE)
    took = []
    for _ in range(5):
        begin = time.perf_counter()
        measure_tone(samples, hertz=440, rate=RATE)
        took.append(time.perf_counter() - begin)
    assert min(took) < 0.02


def test_samples_survive_the_way_through_bytes():
    samples = array("h", [0, 1, -1, 32_767, -32_768])
    assert decode(encode(samples) + b"\x01") == samples
    assert encode(array("h", [1])) == b"\x01\x00"


def test_a_steady_tone_has_no_dropouts():
    assert find_dropouts(make_tone(hertz=1237, seconds=1, rate=RATE), hertz=1237, rate=RATE) == []


@pytest.mark.parametrize("lost", [7, 64, 480, 1024, 2048])
def test_lost_samples_are_a_dropout(lost: int):
    tone = make_tone(hertz=1237, seconds=1, rate=RATE)
    found = find_dropouts(tone[:20_000] + tone[20_000 + lost :], hertz=1237, rate=RATE)
    assert found
    assert found[0].seconds == pytest.approx(20_000 / RATE, abs=0.02)


@pytest.mark.parametrize("doubled", [64, 480, 2048])
def test_doubled_samples_are_a_dropout(doubled: int):
    tone = make_tone(hertz=1237, seconds=1, rate=RATE)
    assert find_dropouts(tone[:20_000] + tone[20_000 - doubled :], hertz=1237, rate=RATE)


@pytest.mark.parametrize("silent", [240, 480, 2048])
def test_silence_in_between_is_a_dropout(silent: int):
    tone = make_tone(hertz=1237, seconds=1, rate=RATE)
    tone[20_000 : 20_000 + silent] = array("h", bytes(2 * silent))
    found = find_dropouts(tone, hertz=1237, rate=RATE)
    assert "dBFS instead of" in found[0].what


def test_nothing_recorded_is_a_dropout():
    assert find_dropouts(array("h"), hertz=1237, rate=RATE)


@pytest.mark.parametrize(
    ("header", "encoding", "frame_bytes"),
    [
        (fmt(1, bits=8), "u8", 1),
        (fmt(1, bits=16, channels=2), "s16le", 4),
        (fmt(1, bits=24), "s24le", 3),
        (fmt(1, bits=32), "s32le", 4),
        (fmt(3, bits=32, channels=2), "float32le", 8),
        (fmt(0xFFFE, bits=16, tail=struct.pack("<HHI", 22, 16, 4) + PCM_GUID), "s16le", 2),
        (fmt(3, bits=32, tail=b"\0\0"), "float32le", 4),
    ],
)
def test_the_formats_that_can_be_played_are_read(
    tmp_path: Path, header: bytes, encoding: str, frame_bytes: int
):
    path = tmp_path / "x.wav"
    path.write_bytes(
        riff(chunk(b"LIST", b"odd"), header, chunk(b"fact", bytes(4)), chunk(b"data", bytes(49)))
    )
    found = read_wav_header(path)
    assert (found.encoding, found.frame_bytes) == (encoding, frame_bytes)
    assert found.data_bytes == 49 - 49 % frame_bytes
    assert path.read_bytes()[found.data_offset - 8 : found.data_offset - 4] == b"data"


def test_a_size_that_the_writer_could_not_fill_in_means_up_to_the_end(tmp_path: Path):
    path = tmp_path / "stream.wav"
    path.write_bytes(b"RIFF\xff\xff\xff\xffWAVE" + fmt(1, bits=16) + b"data\xff\xff\xff\xff" + bytes(100))
    assert read_wav_header(path).data_bytes == 100


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"hello, I am a text file", "not a WAV file"),
        (b"RIFF", "not a WAV file"),
        (b"OggS" + bytes(100), "not a WAV file"),
        (b"RF64" + bytes(100), "RF64"),
        (riff(), "without format"),
        (riff(fmt(1, bits=16)), "without sound"),
        (riff(fmt(1, bits=16), chunk(b"data", b"")), "without sound"),
        (riff(chunk(b"data", bytes(100)), fmt(1, bits=16)), "before its format"),
        (riff(fmt(1, bits=16)) + b"data\x00\x10\x00\x00" + bytes(10), "10 of 4096 bytes"),
        (riff(fmt(0x55, bits=0), chunk(b"data", bytes(9))), "MP3"),
        (riff(fmt(0x11, bits=4), chunk(b"data", bytes(9))), "IMA ADPCM"),
        (riff(fmt(7, bits=8), chunk(b"data", bytes(9))), "mu-law"),
        (riff(fmt(1, bits=12), chunk(b"data", bytes(9))), "PCM of 12 bits"),
        (riff(fmt(3, bits=64), chunk(b"data", bytes(9))), "float of 64 bits"),
        (riff(fmt(1, bits=16, channels=64), chunk(b"data", bytes(999))), "64 channels"),
        (riff(fmt(1, bits=16, channels=0), chunk(b"data", bytes(999))), "0 channels"),
        (riff(fmt(1, bits=16, rate=0), chunk(b"data", bytes(999))), "0 Hz"),
        (riff(chunk(b"fmt ", bytes(4)), chunk(b"data", bytes(999))), "format is cut off"),
    ],
)
def test_what_cannot_be_played_is_refused_with_the_reason(tmp_path: Path, content: bytes, why: str):
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=why):
        read_wav_header(path)


@pytest.mark.parametrize("seed", range(200))
def test_no_damaged_header_breaks_the_reader(tmp_path: Path, seed: int):
    source = random.Random(seed)
    content = bytearray(riff(fmt(1, bits=16), chunk(b"data", bytes(64))))
    for _ in range(source.randint(1, 6)):
        content[source.randrange(len(content))] = source.randrange(256)
    path = tmp_path / "x.wav"
    path.write_bytes(content[: source.randint(0, len(content))])
    try:
        found = read_wav_header(path)
    except ValueError:
        return
    assert found.data_bytes > 0
    assert found.data_offset + found.data_bytes <= path.stat().st_size


@pytest.mark.parametrize(("code", "bits", "byte"), [(1, 8, 0x80), (1, 16, 0), (3, 32, 0)])
def test_silence_is_the_middle_of_the_samples_range(tmp_path: Path, code: int, bits: int, byte: int):
    path = tmp_path / "x.wav"
    path.write_bytes(riff(fmt(code, bits=bits, channels=2, rate=8000), chunk(b"data", bytes(64))))
    assert read_wav_header(path).silence(0.1) == bytes([byte]) * (800 * 2 * bits // 8)
