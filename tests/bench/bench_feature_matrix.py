"""What a plan costs and saves: rows, pairs and implications beside cargo-hack's, on the same crates, in one run.

The sample application's crates are planned as they are, with cargo-hack's rows counted from its own list; twelve more
crates are made from fixed seeds. Coverage is counted by the checker of the tests, which shares nothing with it.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import measure

from fakes.feature_crates import crate, edges_noticed, enabled, pairs_shown, synthetic
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.manifests import read_workspace
from feature_matrix.planning import CratePlan, plan_crate

ROOT = Path(__file__).resolve().parents[2]
HACK = Path(sys.executable).parent / "cargo-hack"


def main() -> int:
    options = measure.arguments(str(__doc__)).parse_args()
    rows, plans = [], {}
    workspace = read_workspace(ROOT / "examples/voice-app/Cargo.toml", environ=os.environ)
    for name, one in workspace.crates.items():
        if one.names():
            plan, seconds = timed(FeatureGraph(one, workspace.crates))
            plans[name] = plan
            listed = (
                hack(one.manifest, "--each-feature"),
                hack(one.manifest, "--feature-powerset", "--depth", "2"),
            )
            rows.append(row(name, plan, seconds, listed))
    made = []
    for seed in range(12):
        features, optional = synthetic(seed)
        plan, seconds = timed(FeatureGraph(crate(features, optional), {}))
        made.append((features, optional, plan, seconds))
        listed = plan.each_feature_rows, plan.depth_two_rows
        rows.append(row(f"synthetic {seed}, {len(features) - 1} features", plan, seconds, listed))
    each = sum(plan.each_feature_rows for _, _, plan, _ in made)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    targets = [
        ("rows for coldvox-app", len(plans["coldvox-app"].rows), 13),
        ("synthetic crates: rows / each-feature's", sum(len(one.rows) for _, _, one, _ in made) / each, 0.5),
        ("feasible pairs left out", sum(pairs_left_out(*one) for one in made), 0),
        ("implications that only each-feature notices", sum(edges_left_out(*one) for one in made), 0),
        ("seconds for 60 features", made[-1][3], 5),
        ("memory, MiB", memory, 200),
    ]
    return measure.report(options, where=measure.environment(Path.cwd()), rows=rows, targets=targets)


def timed(graph: FeatureGraph) -> tuple[CratePlan, float]:
    begin = time.monotonic()
    plan = plan_crate(graph, strategy="isolate", depth=2)
    return plan, time.monotonic() - begin


def hack(manifest: Path, *options: str) -> int:
    """How many combinations cargo-hack would check."""
    command = [str(HACK), "hack", "check", *options, "--print-command-list", "--manifest-path", str(manifest)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return len(done.stdout.splitlines())


def row(name: str, plan: CratePlan, seconds: float, listed: tuple[int, int]) -> dict[str, object]:
    return {
        "crate": name,
        "rows": len(plan.rows),
        "each-feature": listed[0],
        "depth 2": listed[1],
        "pairs": f"{plan.pairs} of {plan.pairs_feasible}",
        "implications": f"{plan.edges} of {plan.edges_feasible}",
        "seconds": seconds,
    }


def each_feature(features: Iterable[str]) -> list[set[str]]:
    return [set(), *({name} for name in features), set(features) - {"default"}]


def pairs_left_out(
    features: dict[str, tuple[str, ...]], optional: tuple[str, ...], plan: CratePlan, _: float
) -> int:
    names = sorted(set(features) - {"default"})
    feasible = [set(), set(names), *({one, other} for one in names for other in names)]
    closures = [enabled(features, optional, some) for some in feasible]
    planned = [enabled(features, optional, one.features) for one in plan.rows]
    return len(pairs_shown(closures, names) - pairs_shown(planned, names))


def edges_left_out(
    features: dict[str, tuple[str, ...]], optional: tuple[str, ...], plan: CratePlan, _: float
) -> int:
    theirs = edges_noticed(features, optional, each_feature(features))
    return len(theirs - edges_noticed(features, optional, [one.features for one in plan.rows]))


if __name__ == "__main__":
    sys.exit(main())
