"""How often the regression rule cries wolf, and how often it finds a real change: by simulation, with fixed seeds.

A history has all the figures of a run, with normally distributed noise. An alarm in any of them is a false one.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import measure

from perf_monitor.regression import FIGURES, compare

NOISES = (0.03, 0.05, 0.10)
RUNS = (5, 10, 20, 30)
CHANGE = 0.30


def main() -> int:
    parser = measure.arguments(str(__doc__))
    parser.add_argument("--histories", type=int, default=1000, metavar="N", help="for each cell of the table")
    options = parser.parse_args()
    rows = [
        {
            "noise": f"{noise:.0%}",
            "earlier runs": runs,
            "false alarms, any figure": alarms(
                noise, runs, change=0, names=list(FIGURES), count=options.histories
            ),
            "+30 % found, one figure": alarms(
                noise, runs, change=CHANGE, names=["duration_seconds"], count=options.histories
            ),
        }
        for noise in NOISES
        for runs in RUNS
    ]
    judged = [row for row in rows if row["noise"] == "5%" and int(str(row["earlier runs"])) >= 10]
    false = max(float(str(row["false alarms, any figure"])) for row in judged)
    missed = max(1 - float(str(row["+30 % found, one figure"])) for row in judged)
    targets = [
        ("5 % noise, 10 runs or more: false alarms", false, 0.01),
        ("5 % noise, 10 runs or more: +30 % missed", missed, 0.10),
    ]
    return measure.report(options, where=measure.environment(Path.cwd()), rows=rows, targets=targets)


def alarms(noise: float, runs: int, *, change: float, names: list[str], count: int) -> float:
    """The share of histories in which a run is called worse."""
    source = random.Random(f"{noise} {runs} {change}")
    base = {name: 1e12 if name.endswith("bytes") else 1e5 for name in names}

    def run(factor: float) -> dict[str, float]:
        return {name: value * factor * (1 + source.gauss(0, noise)) for name, value in base.items()}

    found = 0
    for _ in range(count):
        earlier = [run(1) for _ in range(runs)]
        found += any(one.is_worse for one in compare(run(1 + change), earlier))
    return found / count


if __name__ == "__main__":
    sys.exit(main())
