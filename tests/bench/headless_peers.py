"""The peers of action-headless-env at their one job: an X server of one's own, while a command runs.

python headless_peers.py NAME        start, xdpyinfo, stop; prints {"ready": s, "whole": s, "display": ":N"}
python headless_peers.py NAME hold   start, print DISPLAY, wait to be killed
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

ASK = ["xdpyinfo", "-queryExtensions"]


def xvfbwrapper_display() -> AbstractContextManager[object]:
    from xvfbwrapper import Xvfb

    return Xvfb(width=1920, height=1080, colordepth=24)


def pyvirtualdisplay_display() -> AbstractContextManager[object]:
    from pyvirtualdisplay.display import Display

    return Display(backend="xvfb", size=(1920, 1080), color_depth=24)


IN_PYTHON: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "xvfbwrapper": xvfbwrapper_display,
    "PyVirtualDisplay": pyvirtualdisplay_display,
}
XVFB_RUN = "xvfb-run -a"
NAMES = (XVFB_RUN, *IN_PYTHON)


def usable(name: str) -> bool:
    """Whether it can run here."""
    programs = ("Xvfb", "xdpyinfo", *(("xvfb-run", "xauth") if name == XVFB_RUN else ()))
    return all(map(shutil.which, programs))


def command(name: str, *, hold: bool = False) -> list[str]:
    """What runs one trial; `xvfb-run` is its own."""
    if name == XVFB_RUN:
        inside = ["sh", "-c", 'echo "$DISPLAY"; exec sleep 60'] if hold else ["true"]
        return ["xvfb-run", "-a", "-s", "-screen 0 1920x1080x24", *inside]
    return [sys.executable, __file__, name, *(["hold"] if hold else [])]


def begin(name: str, *, hold: bool = False, token: str = "") -> subprocess.Popen[str]:
    """Start a trial; whatever it starts carries BENCH_ID=`token` in its environment."""
    environ = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "XAUTHORITY")}
    return subprocess.Popen(
        command(name, hold=hold), env=environ | {"BENCH_ID": token}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def finish(
    name: str, process: subprocess.Popen[str], begun: float, *, left: list[str]
) -> dict[str, float] | None:
    """Seconds of a trial, None when it failed; its display is added to `left`.

    Python's own start is not held against a wrapper.
    """
    said, _ = process.communicate(timeout=60)
    if process.returncode != 0:
        return None
    if name == XVFB_RUN:
        return {"whole": time.monotonic() - begun}
    answer = json.loads(said)
    left.append(answer.pop("display"))
    return dict(answer)


def main() -> int:
    make = IN_PYTHON[sys.argv[1]]
    begun = time.monotonic()
    with make():
        if sys.argv[2:] == ["hold"]:
            print(os.environ["DISPLAY"], flush=True)
            time.sleep(60)
        display = os.environ["DISPLAY"]
        subprocess.run(ASK, check=True, stdout=subprocess.DEVNULL, timeout=30)
        ready = time.monotonic() - begun
    print(json.dumps({"ready": ready, "whole": time.monotonic() - begun, "display": display}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
