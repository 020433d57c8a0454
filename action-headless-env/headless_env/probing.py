"""The periodic health check, in a process of its own: a component that hangs must not hang its supervisor."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping

from headless_env.checks import accessibility, audio, display, session_bus, wayland, window_manager
from headless_env.health import Unhealthy

DEADLINE_SECONDS = 10.0

Probe = Callable[[Mapping[str, str]], str]
PROBES: dict[str, Probe] = {
    "x11": display.probe,
    "window-manager": window_manager.probe,
    "session-bus": session_bus.probe,
    "at-spi": accessibility.probe,
    "audio": audio.probe,
    "wayland": wayland.probe,
}


def probes_of(components: Iterable[str]) -> dict[str, Probe]:
    """The probes of an environment's units; `recorder` has none, its end is noticed."""
    return {name: PROBES[name] for name in components if name in PROBES}


class Probing:
    """One round of probes under way in a forked child, which writes a line of JSON on a pipe after each."""

    def __init__(self, pid: int, reader: int, names: list[str]) -> None:
        self._pid, self._reader, self._names = pid, reader, names
        self._text = b""
        self.deadline = time.monotonic() + DEADLINE_SECONDS

    @classmethod
    def begin(cls, probes: Mapping[str, Probe], environ: Mapping[str, str]) -> Probing:
        """Start a round."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            try:
                for name, probe in probes.items():
                    os.write(writer, json.dumps([name, problem_of(probe, environ)]).encode() + b"\n")
            finally:
                os._exit(0)
        os.close(writer)
        return cls(pid, reader, list(probes))

    def fileno(self) -> int:
        """Can be read when there is something to `listen` to."""
        return self._reader

    def listen(self) -> bool:
        """Take what has been written; whether the round goes on. Call when readable, or when `deadline` has passed."""
        if time.monotonic() >= self.deadline:
            return False
        said = os.read(self._reader, 65_536)
        self._text += said
        return bool(said)

    def end(self) -> dict[str, str]:
        """What is unhealthy, by unit: those whose probes said so, and the one whose probe hangs."""
        os.close(self._reader)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        answers: dict[str, str] = dict(json.loads(line) for line in self._text.split(b"\n")[:-1])
        silent = next((name for name in self._names if name not in answers), None)
        if silent:
            answers[silent] = f"no answer within {DEADLINE_SECONDS:g} s"
        return {name: problem for name, problem in answers.items() if problem}


def problem_of(probe: Probe, environ: Mapping[str, str]) -> str:
    """What a probe found; empty when all is well."""
    try:
        probe(environ)
    except Unhealthy as error:
        return str(error)[:500]
    except Exception as error:  # a bug of ours must not look like a component that hangs
        return f"the probe failed: {error!r}"[:500]
    return ""
