"""The fake runner's worker process: starts steps, keeps what they print, and ends them as the runner does.

Run by FakeRunner as `…/bin/Runner.Worker spawnclient 1 2` (as by Runner.Listener, JobDispatcher.cs), where
`spawnclient` is a link to this file. Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

LADDER = ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5), (signal.SIGKILL, 10.0))  # ProcessInvoker.cs
STDIO_SECONDS = 5.0  # ProcessInvoker.cs
OOM_SCORE = "500"  # ProcessInvoker.cs: steps are the first to go when memory is short


class Worker:
    """Reads commands as JSON lines; what a step prints and how it ended goes to the files they name."""

    def __init__(self) -> None:
        self.steps: dict[int, subprocess.Popen[bytes]] = {}

    def serve(self) -> None:
        """Until standard input ends: the job's end, or that of the test."""
        for line in sys.stdin:
            command = json.loads(line)
            if command["do"] == "start":
                self.start(command)
            else:
                target = (command["step"], command["scale"])
                threading.Thread(target=self.cancel, args=target, daemon=True).start()
        for step in self.steps.values():
            step.kill()

    def start(self, command: dict) -> None:
        step = subprocess.Popen(
            command["argv"],
            env=command["env"],
            cwd=command["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with suppress(OSError):
            Path(f"/proc/{step.pid}/oom_score_adj").write_text(OOM_SCORE)
        self.steps[command["step"]] = step
        pump = threading.Thread(target=self.pump, args=(step, Path(command["output"])), daemon=True)
        pump.start()
        threading.Thread(target=self.attend, args=(step, pump, command), daemon=True).start()

    def pump(self, step: subprocess.Popen[bytes], path: Path) -> None:
        with path.open("ab", buffering=0) as output:
            while data := os.read(step.stdout.fileno(), 65536):
                output.write(data)

    def attend(self, step: subprocess.Popen[bytes], pump: threading.Thread, command: dict) -> None:
        """ProcessInvoker.cs: a pipe that stays open after the exit delays the step, then the tree is killed.

        The source spares on Linux what is not the entry process; here whoever still holds the pipe is killed,
        so that a test sees it.
        """
        pipe = os.readlink(f"/proc/self/fd/{step.stdout.fileno()}")
        code = step.wait()
        pump.join(STDIO_SECONDS * command["scale"])
        delayed = pump.is_alive()
        if delayed:
            for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
                if pid != os.getpid() and holds(pid, pipe):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            pump.join(5)
        part = Path(command["result"] + ".part")
        part.write_text(json.dumps({"exit_code": 128 - code if code < 0 else code, "stdio_delayed": delayed}))
        part.rename(command["result"])

    def cancel(self, number: int, scale: float) -> None:
        """ProcessInvoker.cs: signals go to the entry process only, never to its group or children."""
        step = self.steps[number]
        for signal_number, seconds in LADDER:
            step.send_signal(signal_number)
            with suppress(subprocess.TimeoutExpired):
                step.wait(seconds * scale)
                return


def holds(pid: int, pipe: str) -> bool:
    """Whether a process has a descriptor of `pipe`, a name such as `pipe:[4711]`."""
    with suppress(OSError):
        return any(os.readlink(entry.path) == pipe for entry in os.scandir(f"/proc/{pid}/fd"))
    return False


if __name__ == "__main__":
    Worker().serve()
