"""Starting components side by side in one thread.

One thread, because the kernel takes a parent-death signal for the death of the *thread* that started the child
(prctl(2), PR_SET_PDEATHSIG). A start is a generator that yields what it waits for:

    def start(world):
        server = world.spawn("x11", ["Xvfb", ...], pass_fds=(writer,))
        yield Readable(reader, server)      # until the descriptor can be read; fails when the server ends
        yield 0.002                         # seconds
        yield other_task                    # until that start is done
"""

from __future__ import annotations

import select
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headless_env.world import Component


class StartFailed(Exception):
    """A component did not come up; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class Readable:
    """Wait until `descriptor` can be read. If `process` ends first, StartFailed is raised in the generator."""

    descriptor: int
    process: Component | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """Wait until `process` has ended, whatever its exit code."""

    process: Component


Wait = "Readable | Exit | float | Task"
Steps = Generator["Readable | Exit | float | Task", None, None]


@dataclass(slots=True, eq=False)
class Task:
    """One start under way. `seconds` is what it took from the first task's beginning."""

    name: str
    steps: Steps
    waits_for: Readable | Exit | float | Task | None = None
    wakes_at: float = 0.0
    done: bool = False
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)


def run_tasks(tasks: list[Task], *, timeout_seconds: float) -> None:
    """Run all `tasks` to their end. Raises StartFailed when one fails, or names those that time was over for."""
    begin = time.monotonic()
    deadline = begin + timeout_seconds
    ready = list(tasks)
    try:
        while True:
            for task in ready:
                _advance(task, begin)
            left = [task for task in tasks if not task.done]
            if not left:
                return
            if time.monotonic() >= deadline:
                names = ", ".join(task.name for task in left)
                raise StartFailed(
                    f"not ready within startup-timeout-seconds ({timeout_seconds:g} s): {names}"
                )
            ready = _wait(left, deadline)
    finally:
        for task in tasks:
            task.steps.close()


def _advance(task: Task, begin: float) -> None:
    died = task.waits_for if isinstance(task.waits_for, Readable) else None
    try:
        if died and died.process and not died.process.is_running() and not _is_readable(died.descriptor):
            task.waits_for = task.steps.throw(StartFailed(died.process.obituary()))
        else:
            task.waits_for = next(task.steps)
    except StopIteration:
        task.done, task.seconds = True, time.monotonic() - begin
        return
    if isinstance(task.waits_for, float | int):
        task.wakes_at = time.monotonic() + task.waits_for


def _wait(left: list[Task], deadline: float) -> list[Task]:
    """Sleep until something can go on; returns the tasks that can."""
    until = min([deadline, *(task.wakes_at for task in left if isinstance(task.waits_for, float | int))])
    if any(isinstance(task.waits_for, Task) and task.waits_for.done for task in left):
        until = 0
    poller = select.poll()
    for task in left:
        for descriptor in _descriptors(task):
            poller.register(descriptor, select.POLLIN)
    fired = {number for number, _ in poller.poll(max(0.0, until - time.monotonic()) * 1000)}
    now = time.monotonic()
    return [task for task in left if _can_go_on(task, fired, now)]


def _descriptors(task: Task) -> list[int]:
    match task.waits_for:
        case Readable(descriptor, process):
            return [descriptor] if process is None else [descriptor, process.pidfd]
        case Exit(process):
            return [process.pidfd]
    return []


def _can_go_on(task: Task, fired: set[int], now: float) -> bool:
    if isinstance(task.waits_for, Task):
        return task.waits_for.done
    if isinstance(task.waits_for, float | int):
        return now >= task.wakes_at
    return any(descriptor in fired for descriptor in _descriptors(task))


def _is_readable(descriptor: int) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return any(event & select.POLLIN for _, event in poller.poll(0))
