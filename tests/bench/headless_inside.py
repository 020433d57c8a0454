"""Runs in an environment while others run beside it: are the clipboard and the speaker really its own?

    python headless_inside.py TOKEN NUMBER COUNT FOLDER

Copies TOKEN and plays a tone of its own, waits until all COUNT environments have done so, then pastes and listens.
Exits with 1, saying why, when the token is another one, its own tone is not heard, or one of the others' is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from headless_env.sound import decode, encode, make_tone, measure_tone

TIMEOUT_SECONDS = 60
RATE_HERTZ = 48_000
SAMPLES = 2048
FORMAT = ("--raw", "--format=s16le", f"--rate={RATE_HERTZ}", "--channels=1", "--latency-msec=20")
HEARD_SHARE, CROSSTALK_SHARE = 0.5, 0.05  # of all power; eight tones mixed would have 0.125 each
WINDOWS = 10


class Wrong(Exception):
    """Something of another environment, or nothing of our own."""


def hertz_of(number: int) -> float:
    """Each environment's tone: whole cycles in a window, so that none spills over into another's."""
    return (20 + 20 * number) * RATE_HERTZ / SAMPLES


def await_all(folder: Path, stage: str, number: int, count: int) -> None:
    """Wait until `count` environments stand at `stage`."""
    (folder / f"{stage}-{number}").touch()
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(list(folder.glob(f"{stage}-*"))) < count:
        if time.monotonic() > deadline:
            raise Wrong(f"not all {count} environments are at '{stage}' after {TIMEOUT_SECONDS} s")
        time.sleep(0.005)


@contextmanager
def running(argv: list[str], **options: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the length of the block."""
    with subprocess.Popen(argv, **options) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def listen(process: subprocess.Popen[bytes]) -> bytes:
    """The next window of samples."""
    assert process.stdout is not None
    data = process.stdout.read(2 * SAMPLES)
    if len(data) < 2 * SAMPLES:
        raise Wrong("the recorder has ended")
    return data


def share(data: bytes, number: int) -> float:
    """How much of the sound is the tone of environment `number`."""
    tone = measure_tone(decode(data), hertz=hertz_of(number), rate=RATE_HERTZ)
    return tone.share if tone.dbfs > -60 else 0.0


def check_sound(number: int, count: int, folder: Path) -> None:
    with ExitStack() as stack:
        samples = stack.enter_context(tempfile.TemporaryFile())
        samples.write(encode(make_tone(hertz=hertz_of(number), seconds=60, rate=RATE_HERTZ)))
        samples.seek(0)
        stack.enter_context(running(["pacat", "--playback", *FORMAT], stdin=samples.fileno()))
        monitor = stack.enter_context(
            running(["parec", *FORMAT, "--device=he_speaker.monitor"], stdout=subprocess.PIPE)
        )
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while share(listen(monitor), number) < HEARD_SHARE:
            if time.monotonic() > deadline:
                raise Wrong(f"its own tone of {hertz_of(number):.0f} Hz is not heard")
        await_all(folder, "heard", number, count)
        for _ in range(WINDOWS):
            data = listen(monitor)
            for other in range(count):
                if other != number and share(data, other) > CROSSTALK_SHARE:
                    raise Wrong(f"the tone of environment {other} is heard in {number}")
        await_all(folder, "listened", number, count)


def check_clipboard(token: str, number: int, count: int, folder: Path) -> None:
    clipboard = ["xclip", "-selection", "clipboard"]
    # xclip lives on in the background, and would keep our output open.
    subprocess.run(
        [*clipboard, "-in"], input=token, text=True, timeout=TIMEOUT_SECONDS, check=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    await_all(folder, "copied", number, count)
    found = subprocess.run(
        [*clipboard, "-out"], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    if found.stdout != token:
        raise Wrong(f"the clipboard holds {found.stdout!r}, not {token!r}: {found.stderr}")


def main() -> int:
    token, number, count, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    try:
        check_clipboard(token, number, count, folder)
        check_sound(number, count, folder)
    except Wrong as error:
        print(f"environment {os.environ.get('DISPLAY')}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
