"""Run all benchmarks, one after the other, and write what they found to docs/benchmarks.md.

Exit code 1 when a target is missed or a benchmark failed. With names (`store`, `dispatch`): these only, and the page
stays as it is.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import measure

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs/benchmarks.md"
TITLES: Mapping[str, str] = {
    "startup": "The start of an action",
    "locks": "Locks (`action-cache-lock`, and whatever else excludes)",
    "store": "The store of `action-cache-lock`",
    "feature_matrix": "Plans of `action-feature-matrix`",
    "headless": "Environments of `action-headless-env`",
    "monitor": "The sampler of `action-perf-monitor`",
    "regression": "The regression rule of `action-perf-monitor`",
    "dispatch": "Decisions of `action-smart-dispatch`",
    "pipeline": "The whole pipeline",
}
# What is measured or measured against, and how it tells its version.
PROGRAMS: Mapping[str, Sequence[str]] = {
    "uv": ["--version"],
    "pip": ["--version"],
    "act": ["--version"],
    "cargo": ["--version"],
    "cargo-hack": ["hack", "--version"],
    "Xvfb": ["-version"],
    "pulseaudio": ["--version"],
    "openbox": ["--version"],
    "redis-server": ["--version"],
    "cp": ["--version"],
    "flock": ["--version"],
    "curl": ["--version"],
}
PACKAGES = ("filelock", "redis", "psrecord", "xvfbwrapper", "pyvirtualdisplay", "psutil", "PyGithub")


@dataclass(frozen=True, slots=True)
class Result:
    """What one benchmark found; `facts` are empty when it failed."""

    name: str
    exit_code: int
    facts: Mapping[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="*", help=f"only these, of {', '.join(TITLES)}")
    options = parser.parse_args()
    if unknown := [name for name in options.name if name not in TITLES]:
        parser.error(f"no benchmark '{unknown[0]}'; there are {', '.join(TITLES)}")
    results = [run(name) for name in options.name or TITLES]
    if not options.name:
        PAGE.write_text(page(results), encoding="utf-8")
        print(f"\nThe page: {PAGE}")
    for one in results:
        met = sum(is_met(target) for target in one.facts.get("targets", ()))
        count = len(one.facts.get("targets", ()))
        print(f"{one.name:<16}{f'{met} of {count} targets met' if count else 'FAILED'}")
    return 1 if any(one.exit_code for one in results) else 0


def run(name: str) -> Result:
    """Run one benchmark; its output is shown as it comes."""
    program = HERE / f"bench_{name}.py"
    print(f"\n== {program.relative_to(ROOT)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "facts.json"
        done = subprocess.run([sys.executable, str(program), "--check", "--json", str(file)], check=False)
        facts = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return Result(name, done.returncode, facts)


def page(results: Sequence[Result]) -> str:
    """The Markdown page of all results."""
    where = next((one.facts["environment"] for one in results if one.facts), {})
    shown = {name: value for name, value in where.items() if name not in ("date", "load")}
    met = [is_met(target) for one in results for target in one.facts.get("targets", ())]
    parts = [
        "# Benchmarks",
        "Written by `make bench`, which runs everything here on one machine, one by one. What a bar is compared "
        "with was measured in the same run. A bar that is missed stays here, marked.",
        f"{where.get('date', '')} · " + " · ".join(f"{name}: {value}" for name, value in shown.items()),
        ", ".join(versions()),
        f"**{sum(met)} of {len(met)} bars are met.**",
    ]
    return "\n\n".join([*parts, *map(section, results)]) + "\n"


def section(result: Result) -> str:
    """One benchmark: what it does, its command, its bars and its figures."""
    program = f"tests/bench/bench_{result.name}.py"
    text = ast.get_docstring(ast.parse((ROOT / program).read_text(encoding="utf-8"))) or ""
    parts = [f"## {TITLES[result.name]}", text, f"`make bench ONLY={result.name}` ([source](../{program}))"]
    if not result.facts:
        return "\n\n".join([*parts, f"**It failed, with exit code {result.exit_code}.**"])
    bars = [
        {
            "bar": one["what"],
            "measured": f"{measure.cell(float(one['measured']))}",
            "at most": f"{measure.cell(float(one['allowed']))}",
            "": "met" if is_met(one) else "**missed**",
        }
        for one in result.facts["targets"]
    ]
    notes = "\n".join(f"- {one}" for one in result.facts["notes"])
    return "\n\n".join(
        filter(
            None, [*parts, measure.markdown_table(bars), measure.markdown_table(result.facts["rows"]), notes]
        )
    )


def is_met(target: Mapping[str, Any]) -> bool:
    """Whether a bar holds; what could not be measured does not."""
    return bool(target["measured"] <= target["allowed"])


def versions() -> list[str]:
    """Of the programs and packages that are measured, those that are installed."""
    found = []
    for name, options in PROGRAMS.items():
        program = shutil.which(
            "cargo" if name == "cargo-hack" else name,
            path=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        )
        if program is None:
            continue
        done = subprocess.run([program, *options], capture_output=True, text=True, check=False)
        if number := re.search(r"\d+\.\d[\w.]*", done.stdout + done.stderr):
            found.append(f"{name} {number[0]}")
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
