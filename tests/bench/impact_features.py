"""Blocker 5, features: mistakes seeded in the sample application, under the document's matrix and the action's plan."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from baseline import feature_rows
from feature_faults import Fault, copy_sample, seeded, shuffled_faults
from impact_report import Claim, Part, change, of, prose, reduction, table
from impact_toolchains import Msrv, features_table, measure_msrv

from fakes.feature_crates import chosen_names, edges_noticed, enabled, pairs_shown
from feature_matrix.manifests import read_workspace

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("baseline") / "validate_features.sh"
HACK = Path(sys.executable).parent / "cargo-hack"
SEED = 895
FAULTS = 12
WORKERS = 2
APP = "coldvox-app"
ACTION = [sys.executable, str(ROOT / "shared/coldvox_actions.py"), "feature-matrix", "--json"]


@dataclass(frozen=True)
class Found:
    """Who found a fault."""

    fault: Fault
    before: bool
    document: bool
    ours: bool


@dataclass(frozen=True)
class Cost:
    """Of one run over the sample application as it is, from nothing."""

    jobs: int
    builds: int  # of these with different features
    units: int
    seconds: float


def run(*, count: int = FAULTS) -> Part:
    """Measure everything; takes about 3 minutes."""
    with tempfile.TemporaryDirectory(prefix="impact-features-") as text:
        folder = Path(text)
        sample = copy_sample(folder / "app")
        document, ours = (environment(folder, name) for name in ("document", "ours"))
        costs = cost_of_document(sample, document), cost_of_ours(sample, ours)
        script = script_on_sample(sample, document)
        faults = shuffled_faults(SEED)
        with ThreadPoolExecutor(WORKERS) as pool:
            parts = list(
                pool.map(
                    lambda number: look_at(faults[number::WORKERS], count // WORKERS, folder / str(number)),
                    range(WORKERS),
                )
            )
        found = sorted(chain(*(some for some, _ in parts)), key=lambda one: one.fault.name)
        harmless = sum(number for _, number in parts)
        msrv = measure_msrv(folder / "msrv", ACTION, SCRIPT)
    return part(found, harmless, costs, coverage(), script, msrv)


def look_at(faults: Sequence[Fault], count: int, folder: Path) -> tuple[list[Found], int]:
    """Seed changes in a copy of the sample in `folder` until `count` of them are faults, and look who finds these.

    Returns them, and the number of changes that are none. What a fault is, a third party says.
    """
    sample = copy_sample(folder / "app")
    places = {name: environment(folder, name) for name in ("before", "document", "ours", "judge")}
    found: list[Found] = []
    harmless = 0
    for fault in faults:
        if len(found) == count:
            break
        with seeded(fault, sample):
            if is_fault(sample / fault.crate, places["judge"]):
                found.append(look(fault, sample, places))
            else:
                harmless += 1
    return found, harmless


def is_fault(crate: Path, environ: dict[str, str]) -> bool:
    """Whether cargo-hack finds a combination of up to two features of the crate that does not build."""
    hack = [str(HACK), "hack", "check", "--feature-powerset", "--depth", "2", "--locked", "--offline"]
    return not passes(hack, crate, environ)


def environment(folder: Path, name: str) -> dict[str, str]:
    """Cargo's for one side: a target directory of its own."""
    environ = {**os.environ, "CARGO_INCREMENTAL": "0", "CARGO_TARGET_DIR": str(folder / name / "target")}
    environ |= {"COLDVOX_ACTIONS_HOME": str(folder / name / "state"), "CARGO_NET_OFFLINE": "true"}
    environ.pop("PYTHONPATH", None)
    return environ


def passes(command: Sequence[str], folder: Path, environ: dict[str, str]) -> bool:
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=False, timeout=600)
    return done.returncode == 0


def look(fault: Fault, sample: Path, places: dict[str, dict[str, str]]) -> Found:
    """Who finds the fault that is in the sample now. Each stops at the first failure."""

    def all_pass(rows: Sequence[str], place: str) -> bool:
        commands = [command for row in rows for command in feature_rows.commands(row)]
        return all(passes(command, sample, places[place]) for command in commands)

    before = not all_pass([""], "before")
    document = not all_pass(feature_rows.ROWS, "document")
    validate = [*ACTION, "--mode", "validate", "--keep-going", "false", "--shrink-seconds", "0"]
    ours = not passes(validate, sample, places["ours"])
    return Found(fault, before, document, ours)


def cost_of_document(sample: Path, environ: dict[str, str]) -> Cost:
    begun, units = time.monotonic(), 0
    for row in feature_rows.ROWS:
        for command in feature_rows.commands(row):
            command.insert(2, "--message-format=json")
            done = subprocess.run(
                command, cwd=sample, env=environ, capture_output=True, text=True, check=True
            )
            messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            units += sum(one["reason"] == "compiler-artifact" and not one["fresh"] for one in messages)
    seconds = time.monotonic() - begun
    features, optional = manifest()
    builds = len({enabled(features, optional, row) for row in rows_of_document()})
    return Cost(len(feature_rows.ROWS), builds, units, seconds)


def cost_of_ours(sample: Path, environ: dict[str, str]) -> Cost:
    begun = time.monotonic()
    command = [*ACTION, "--mode", "validate"]
    done = subprocess.run(command, cwd=sample, env=environ, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)["rows"]
    return Cost(len(rows), len(rows), sum(one["units"] for one in rows), time.monotonic() - begun)


# --- coverage, counted by the tests' own checker ---------------------------------------------------------------


