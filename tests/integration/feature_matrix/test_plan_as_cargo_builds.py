"""What `plan` says of features, builds and counts is what the real cargo, rustc and cargo-hack say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.cargo import CARGO, TOOLCHAIN, needs_cargo, rows_of, write_crate, write_features
from fakes.feature_crates import COLDVOX, synthetic, tangled, with_default

HACK = Path(sys.executable).parent / "cargo-hack"


@needs_cargo
@pytest.mark.parametrize(
    ("package", "folder"),
    [
        ("coldvox-app", "app"),
        ("coldvox-text-injection", "crates/coldvox-text-injection"),
        ("coldvox-vad", "crates/coldvox-vad"),
    ],
)
def test_the_counts_beside_the_plan_are_what_cargo_hack_runs(matrix, voice_app, package, folder):
    step = matrix(mode="plan", packages=[package], environ=TOOLCHAIN)
    (facts,) = step.facts["crates"]
    manifest = voice_app / folder / "Cargo.toml"
    for options, name in (
        (["--each-feature"], "each_feature_rows"),
        (["--feature-powerset", "--depth", "2"], "depth_two_rows"),
    ):
        listed = subprocess.run(
            [HACK, "hack", "check", *options, "--print-command-list", "--manifest-path", manifest],
            capture_output=True,
            text=True,
            check=True,
        )
        assert facts[name] == len(listed.stdout.splitlines())


OWN_DEFAULT = {
    "default": ("a", "dep:x", "y?/quiet"),
    "a": ("b",),
    "b": ("c", "x?/speed"),
    "c": ("a",),
    "d": ("dep:y",),
    "full": ("a", "d", "default"),
}


@needs_cargo
@pytest.mark.parametrize(
    ("features", "optional"),
    [
        synthetic(1),
        synthetic(2),
        synthetic(5),
        tangled(1),
        tangled(2),
        (OWN_DEFAULT, ("x", "y")),
        *COLDVOX.values(),
    ],
    ids=["small", "chains", "large", "tangled", "more tangled", "own default", *COLDVOX],
)
def test_rustc_sees_the_features_that_were_computed(matrix, workspace, features, optional):
    """Cargo's own resolver and ours agree, on chains, diamonds, circles, weak and cross-crate edges, and on default."""
    write_features(workspace, features, optional)
    step = matrix(mode="plan", packages=["sample"], environ=TOOLCHAIN)
    assert step.exit_code == 0, step.log
    (plan,) = step.facts["crates"]
    assert (plan["pairs"], plan["edges"]) == (plan["pairs_feasible"], plan["edges_feasible"])
    for row in plan["rows"]:
        expected = with_default(features, optional, row["features"])
        for flags in (row["flags"], *map(flags_named, row["also"])):
            seen = features_seen(workspace, flags)
            assert seen.pop("sample") - {"default"} == expected & set(features) - {"default"}
            assert set(seen) & set(optional) == {key for key in optional if f"dep:{key}" in expected}
            for key, found in seen.items():
                assert found == {one.split("/")[1] for one in expected if one.startswith(f"{key}/")}
        assert ("default" in features_seen(workspace, row["flags"])["sample"]) == ("default" in expected)


def flags_named(name: str) -> str:
    """What tells cargo to build what a plan calls so."""
    known = {"none": "--no-default-features", "all": "--all-features"}
    return f"--package sample {known.get(name) or f'--no-default-features --features {name}'}"


def features_seen(folder: Path, flags: str) -> dict[str, set[str]]:
    """The features that rustc is given for each package that cargo builds for these flags."""
    done = subprocess.run(
        [CARGO, "check", "--offline", "--quiet", "--message-format=json", *flags.split()],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    messages = map(json.loads, done.stdout.splitlines())
    return {
        message["target"]["name"].replace("_", "-"): set(message["features"])
        for message in messages
        if message["reason"] == "compiler-artifact"
    }


@needs_cargo
def test_what_cargo_refuses_is_told_in_cargos_words(matrix, workspace):
    write_crate(workspace / "odd", '[features]\na = ["b"]\n', name="odd")
    message = matrix(mode="plan", manifest_path="odd/Cargo.toml", environ=TOOLCHAIN).error()
    assert "cargo metadata refuses" in message
    assert "feature `a` includes `b`" in message


FOR_TARGETS = """
[features]
linux = ["dep:on-linux"]
windows = ["dep:on-windows"]
keys = ["dep:keys"]
fast = ["keys?/fast"]

[target.'cfg(target_os = "linux")'.dependencies]
on-linux = { path = "on-linux", optional = true }
keys = { path = "keys", features = ["fast"], optional = true }

[target.'cfg(target_os = "windows")'.dependencies]
on-windows = { path = "on-windows", optional = true }
keys = { path = "keys", optional = true }

[workspace]
"""


@needs_cargo
def test_on_one_target_what_builds_the_same_is_one_row(matrix, workspace):
    """Rows that were merged are the same build by cargo's own messages, and rows that were not differ."""
    write_crate(workspace, FOR_TARGETS, source='#[cfg(all(windows, feature = "windows"))]\nmod keys {}\n')
    for name, features in (("on-linux", ""), ("on-windows", ""), ("keys", "[features]\nfast = []\n")):
        write_crate(workspace / name, features, name=name)
    options = {"packages": ["sample"], "strategy": "powerset", "depth": "4"}
    whole = matrix(mode="plan", **options, environ=TOOLCHAIN)
    assert len(rows_of(whole)) == 16
    aware = matrix(mode="plan", target_aware=True, **options, environ=TOOLCHAIN)
    assert aware.exit_code == 0, aware.log
    (plan,) = aware.facts["crates"]
    assert len(plan["rows"]) == 4  # with and without `linux`, with and without `keys`
    assert aware.facts["target"] in aware.summary
    builds = []
    for row in plan["rows"]:
        same = [row["description"].removeprefix("sample: "), *row["also"]]
        seen = {built_with(workspace, names) for names in same}
        assert len(seen) == 1, same
        builds += seen
    assert len(set(builds)) == len(builds)


def built_with(folder: Path, name: str) -> frozenset[tuple[str, frozenset[str]]]:
    """The dependencies that cargo builds for these features, each with its own features."""
    seen = features_seen(folder, flags_named(name))
    return frozenset((package, frozenset(found)) for package, found in seen.items() if package != "sample")


def test_without_rustc_nothing_can_be_planned_for_a_target(matrix, workspace, tmp_path):
    write_crate(workspace, "[workspace]\n")
    step = matrix(mode="plan", target_aware=True, environ=TOOLCHAIN | {"RUSTC": str(tmp_path / "rustc")})
    assert "input 'target-aware' is 'true', and rustc cannot be asked" in step.error()
