"""What a plan costs and saves: rows, pairs and implications beside cargo-hack's, on the same crates, in one run.

The sample application's crates are planned as they are, with cargo-hack's rows counted from its own list; so are two
manifests of ColdVox's shape, and twelve crates that are made from fixed seeds. Coverage is counted by the checker of
the tests, which shares nothing with it. Then both check the sample application, each from nothing: what they compile is
counted from cargo's own messages.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import measure

from fakes.feature_crates import COLDVOX, crate, edges_noticed, enabled, pairs_shown, synthetic
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.manifests import read_workspace
from feature_matrix.planning import CratePlan, plan_crate

ROOT = Path(__file__).resolve().parents[2]
ROWS = dict(zip(COLDVOX, (13, 8), strict=True))
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
    for seed in [*COLDVOX, *range(12)]:
        features, optional = COLDVOX[seed] if seed in COLDVOX else synthetic(int(seed))
        plan, seconds = timed(FeatureGraph(crate(features, optional), {}))
        listed = plan.each_feature_rows, plan.depth_two_rows
        if seed in COLDVOX:
            plans[seed] = plan
            rows.append(row(f"ColdVox's {seed}", plan, seconds, listed))
        else:
            made.append((features, optional, plan, seconds))
            rows.append(row(f"synthetic {seed}, {len(features) - 1} features", plan, seconds, listed))
    each = sum(plan.each_feature_rows for _, _, plan, _ in made)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ours, theirs = units_compiled()
    targets = [
        *((f"rows for ColdVox's {name}", len(plans[name].rows), most) for name, most in ROWS.items()),
        ("synthetic crates: rows / each-feature's", sum(len(one.rows) for _, _, one, _ in made) / each, 0.5),
        ("feasible pairs left out", sum(pairs_left_out(*one) for one in made), 0),
        ("implications that only each-feature notices", sum(edges_left_out(*one) for one in made), 0),
        ("seconds for 60 features", made[-1][3], 5),
        ("memory, MiB", memory, 200),
        ("sample application checked: units / each-feature's", ours / theirs, 0.6),
    ]
    note = f"Sample application checked: {ours} units compiled, {theirs} by cargo hack --each-feature"
    where = measure.environment(Path.cwd())
    return measure.report(options, where=where, rows=rows, targets=targets, notes=[note])


def units_compiled() -> tuple[int, int]:
    """Units that `validate` and cargo-hack compile to check every combination of the sample application."""
    with tempfile.TemporaryDirectory(prefix="bench-features-") as name:
        place = Path(name)
        ignored = shutil.ignore_patterns("target", ".github")  # cargo-hack knows no rows of our own
        shutil.copytree(ROOT / "examples/voice-app", place / "app", ignore=ignored, symlinks=True)
        environ = {**os.environ, "CARGO_INCREMENTAL": "0", "COLDVOX_ACTIONS_HOME": str(place / "state")}
        environ.pop("PYTHONPATH", None)
        command = [sys.executable, str(ROOT / "shared/coldvox_actions.py"), "feature-matrix", "--json"]
        told = run(
            [*command, "--mode", "validate", "--commands", "check"],
            place / "app",
            {**environ, "CARGO_TARGET_DIR": str(place / "ours")},
        )
        ours = sum(one["units"] for one in json.loads(told)["rows"])
        command = [str(HACK), "hack", "check", "--each-feature", "--workspace", "--locked", "--offline"]
        told = run(
            [*command, "--message-format=json"],
            place / "app",
            {**environ, "CARGO_TARGET_DIR": str(place / "theirs")},
        )
        messages = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
        theirs = sum(one["reason"] == "compiler-artifact" and not one["fresh"] for one in messages)
        return ours, theirs


def run(command: list[str], folder: Path, environ: dict[str, str]) -> str:
    """Standard output of a command that succeeds."""
    done = subprocess.run(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


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
