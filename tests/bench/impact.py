"""`make impact`: every impact that the source document expects of the five blockers, measured; writes docs/impact.md.

    impact.py [--only cache,features,headless,monitor,dispatch] [--output FILE] [--environments N]

The exit code is 0 whatever the figures are. A part that lacks a program says so on the page.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import impact_cache
import impact_dispatch
import impact_features
import impact_headless
import impact_monitor
import measure
from impact_report import Part, render

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("cache", "features", "headless", "monitor", "dispatch")
VERSIONS = (("cargo", "--version"), ("bash", "--version"), ("pulseaudio", "--version"), ("git", "--version"))


def main() -> int:
    options = parse()
    begun = time.monotonic()
    where = measure.environment(ROOT) | versions()
    parts = measure_all(
        options.only,
        {
            "cache": impact_cache.run,
            "features": impact_features.run,
            "headless": lambda: impact_headless.run(environments=options.environments),
            "monitor": impact_monitor.run,
            "dispatch": impact_dispatch.run,
        },
    )
    command = "make impact" if options.only == NAMES else f"impact.py --only {','.join(options.only)}"
    minutes = (time.monotonic() - begun) / 60
    page = render(parts, where=where, command=command, minutes=minutes)
    options.output.write_text(page, encoding="utf-8")
    print(page)
    return 0


def measure_all(only: tuple[str, ...], runs: Mapping[str, Callable[[], Part]]) -> list[Part]:
    """The parts in the order of the document.

    What mostly waits runs side by side: the lock that nobody gives back (5 minutes), then caches and monitoring. The
    rest has the machine to itself.
    """
    stuck = impact_cache.start_stuck_lock() if "cache" in only else None
    done: dict[str, Part] = {}
    with ThreadPoolExecutor() as pool:
        waiting: dict[str, Future[Part]] = {
            name: pool.submit(runs[name]) for name in ("cache", "monitor") if name in only
        }
        done |= {name: future.result() for name, future in waiting.items()}
    for name in ("dispatch", "headless", "features"):
        if name in only:
            print(f"measuring: {name}", flush=True)
            done[name] = runs[name]()
    if stuck is not None:
        done["cache"] = impact_cache.with_stuck_lock(done["cache"], stuck.result())
    return [done[name] for name in NAMES if name in done]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--only", default=",".join(NAMES), help="parts, separated by commas")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/impact.md", metavar="FILE")
    parser.add_argument("--environments", type=int, default=impact_headless.ENVIRONMENTS, metavar="N")
    options = parser.parse_args()
    options.only = tuple(options.only.split(","))
    if unknown := set(options.only) - set(NAMES):
        parser.error(f"--only: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    return options


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    found = {"commit": said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")}
    return found | {command[0]: said(*command) for command in VERSIONS if shutil.which(command[0])}


def said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout.splitlines() or ["unknown"])[0]


if __name__ == "__main__":
    raise SystemExit(main())
