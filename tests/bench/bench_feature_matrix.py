"""What a plan costs and saves: rows, pairs and implications beside cargo-hack's, on the same crates, in one run.

The sample application's crates are planned as they are; two manifests of ColdVox's shape, and crates that are made
from fixed seeds, as crates on disk with path-only dependencies. cargo-hack's rows are counted from its own lists.
Coverage is counted by the checker of the tests, which shares nothing with the plan. Then both check the sample
application, each from nothing: what they compile is counted from cargo's own messages.
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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import measure

from fakes.cargo import write_features
from fakes.feature_crates import (
    COLDVOX,
    Manifest,
    edges_noticed,
    pairs_shown,
    synthetic,
    tangled,
)
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.manifests import Crate, read_workspace
from feature_matrix.planning import CratePlan, plan_crate

ROOT = Path(__file__).resolve().parents[2]
HACK = Path(sys.executable).parent / "cargo-hack"
ROWS = dict(zip(COLDVOX, (13, 8), strict=True))
LARGE = {"60 tangled features": tangled(11), "170 features": synthetic(12, 170)}


@dataclass(frozen=True)
class Measured:
    """A crate with its plan, the seconds that it took, and cargo-hack's number of rows for both of its ways."""

    name: str
    plan: CratePlan
    seconds: float
    each: int
    depth_two: int
    features: Manifest
    optional: tuple[str, ...]

    def shown(self) -> dict[str, object]:
        return {
            "crate": self.name,
            "rows": len(self.plan.rows),
            "each-feature": self.each,
            "depth 2": self.depth_two,
            "pairs": f"{self.plan.pairs} of {self.plan.pairs_feasible}",
            "implications": f"{self.plan.edges} of {self.plan.edges_feasible}",
            "seconds": self.seconds,
        }

    def counted_otherwise(self) -> int:
        """Of the two numbers of rows that a plan says cargo-hack has."""
        return (self.plan.each_feature_rows != self.each) + (self.plan.depth_two_rows != self.depth_two)

    def left_out(self) -> tuple[int, int]:
        """Feasible pairs that no row shows, and implications that only each feature alone would notice."""
        # Without constraints, none, all and each feature alone show all pairs that are feasible.
        each = [set(), *({name} for name in self.features), set(self.features)]
        rows = [row.features for row in self.plan.rows]
        pairs, edges = (
            check(self.features, self.optional, each) - check(self.features, self.optional, rows)
            for check in (pairs_shown, edges_noticed)
        )
        return len(pairs), len(edges)


def main() -> int:
    options = measure.arguments(str(__doc__)).parse_args()
    app = read_workspace(ROOT / "examples/voice-app/Cargo.toml", environ=os.environ).crates
    found = [measured(name, one, app) for name, one in app.items() if one.names()]
    with tempfile.TemporaryDirectory(prefix="bench-features-") as place:
        coldvox = [on_disk(Path(place, "app"), f"ColdVox's {name}", *made) for name, made in COLDVOX.items()]
        made = [on_disk(Path(place, str(seed)), f"synthetic {seed}", *synthetic(seed)) for seed in range(12)]
        large = {name: on_disk(Path(place, name), name, *crate) for name, crate in LARGE.items()}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ours, theirs = units_compiled()
    every = [*found, *coldvox, *made, *large.values()]
    each = sum(one.each for one in made)
    left_out = [one.left_out() for one in every]
    targets = [
        *(
            (f"rows for {one.name}", len(one.plan.rows), most)
            for one, most in zip(coldvox, ROWS.values(), strict=True)
        ),
        ("synthetic crates: rows / each-feature's", sum(len(one.plan.rows) for one in made) / each, 0.5),
        (
            "numbers of cargo-hack's rows that are not its own",
            sum(one.counted_otherwise() for one in every),
            0,
        ),
        ("feasible pairs left out", sum(pairs for pairs, _ in left_out), 0),
        ("implications that only each-feature notices", sum(edges for _, edges in left_out), 0),
        ("seconds for 60 features", made[-1].seconds, 5),
        ("seconds for 60 tangled features", large["60 tangled features"].seconds, 5),
        ("seconds for 170 features", large["170 features"].seconds, 30),
        ("memory, MiB", memory, 200),
        ("sample application checked: units / each-feature's", ours / theirs, 0.6),
    ]
    note = f"Sample application checked: {ours} units compiled, {theirs} by cargo hack --each-feature"
    rows = [one.shown() for one in every]
    return measure.report(
        options, where=measure.environment(Path.cwd()), rows=rows, targets=targets, notes=[note]
    )


def on_disk(folder: Path, name: str, features: Manifest, optional: tuple[str, ...]) -> Measured:
    """A crate with these features, written there."""
    manifest = write_features(folder / name.replace(" ", "-"), features, optional)
    crates = read_workspace(manifest, environ=os.environ).crates
    return measured(name, crates["sample"], crates)


def measured(name: str, crate: Crate, crates: Mapping[str, Crate]) -> Measured:
    begin = time.monotonic()
    plan = plan_crate(FeatureGraph(crate, crates), strategy="isolate", depth=2)
    seconds = time.monotonic() - begin
    each = hack(crate.manifest, "--each-feature")
    depth_two = hack(crate.manifest, "--feature-powerset", "--depth", "2")
    optional = tuple(one.key for one in crate.dependencies if one.optional)
    return Measured(name, plan, seconds, each, depth_two, dict(crate.features), optional)


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


def hack(manifest: Path, *options: str) -> int:
    """How many combinations cargo-hack would check."""
    command = [str(HACK), "hack", "check", *options, "--print-command-list", "--manifest-path", str(manifest)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return len(done.stdout.splitlines())


if __name__ == "__main__":
    sys.exit(main())
