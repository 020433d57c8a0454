"""A small real test with a display and sound: types into a window of its own, and hears its own tone.

    python headless_workload.py NUMBER

Exit code 0; 10 where there is no window of its own, 11 where the text in it is another one, 12 where the tone is not
the one that is heard.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from headless_inside import FORMAT, HEARD_SHARE, RATE_HERTZ, Wrong, hertz_of, listen, running, share

from headless_env.sound import encode, make_tone

WAIT_SECONDS = 10.0
WINDOW, TEXT, SOUND = 10, 11, 12


def wait(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def check_typing(folder: Path) -> int:
    token = uuid.uuid4().hex
    file = folder / "typed"
    command = ["xterm", "-title", token, "-e", "sh", "-c", 'stty -icanon -echo; exec cat > "$0"', str(file)]
    with running(command):
        search = [
            "xdotool",
            "search",
            "--sync",
            "--onlyvisible",
            "--name",
            f"^{token}$",
            "windowactivate",
            "--sync",
        ]
        try:
            found = subprocess.run(search, timeout=WAIT_SECONDS, check=False, capture_output=True)
        except subprocess.TimeoutExpired:
            return WINDOW
        if found.returncode or not wait(file.exists):
            return WINDOW
        subprocess.run(["xdotool", "type", "--delay", "20", token], timeout=WAIT_SECONDS, check=False)
        return 0 if wait(lambda: file.read_text() == token) else TEXT


def check_sound(number: int, folder: Path) -> int:
    samples = folder / "tone"
    samples.write_bytes(encode(make_tone(hertz=hertz_of(number % 40), seconds=15, rate=RATE_HERTZ)))
    with (
        samples.open("rb") as file,
        running(["pacat", "--playback", *FORMAT], stdin=file.fileno()),
        running(["parec", *FORMAT, "--device=@DEFAULT_MONITOR@"], stdout=subprocess.PIPE) as monitor,
    ):
        try:
            return 0 if wait(lambda: share(listen(monitor), number % 40) >= HEARD_SHARE) else SOUND
        except Wrong:
            return SOUND


def main() -> int:
    with tempfile.TemporaryDirectory() as text:
        return check_typing(Path(text)) or check_sound(int(sys.argv[1]), Path(text))


if __name__ == "__main__":
    sys.exit(main())
