"""What the benchmarks share: percentiles, the line that says where they ran, tables, and the same as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all are not above; nan without values."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median(values: Sequence[float]) -> float:
    """nan without values."""
    return statistics.median(values) if values else float("nan")


def environment(folder: Path) -> dict[str, str]:
    """Where and when this was measured."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith(("model name", "Model"))
        ),
        platform.machine(),
    )
    return {
        "cpu": f"{len(os.sched_getaffinity(0))} x {cpu}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "file system": file_system(folder),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def file_system(folder: Path) -> str:
    """Kind of the file system that holds `folder`."""
    answer = subprocess.run(
        ["stat", "--file-system", "--format=%T", str(folder)], capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


def cell(value: object) -> str:
    """A number with three significant digits, anything else as it is."""
    if isinstance(value, float):
        if value != value:
            return "-"
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def print_table(rows: Sequence[Mapping[str, object]]) -> None:
    """The rows, whose keys are the columns, aligned."""
    columns = columns_of(rows)
    lines = [columns, *([cell(row.get(name, "")) for name in columns] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for number, line in enumerate(lines):
        first, *rest = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join([first, *(text.strip().rjust(len(text)) for text in rest)]).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def markdown_table(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows as Markdown, numbers to the right."""
    columns = columns_of(rows)
    left = [isinstance(rows[0].get(name, ""), str) for name in columns]
    lines = [columns, ["---" if text else "---:" for text in left]]
    lines += [[cell(row.get(name, "")).replace("|", "\\|") for name in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def columns_of(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """The names of all columns, in the order of their first row."""
    return list(dict.fromkeys(name for row in rows for name in row))


def arguments(description: str) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    return parser


def report(
    options: argparse.Namespace,
    *,
    where: Mapping[str, str],
    rows: Sequence[Mapping[str, object]],
    targets: Sequence[tuple[str, float, float]],
    notes: Sequence[str] = (),
) -> int:
    """Print everything; `targets` are (what, measured, allowed at most). Returns the exit code."""
    print(" · ".join(f"{name}: {value}" for name, value in where.items()))
    print()
    print_table(rows)
    for note in notes:
        print(note)
    print()
    missed = False
    for what, measured, allowed in targets:
        met = measured <= allowed
        missed = missed or not met
        print(f"{'met   ' if met else 'MISSED'}  {what}: {cell(measured)}, target at most {cell(allowed)}")
    if options.json:
        facts: dict[str, Any] = {"environment": dict(where), "rows": [dict(row) for row in rows]}
        facts |= {"notes": list(notes)}
        facts |= {"targets": [{"what": w, "measured": m, "allowed": a} for w, m, a in targets]}
        options.json.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    sys.stdout.flush()
    return 1 if missed and options.check else 0
