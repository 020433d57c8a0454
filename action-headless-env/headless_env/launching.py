"""The step's side of an environment: everything is checked, then a supervisor is forked and its answer awaited."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path

from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from actionlib.jobs import current_job
from actionlib.logs import tail
from actionlib.process_tree import send_signal
from actionlib.processes import Process, open_pidfd
from actionlib.scoped_runs import workspace_of
from actionlib.supervise import fork_detached
from headless_env import host_tools
from headless_env.environments import Record, base_folder, make_folder, read_record, remove_leftovers
from headless_env.inputs import Settings
from headless_env.orders import KEEP, PLAY, Chosen, Order
from headless_env.variables import (
    ENVIRONMENT_VARIABLE,
    components_environ,
    foreign_variables,
    without,
)

ANSWER_SECONDS = 10.0  # beyond the components' own time
CLOSE_SECONDS = 20.0
SUPERVISOR_LOG = "supervisor.log"


@dataclass(slots=True)
class Running:
    """An environment that answers. Leaving the block ends it, unless it was handed over with `outlive`."""

    record: Record
    folder: Path
    log_dir: Path
    keeper: Process
    channel: socket.socket
    chosen: Chosen
    exports: dict[str, str] = field(default_factory=dict)
    unit_seconds: dict[str, float] = field(default_factory=dict)
    ready_milliseconds: int = 0
    removed: list[str] = field(default_factory=list)  # environments that had been left behind
    kept: bool = False

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        if self.kept:
            self.channel.close()
        else:
            self.close()

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """`environ` inside: foreign variables are unset, ours set."""
        return {
            **without(environ, self.record.unset),
            **self.exports,
            ENVIRONMENT_VARIABLE: str(self.log_dir),
        }

    @property
    def outputs_of_failure(self) -> dict[str, str]:
        """What a step hands out when the environment does not work."""
        return {"log-dir": str(self.log_dir), "health": "unhealthy"}

    def play_microphone(self) -> None:
        """Let the WAV begin."""
        self.channel.sendall(PLAY)

    def outlive(self) -> None:
        """From now on the environment ends with the job."""
        self.channel.sendall(KEEP)
        self.kept = True

    def close(self) -> float:
        """End the environment and wait until no trace is left; returns the seconds it took."""
        begin = time.monotonic()
        self.channel.close()
        await_end(self.keeper, self.folder)
        with suppress(ChildProcessError):  # reaped with a script's processes
            os.waitpid(self.keeper.pid, 0)
        return time.monotonic() - begin


def await_end(keeper: Process, folder: Path) -> None:
    """Wait until an environment that was told to end has ended.

    A supervisor that hangs is killed, and its keeper cleans up. Raises ActionError when even that has no end.
    """
    try:
        descriptor = open_pidfd(keeper)
    except ProcessLookupError:
        return
    if descriptor is None:
        raise ActionError("this kernel or Python has no pidfd_open", hint="Linux 5.3 or newer is needed")
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        if poller.poll(CLOSE_SECONDS * 1000):
            return
        if record := read_record(folder):
            send_signal(record.process, signal.SIGKILL)
        if not poller.poll(CLOSE_SECONDS * 1000):
            raise ActionError(f"environment {folder.name} does not end (its keeper is pid {keeper.pid})")
    finally:
        os.close(descriptor)


def milliseconds_since_start() -> int:
    """How long this process has run, the shell that it was before included; the kernel counts in 10 ms."""
    return round(Process.of(os.getpid()).age_seconds() * 1000)


def choose(settings: Settings, path: str) -> Chosen:
    """What `auto` comes to. Raises ActionError with the packages to install when something needed is missing."""
    wanted = settings.window_manager if settings.has_x11 else "none"
    chosen = Chosen(
        window_manager=host_tools.choose_window_manager(wanted, path=path),
        audio=host_tools.choose_audio(settings.audio, path=path),
    )
    host_tools.require(settings, chosen, path=path)
    return chosen


def launch(context: Context, settings: Settings) -> Running:
    """Start an environment and return when all its components answer. Leave it with `with`.

    Raises ActionError when something is missing, or a component does not come up; nothing is left behind then.
    """
    environ = context.environ
    chosen = choose(settings, environ.get("PATH", ""))
    if "ydotool" in settings.require:
        context.out.warning(host_tools.check_ydotool(environ), title="Headless environment")
    wav = _wav(settings, environ, chosen)
    base = base_folder(environ)
    job = current_job(environ)
    removed = remove_leftovers(base)
    artifacts = artifacts_folder(settings, environ)
    folder = make_folder(base)
    ours, theirs = socket.socketpair()
    try:
        log_dir = artifacts / folder.name
        log_dir.mkdir(mode=0o700)
        foreign = foreign_variables(
            environ, keep_ydotool="ydotool" in settings.require, display_server=settings.display_server
        )
        order = Order(
            settings=settings if wav is None else replace(settings, microphone_wav=str(wav)),
            chosen=chosen,
            record=Record(
                identity=folder.name,
                job=job.to_json(),
                supervisor={},
                log_dir=str(log_dir),
                unset=tuple(foreign),
                components=_components(settings, chosen),
            ),
            folder=folder,
            base=without(components_environ(environ), foreign),
            job=job,
        )
        keeper = fork_detached(
            lambda: _keep(order, theirs), log=log_dir / SUPERVISOR_LOG, keep_fds=(theirs.fileno(),)
        )
    except BaseException:
        ours.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        theirs.close()
    running = Running(order.record, folder, log_dir, keeper, ours, chosen, removed=removed)
    try:
        import_module("headless_env.verification")  # while the components come up
        _await_answer(running, settings.startup_timeout_seconds + ANSWER_SECONDS)
    except BaseException:
        send_signal(keeper, signal.SIGTERM)
        running.close()
        raise
    return running


def _keep(order: Order, channel: socket.socket) -> int:
    """In the forked child, which imports the rest by itself: two processes import at the same time."""
    from headless_env.keeper import keep

    return keep(order, channel)


def _await_answer(running: Running, timeout_seconds: float) -> None:
    running.channel.settimeout(timeout_seconds)
    text = b""
    while not text.endswith(b"\n"):
        try:
            said = running.channel.recv(65_536)
            how = "ended without an answer"
        except TimeoutError:
            said, how = b"", f"did not answer within {timeout_seconds:g} s"
        if not said:
            raise ActionError(
                f"the environment's supervisor {how}",
                hint=f"The end of its log:\n{tail(running.log_dir / SUPERVISOR_LOG)}",
                outputs=running.outputs_of_failure,
            )
        text += said
    answer = json.loads(text)
    if problem := answer.get("error"):
        what, _, rest = str(problem).partition("\n")
        raise ActionError(
            f"the environment did not come up: {what}",
            hint=(rest + "\n" if rest else "") + f"All logs are in {running.log_dir}",
            outputs=running.outputs_of_failure,
        )
    running.exports, running.unit_seconds = answer["exports"], answer["units"]
    running.ready_milliseconds = milliseconds_since_start()
    running.channel.settimeout(None)


def _components(settings: Settings, chosen: Chosen) -> dict[str, str]:
    """Each unit and what it is made of, in the order of the summary."""
    found = {"x11": "Xvfb"} if settings.has_x11 else {}
    if chosen.window_manager != "none":
        found["window-manager"] = chosen.window_manager
    if settings.has_wayland:
        found["wayland"] = "sway"
    found["session-bus"] = "dbus-daemon"
    if settings.at_spi:
        found["at-spi"] = "at-spi2-core"
    if chosen.audio != "none":
        found["audio"] = chosen.audio
    if settings.record:
        found["recorder"] = "ffmpeg"
    return found


def _wav(settings: Settings, environ: Mapping[str, str], chosen: Chosen) -> Path | None:
    """The microphone's WAV file, checked."""
    if not settings.microphone_wav:
        return None
    if chosen.audio == "none":
        raise ActionError(
            f"input 'microphone-wav' is '{settings.microphone_wav}', but no audio server is installed",
            hint="Mode 'doctor' names the packages",
        )
    from headless_env.wav import read_wav_header

    path = workspace_of(environ) / settings.microphone_wav
    try:
        read_wav_header(path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ActionError(
            f"input 'microphone-wav' is '{settings.microphone_wav}': {why}",
            hint="Allowed: a WAV file (PCM or float), with a path relative to the workspace",
        ) from error
    return path


def artifacts_folder(settings: Settings, environ: Mapping[str, str]) -> Path:
    """The folder for all environments' logs, made when absent. Raises ActionError when it cannot be written."""
    path = Path(settings.artifacts_dir or Path(environ.get("RUNNER_TEMP") or Path.cwd()) / "headless-env")
    try:
        path = workspace_of(environ) / path.expanduser()
        path.mkdir(parents=True, exist_ok=True)
        if (
            not settings.artifacts_dir and not (path / ".gitignore").exists()
        ):  # at the prompt it lies in the workspace
            (path / ".gitignore").write_text("*\n", encoding="ascii")
        handle, probe = tempfile.mkstemp(dir=path)
        os.close(handle)
        Path(probe).unlink()
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ActionError(
            f"artifacts-dir '{path}' cannot be written: {why}",
            hint="Set 'artifacts-dir' to a folder that this user may write",
        ) from error
    return path