def manifest() -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Features and optional dependencies of the application's main crate."""
    workspace = read_workspace(ROOT / "examples/voice-app/Cargo.toml", environ=os.environ)
    crate = workspace.crates[APP]
    return dict(crate.features), tuple(one.key for one in crate.dependencies if one.optional)


def rows_of_document() -> list[set[str]]:
    """Of the main crate: what is chosen, and the default features with it."""
    return [{"default", *filter(None, row.split(","))} for row in feature_rows.ROWS]


def coverage() -> dict[str, tuple[int, int, int]]:
    """For pairs and implications: shown by the document's rows, by ours, and possible."""
    features, optional = manifest()
    names = chosen_names(features)
    planned = subprocess.run(
        [*ACTION, "--mode", "plan", "--packages", APP], cwd=ROOT / "examples/voice-app",
        env=environment(Path(tempfile.gettempdir()) / "impact-plan", "plan"),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    ours = [set(row["features"]) for one in json.loads(planned.stdout)["crates"] for row in one["rows"]]
    shutil.rmtree(Path(tempfile.gettempdir()) / "impact-plan", ignore_errors=True)
    possible = [set(), set(names), {"default"}, *({one, other} for one in names for other in names)]
    sides = [rows_of_document(), ours, [*possible, *ours]]
    pairs = [len(pairs_shown(features, optional, side)) for side in sides]
    edges = [len(edges_noticed(features, optional, side)) for side in sides]
    return {"pairs": (pairs[0], pairs[1], pairs[2]), "implications": (edges[0], edges[1], edges[2])}


def script_on_sample(sample: Path, environ: dict[str, str]) -> dict[str, str]:
    """What the document's script says of the sample application, in which nothing is wrong."""
    told = {}
    for place, folder in (("workspace", sample), ("app", sample / "app")):
        listed = subprocess.run(
            ["bash", str(SCRIPT), "list"],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        told[place] = str(len(listed.stdout.split()))
    done = subprocess.run(
        ["bash", str(SCRIPT), "conflicts"], cwd=sample, env=environ, capture_output=True, check=False
    )
    told["declared"] = str(len(features_table(sample / "app/Cargo.toml")))
    return told | {"conflicts": f"exit {done.returncode}"}


# --- what is told ----------------------------------------------------------------------------------------------


def part(
    found: list[Found],
    harmless: int,
    costs: tuple[Cost, Cost],
    covered: dict[str, tuple[int, int, int]],
    script: dict[str, str],
    msrv: Msrv | None,
) -> Part:
    """The claims of line 895."""
    missed = [sum(not getattr(one, side) for one in found) for side in ("before", "document", "ours")]
    pairs, edges = covered["pairs"], covered["implications"]
    claims = [
        Claim(
            895, "90 % fewer failures that features cause (faults that pass CI)",
            f"{missed[0]} of {len(found)} pass before, {missed[1]} with its matrix: {change(missed[0], missed[1])}",
            f"{missed[2]}: {change(missed[0], missed[2])}",
            reduction(missed[0], missed[1]) >= 0.9, reduction(missed[0], missed[2]) >= 0.9,
        ),
        Claim(
            895, "comprehensive compatibility validation (pairs of features shown, implications noticed)",
            f"{of(pairs[0], pairs[2])}; {of(edges[0], edges[2])}",
            f"{of(pairs[1], pairs[2])}; {of(edges[1], edges[2])}",
            pairs[0] == pairs[2] and edges[0] == edges[2], pairs[1] == pairs[2] and edges[1] == edges[2],
        ),
        Claim(
            895, "systematic MSRV support (violations found)",
            of(msrv.document, msrv.violations) if msrv else "-", of(msrv.ours, msrv.violations) if msrv else "-",
            msrv.document == msrv.violations if msrv else None, msrv.ours == msrv.violations if msrv else None,
        ),
    ]  # fmt: skip
    rows = [
        (name, one.jobs, one.builds, one.units, one.seconds)
        for name, one in zip(("document's matrix", "actions: `validate`"), costs, strict=True)
    ]
    seen = [
        (one.fault.name, *("found" if side else "-" for side in (one.before, one.document, one.ours)))
        for one in found
    ]
    body = [
        prose(f"""
            **Workload.** Single changes of the sample application ([examples/voice-app](../examples/voice-app)) of
            two kinds: a gate on features is removed, or a feature no longer enables what it declares. They are tried
            in an order drawn with seed {SEED}, until {len(found)} of them are faults: cargo-hack finds a combination
            of up to two features that does not build ({harmless} were none). "Before" is `cargo check` and `cargo
            test --lib` with the default features. Each side stops at its first failure.
        """),
        table(("fault", "before", "document", "actions"), seen),
        "Cost of one whole run over the sample application, from nothing:",
        table(("", "rows", "of these different", "units compiled", "seconds"), rows),
        prose(f"""
            **Found.** All rows of the document's matrix (lines 683-756) have the default features on, and these are
            the ones that it combines: {costs[0].jobs} jobs build {costs[0].builds} different things. It can test
            neither a feature alone nor none. Its script (lines 758-893) finds {script["workspace"]} features from the
            root of the workspace and {script["app"]} of {script["declared"]} in the application's folder. Its search
            for conflicts ends with {script["conflicts"]} where nothing is wrong: `cargo generate-lockfile` has no
            `--features`.
        """),
        prose(msrv.text()) if msrv else "MSRV: not measured, it takes rustup with `stable` and `nightly`.",
        "Not shown: other targets, dependencies from a registry, faults of other kinds.",
    ]
    return Part("5. Toolchain and features", claims, body)
