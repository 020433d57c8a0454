"""The parent of all components: starts them, watches them, starts failed ones again, and tears them down."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from actionlib.jobs import JobWatch
from actionlib.process_tree import end_children, kill_tree
from actionlib.processes import Process
from headless_env.environments import ENV_FILE, remove_traces, write_record
from headless_env.orders import KEEP, PLAY, Order
from headless_env.startup import StartFailed, Task, run_tasks
from headless_env.units import Unit, affected_by, plan_units, start_tasks
from headless_env.variables import shell_script
from headless_env.world import World

if TYPE_CHECKING:
    from headless_env.probing import Probing

MICROPHONE = "microphone"  # the unit of the process that plays the WAV
ATTEMPTS = 3  # restarts of one unit
SECOND_LOOK_SECONDS = 2.0
GRACE_SECONDS = 1.0
RECORDER_SECONDS = 2.0  # ffmpeg writes its index when it ends


class Stop(BaseException):
    """Told to end."""


def say(text: str) -> None:
    """One line in the supervisor's log."""
    with suppress(OSError):  # a full disk
        os.write(2, f"{time.strftime('%H:%M:%S')} {text}\n".encode("utf-8", "backslashreplace"))


class Supervisor:
    """One environment, from its first process to its last."""

    def __init__(self, order: Order, channel: socket.socket, keeper: Process) -> None:
        self._order = order
        self._channel: socket.socket | None = channel
        self._kept = False
        me = Process.of(os.getpid())
        ids = {"pid": me.pid, "start_ticks": me.start_ticks}
        ids |= {"keeper_pid": keeper.pid, "keeper_start_ticks": keeper.start_ticks}
        self._record = replace(order.record, supervisor=ids)
        self._world = World(
            identity=order.record.identity,
            folder=order.folder,
            logs=Path(order.record.log_dir),
            base=dict(order.base),
        )
        self._world.exports["XDG_RUNTIME_DIR"] = str(self._world.runtime)
        self._units: list[Unit] = []
        self._restarts: dict[str, int] = {}
        self._given_up: set[str] = set()
        self._suspects: set[str] = set()  # did not answer in the last round
        self._probing: Probing | None = None

    def run(self) -> None:
        """Set up, watch until there is a reason to end, tear down."""
        begin = time.monotonic()
        try:
            try:
                write_record(self._order.folder, self._record)
                self._units = plan_units(self._order.settings, self._order.chosen)
                tasks = self._start(self._units)
                self._publish("ready")
            except (StartFailed, OSError) as error:
                self._answer({"error": str(error)})
                return
            self._answer(
                {
                    "exports": self._world.exports,
                    "units": {task.name: round(task.seconds, 4) for task in tasks},
                    "seconds": time.monotonic() - begin,
                }
            )
            self._watch()
        except Stop:
            say("told to end")
        finally:
            self._tear_down()

    def _start(self, units: list[Unit]) -> list[Task]:
        tasks = start_tasks(units, self._world)
        run_tasks(tasks, timeout_seconds=self._order.settings.startup_timeout_seconds)
        return tasks

    def _answer(self, message: Mapping[str, object]) -> None:
        if self._channel is not None:
            try:
                self._channel.sendall(json.dumps(message).encode() + b"\n")
            except OSError:  # the step has gone; what that means is decided in _listen
                say("nobody is waiting for the answer")

    def _publish(self, state: str) -> None:
        """Tell other steps how things stand."""
        self._record = replace(self._record, state=state, exports=dict(self._world.exports))
        file = self._order.folder / ENV_FILE
        file.write_text(shell_script(self._world.exports, list(self._record.unset)), encoding="utf-8")
        write_record(self._order.folder, self._record)

    # --- watching ---------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        # After the answer, so that nobody waits for it, and before the code can be deleted.
        from headless_env.probing import Probing, probes_of

        settings = self._order.settings
        ends = float("inf")  # a step that waits for its script has its own time limit
        checks = time.monotonic() + (settings.watch_interval_seconds or float("inf"))
        with JobWatch(self._order.job) as watch:
            while time.monotonic() < ends:
                if self._kept and ends == float("inf"):
                    ends = time.monotonic() + settings.max_age_seconds
                until = min(ends, checks, self._probing.deadline if self._probing else ends)
                sources = [one.pidfd for one in self._world.components.values()]
                sources += [self._channel.fileno()] if self._channel else []
                sources += [self._probing.fileno()] if self._probing else []
                left = None if until == float("inf") else max(0.0, until - time.monotonic())
                wake = watch.wait(timeout_seconds=left, also=sources)
                if wake.job_ended:
                    say("the job has ended")
                    return
                channel = self._channel
                if channel and channel.fileno() in wake.readable and not self._listen(channel):
                    return
                self._bury()
                if self._probing and self._is_over(self._probing, wake.readable):
                    probing, self._probing = self._probing, None
                    self._judge(probing.end())
                    if self._suspects:
                        checks = min(checks, time.monotonic() + SECOND_LOOK_SECONDS)
                if time.monotonic() >= checks:
                    checks = time.monotonic() + settings.watch_interval_seconds
                    probes = probes_of(
                        [name for name in self._record.components if name not in self._given_up]
                    )
                    self._probing = self._probing or Probing.begin(probes, self._world.environ())
        say(f"ended after max-age-seconds ({settings.max_age_seconds:g} s)")

    def _listen(self, channel: socket.socket) -> bool:
        """Heed the client; False when the environment ends with it."""
        try:
            said = channel.recv(16)
        except OSError:
            said = b""
        if PLAY in said:
            self._play()
        self._kept = self._kept or KEEP in said
        if said:
            return True
        channel.close()
        self._channel = None
        if not self._kept:
            say("the step that used the environment has ended")
        return self._kept

    def _play(self) -> None:
        from headless_env import microphone

        settings = self._order.settings
        microphone.start(self._world, Path(settings.microphone_wav), loop=settings.microphone_play == "loop")

    def _bury(self) -> None:
        """Deal with components that have ended."""
        for component in list(self._world.components.values()):
            if component.is_running() or self._world.components.get(component.name) is not component:
                continue
            if component.unit == MICROPHONE and component.popen.returncode == 0:  # has been played
                component.close()
                del self._world.components[component.name]
            else:
                self._mend(component.unit, component.obituary())

    def _judge(self, problems: Mapping[str, str]) -> None:
        """Mend what has not answered twice in a row: a busy host, or a client that grabs the server, may cost one.

        What depends on a unit that is mended was asked before that, and is started again with it.
        """
        mended: set[str] = set()
        for unit, problem in problems.items():
            if unit in self._suspects and unit not in mended:
                self._mend(unit, f"{unit} does not answer: {problem}")
                mended |= {one.name for one in affected_by(unit, self._units)}
        self._suspects = problems.keys() - mended

    @staticmethod
    def _is_over(probing: Probing, readable: frozenset[int]) -> bool:
        if probing.fileno() in readable or time.monotonic() >= probing.deadline:
            return not probing.listen()
        return False

    def _mend(self, name: str, why: str) -> None:
        """Start a unit again, with all that need it, or call the environment unhealthy."""
        say(why)
        first_line = why.splitlines()[0].removesuffix("; the end of its log:")
        self._restarts[name] = self._restarts.get(name, 0) + 1
        affected = affected_by(name, self._units)
        may = self._order.settings.restart == "on-failure" and self._restarts[name] <= ATTEMPTS
        for unit in [one.name for one in affected] or [name]:
            self._end_unit(unit)
        try:
            if may and affected:
                self._start(affected)
                self._note(first_line, f"started again: {', '.join(unit.name for unit in affected)}")
                self._publish("unhealthy" if self._record.state == "unhealthy" else "restarted")
                return
            outcome = "not started again"
        except (StartFailed, OSError) as error:
            say(str(error))
            outcome = f"could not be started again: {str(error).splitlines()[0]}"
        self._given_up |= {name, *(unit.name for unit in affected)}
        self._note(first_line, outcome)
        with suppress(OSError):  # a full disk: the supervisor's own answer will tell
            self._publish("unhealthy")

    def _note(self, what: str, outcome: str) -> None:
        event = f"{time.strftime('%H:%M:%S')} {what} ({outcome})"
        say(event)
        self._record = replace(self._record, events=(*self._record.events, event))

    def _end_unit(self, name: str) -> None:
        for component in [one for one in self._world.components.values() if one.unit == name]:
            kill_tree(component.process, grace_seconds=0.3)
            component.popen.poll()
            component.close()
            del self._world.components[component.name]

    # --- the end ----------------------------------------------------------------------------------------------

    def _tear_down(self) -> None:
        """End every process, then remove every trace. Nothing interrupts it but SIGKILL, and that the keeper."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if recorder := self._world.components.get("recorder"):
            recorder.popen.terminate()
            try:
                recorder.popen.wait(RECORDER_SECONDS)
            except subprocess.TimeoutExpired:
                say("ffmpeg did not end")
        end_children(grace_seconds=GRACE_SECONDS)
        remove_traces(self._order.folder, supervisor_pid=os.getpid())
