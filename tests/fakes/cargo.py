"""The real cargo in tests: a crate on disk, and the environment that lets a step with a HOME of its own find Rust."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from fakes.feature_crates import Manifest
from fakes.steps import StepRun

CARGO = shutil.which("cargo")
needs_cargo = pytest.mark.skipif(CARGO is None, reason="needs cargo on PATH")
TOOLCHAIN = {
    name: os.environ[name] for name in ("CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN") if name in os.environ
}
if CARGO and "RUSTUP_HOME" not in TOOLCHAIN:  # the step gets a HOME of its own
    TOOLCHAIN["RUSTUP_HOME"] = str(Path.home() / ".rustup")
SOUND = '#[cfg(feature = "audio")]\npub fn play() {}\n'


def write_crate(folder: Path, manifest: str = "", name: str = "sample", source: str = "") -> None:
    """A library. `manifest` is what follows its [package] table."""
    (folder / "src").mkdir(parents=True)
    (folder / "src/lib.rs").write_text(source)
    (folder / "Cargo.toml").write_text(
        f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n{manifest}'
    )


def write_features(folder: Path, features: Manifest, optional: Collection[str], name: str = "sample") -> Path:
    """A workspace of one crate with these features, and of the path-only dependencies that they name. Its manifest."""
    wanted: dict[str, set[str]] = {key: set() for key in optional}
    for value in (value for values in features.values() for value in values if "/" in value):
        key, _, feature = value.partition("/")
        wanted.setdefault(key.removesuffix("?"), set()).add(feature)
    table = "[workspace]\n[features]\n"
    table += "".join(f"{one} = {json.dumps(list(values))}\n" for one, values in features.items())
    table += "[dependencies]\n"
    for key, names in wanted.items():
        write_crate(
            folder / key, "[features]\n" + "".join(f"{one} = []\n" for one in sorted(names)), name=key
        )
        option = ", optional = true" if key in optional else ""
        table += f'{key} = {{ path = "{key}", default-features = false{option} }}\n'
    write_crate(folder, table, name=name)
    return folder / "Cargo.toml"


def entries_of(step: StepRun) -> list[dict[str, object]]:
    """The entries of the matrix that a plan put out."""
    return json.loads(step.outputs["matrix"])["include"]


def rows_of(step: StepRun) -> list[dict[str, str]]:
    """All rows of the matrix that a plan put out, with all that the plan says of them."""
    planned = [
        row | {"features": ",".join(row["features"])} for one in step.facts["crates"] for row in one["rows"]
    ]
    known = {(row["crate"], row["features"]): row for row in planned}
    return [known[row["crate"], row["features"]] for entry in entries_of(step) for row in entry["rows"]]


def results_of(step: StepRun) -> Mapping[str, Mapping[str, object]]:
    """What became of the rows, by their descriptions."""
    return {row["description"]: row for row in step.facts["rows"]}
