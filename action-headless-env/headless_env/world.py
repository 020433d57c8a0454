"""What the components of one environment share: folders, variables, and the processes that were started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actionlib.logs import tail
from actionlib.process_tree import set_parent_death_signal
from actionlib.processes import Process
from headless_env.startup import StartFailed

MARKER = (
    "COLDVOX_HEADLESS_ID"  # in the environment of all that belongs to an environment, so that it can be found
)
TAIL_BYTES = 2000
ERROR_MARKS = (
    "(EE) ",
    "Unrecognized option",
    "Fatal server error",
)  # Xvfb prints all its options after these


@dataclass(slots=True, eq=False)
class Component:
    """One started process. `pidfd` can be polled for its end."""

    name: str
    unit: str
    popen: subprocess.Popen[bytes]
    process: Process
    pidfd: int
    log: Path

    def is_running(self) -> bool:
        """Whether it has not ended; reaps it if it has."""
        return self.popen.poll() is None

    def obituary(self) -> str:
        """How it ended, with the end of its log."""
        code = self.popen.poll()
        how = f"ended by signal {-code}" if code is not None and code < 0 else f"exited with code {code}"
        tail = self.log_tail()
        errors = [line for line in tail.splitlines() if line.startswith(ERROR_MARKS)]
        program = Path(str(self.popen.args[0])).name  # type: ignore[index]
        return f"{self.name} ({program}) {how}; the end of its log:\n" + ("\n".join(errors) or tail)

    def log_tail(self) -> str:
        """The last lines that it wrote."""
        return tail(self.log, limit=TAIL_BYTES)

    def close(self) -> None:
        """Give the descriptor back."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


@dataclass(slots=True)
class World:
    """One environment's folders and variables. Components add their variables to `exports` when they answer."""

    identity: str
    folder: Path  # short, below /tmp, 0700 (0711 when the compositor runs as another user)
    logs: Path
    base: dict[str, str]  # the step's environment, without foreign desktop variables
    exports: dict[str, str] = field(default_factory=dict)
    components: dict[str, Component] = field(default_factory=dict)
    unit: str = ""  # which unit starts what is spawned; see `units`

    @property
    def runtime(self) -> Path:
        """XDG_RUNTIME_DIR."""
        return self.folder / "run"

    def environ(self, **more: str) -> dict[str, str]:
        """The environment of a component started now."""
        return {**self.base, **self.exports, MARKER: self.identity, **more}

    def spawn(
        self,
        name: str,
        argv: Sequence[str],
        *,
        pass_fds: Sequence[int] = (),
        environ: dict[str, str] | None = None,
        uid: int | None = None,
    ) -> Component:
        """Start a component that dies with us; its output goes to NAME.log. Raises StartFailed."""
        log = self.logs / f"{name}.log"
        full = self.environ() if environ is None else environ
        parent = os.getpid()

        def die_with_parent() -> None:
            set_parent_death_signal(signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(137)

        sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            popen = subprocess.Popen(  # single-threaded, so a function before exec is safe
                list(argv), env=full, cwd="/", stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                pass_fds=tuple(pass_fds), preexec_fn=die_with_parent, user=uid, group=uid,
                extra_groups=None if uid is None else [],
            )  # fmt: skip
        except OSError as error:
            raise StartFailed(f"{name}: {argv[0]} cannot be started: {error.strerror}") from error
        finally:
            os.close(sink)
        try:
            descriptor = os.pidfd_open(popen.pid)  # our own child: until it is reaped the pid is its own
        except (OSError, AttributeError) as error:
            popen.kill()
            popen.wait()
            raise StartFailed(
                f"{name}: this kernel or Python has no pidfd_open (Linux 5.3 is needed)"
            ) from error
        process = Process.of(popen.pid)
        component = Component(name, self.unit, popen, process, descriptor, log)
        self.components[name] = component
        return component

    def which(self, *names: str) -> str | None:
        """The first of `names` that is on PATH."""
        found = (shutil.which(name, path=self.base.get("PATH")) for name in names)
        return next((path for path in found if path), None)
