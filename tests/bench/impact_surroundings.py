"""What a monitoring script may find lacking on a runner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Surroundings:
    """What is different from a healthy runner."""

    name: str
    unset: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()  # programs
    silent: tuple[str, ...] = ()  # programs that say nothing
    interval: str = "1"
    tamper: Callable[[Path], None] | None = None  # with the metrics file, before the stop
    start: bool = True
    by: str = "stop"  # or `report`, of a file that is named
    report: bool = True  # whether there can be one


def emptied(path: Path) -> None:
    path.write_text("")


def header_only(path: Path) -> None:
    path.write_text(path.read_text().splitlines()[0] + "\n")


def torn(path: Path) -> None:
    path.write_text(path.read_text().rstrip("\n")[:-9])


CASES = (
    Surroundings("nothing is lacking"),
    Surroundings("GITHUB_ENV is not set", unset=("GITHUB_ENV",)),
    Surroundings("HOME is not set", unset=("HOME",)),
    Surroundings("no names of run and job", unset=("GITHUB_RUN_ID", "GITHUB_JOB", "GITHUB_RUN_ATTEMPT")),
    Surroundings("no `free`", lacking=("free",)),
    Surroundings("no `bc`", lacking=("bc",)),
    Surroundings("no `pgrep` and `ps`", lacking=("pgrep", "ps")),
    Surroundings("no `df` and `du`", lacking=("df", "du")),
    Surroundings("`free` says nothing", silent=("free",)),
    Surroundings("`df` says nothing", silent=("df",)),
    Surroundings("the interval is empty", interval=""),
    Surroundings("the interval is a word", interval="often", report=False),
    Surroundings("the newest row is torn", tamper=torn),
    Surroundings("the metrics file was emptied", tamper=emptied, report=False),
    Surroundings("the metrics file is gone", tamper=Path.unlink, report=False),
    Surroundings("`report` of a file, GITHUB_ENV is not set", unset=("GITHUB_ENV",), by="report"),
    Surroundings("`report` of a file without rows", tamper=header_only, by="report", report=False),
    Surroundings("stop without start", start=False, report=False),
)
