"""What a failed or hanging test leaves to look at: pictures, trees, and the components' last words."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from actionlib.entrypoint import Context
from actionlib.logs import tail
from actionlib.process_tree import snapshot
from actionlib.processes import PROC, Process
from headless_env.screenshots import ScreenshotFailed, save_wayland_screenshot, save_x_screenshot, window_tree
from headless_env.variables import ENVIRONMENT_VARIABLE

TAIL_BYTES = 3000
_NAMED_WINDOW = re.compile(r"^screen | viewable .*['(]")
CAPTURE_SECONDS = 5.0
HURRIED_SECONDS = 0.7  # when time is over, a display that hangs must not give the script more of it


@dataclass(frozen=True, slots=True)
class Capture:
    """What was captured. `screenshot` is None where there is no display, or it does not answer; `problems` tell why."""

    screenshot: Path | None
    windows: str
    processes: tuple[str, ...]
    problems: tuple[str, ...] = ()


def capture(
    environ: Mapping[str, str],
    log_dir: Path,
    *,
    roots: tuple[Process, ...] = (),
    timeout_seconds: float = CAPTURE_SECONDS,
) -> Capture:
    """Save a screenshot, the window tree and the process tree in `log_dir`, each display within `timeout_seconds`.

    `environ` holds the environment's variables; processes are those that carry its folder's name in their own
    environment, and the descendants of `roots`. What cannot be had is left out: the failure itself is the news.
    """
    stamp = time.strftime("%H%M%S")
    screenshots: list[Path] = []
    problems: list[str] = []
    windows = ""

    @contextmanager
    def best_effort() -> Iterator[None]:
        try:
            yield
        except (ScreenshotFailed, OSError, ValueError) as error:
            problems.append(str(error))

    if "DISPLAY" in environ:
        with best_effort():
            windows = window_tree(environ, timeout_seconds=timeout_seconds)
            (log_dir / f"windows-{stamp}.txt").write_text(windows + "\n", encoding="utf-8")
        with best_effort():
            path = log_dir / f"screenshot-{stamp}.png"
            if windows:  # else the server does not answer, and waiting for it again would only take time
                save_x_screenshot(environ, path, timeout_seconds=timeout_seconds)
                screenshots.append(path)
    if "WAYLAND_DISPLAY" in environ:
        with best_effort():
            path = log_dir / f"screenshot-wayland-{stamp}.png"
            save_wayland_screenshot(environ, path, timeout_seconds=timeout_seconds)
            screenshots.append(path)
    processes = tuple(process_lines(environ, roots))
    with best_effort():
        (log_dir / f"processes-{stamp}.txt").write_text("\n".join(processes) + "\n", encoding="utf-8")
    return Capture(screenshots[0] if screenshots else None, windows, processes, tuple(problems))


def process_lines(environ: Mapping[str, str], roots: tuple[Process, ...]) -> list[str]:
    """A line for each process that uses the environment, indented below its parent: pid, age, command line."""
    world = {pid: stat for pid, stat in snapshot().items() if stat.is_running}
    needle = f"{ENVIRONMENT_VARIABLE}={environ.get(ENVIRONMENT_VARIABLE)}".encode()
    chosen = {root.pid for root in roots if root.pid in world}
    for pid in world:
        with suppress(OSError):
            if needle in (PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                chosen.add(pid)
    ticks = os.sysconf("SC_CLK_TCK")
    now = float((PROC / "uptime").read_text(encoding="ascii").split()[0])
    lines: list[str] = []

    def add(pid: int, depth: int) -> None:
        age = now - world[pid].start_ticks / ticks
        lines.append(f"{'  ' * depth}{pid} ({age:.0f} s) {command_line(pid) or world[pid].comm}")
        for child in sorted(one for one in chosen if one in world and world[one].parent == pid):
            add(child, depth + 1)

    for pid in sorted(one for one in chosen if world[one].parent not in chosen):
        add(pid, 0)
    return lines


def command_line(pid: int) -> str:
    """The arguments of a process, cut at 200 characters; empty when it is gone."""
    with suppress(OSError):
        words = (PROC / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        return " ".join(words).strip()[:200]
    return ""


def tell(context: Context, captured: Capture, log_dir: Path) -> None:
    """Show a capture in folded groups of the log, and say where it lies."""
    if captured.screenshot:
        context.out.say(f"Screenshot: {captured.screenshot}")
    for problem in captured.problems:
        context.out.say(f"Could not be captured: {problem}")
    if captured.processes:
        with context.out.group("Processes that were running"):
            context.out.quote("\n".join(captured.processes))
    named = [line for line in captured.windows.splitlines() if _NAMED_WINDOW.search(line)]
    if named:
        with context.out.group("Windows that have a name and are shown (all are in windows-*.txt)"):
            context.out.quote("\n".join(named))
    for log in sorted(log_dir.glob("*.log")):
        if log.stat().st_size:
            with context.out.group(f"Last lines of {log.name}"):
                context.out.quote(tail(log, limit=TAIL_BYTES))
    context.out.say(f"All of it is in {log_dir}")
