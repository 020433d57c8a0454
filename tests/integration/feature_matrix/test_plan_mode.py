"""`plan` as a step, on real manifests, with the real cargo and cargo-hack beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fakes.cargo import CARGO, TOOLCHAIN, needs_cargo, rows_of, write_crate, write_features
from fakes.feature_crates import COLDVOX, enabled, synthetic, tangled, with_default
from fakes.steps import ROOT

VOICE_APP_FEATURES = tomllib.loads((ROOT / "examples/voice-app/app/Cargo.toml").read_text())["features"]
HACK = Path(sys.executable).parent / "cargo-hack"


@needs_cargo
def test_the_voice_app_gets_few_rows_and_a_summary_that_tells_why(matrix, voice_app):
    step = matrix(mode="plan", environ=TOOLCHAIN)
    assert step.exit_code == 0, step.log
    rows = rows_of(step)
    assert step.outputs["count"] == str(len(rows))
    assert step.outputs["has-jobs"] == "true"
    by_crate = {
        name: [row for row in rows if row["crate"] == name] for name in {row["crate"] for row in rows}
    }
    assert len(by_crate["coldvox-app"]) <= 13
    assert {row["flags"] for row in by_crate["coldvox-app"]} >= {
        "--package coldvox-app",
        "--package coldvox-app --no-default-features",
        "--package coldvox-app --all-features",
    }
    assert step.facts["source"] == "cargo metadata"
    assert "Feature matrix:" in step.summary
    assert "pairs and implications" in step.summary


@needs_cargo
def test_without_cargo_the_same_is_planned_and_said(matrix, voice_app, tmp_path):
    with_cargo = matrix(mode="plan", environ=TOOLCHAIN)
    bare = os.pathsep.join(
        folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "cargo").exists()
    )
    without = matrix(mode="plan", environ={"PATH": bare})
    assert without.facts["source"] == "Cargo.toml"
    assert "no cargo on PATH" in without.log
    assert sorted(map(json.dumps, rows_of(without))) == sorted(map(json.dumps, rows_of(with_cargo)))


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
def test_more_rows_than_jobs_are_folded_and_none_is_dropped(matrix, voice_app):
    whole = matrix(mode="plan", environ=TOOLCHAIN)
    folded = matrix(mode="plan", max_jobs=4, environ=TOOLCHAIN)
    entries = json.loads(folded.outputs["matrix"])["include"]
    assert [entry["shard"] for entry in entries] == ["1/4", "2/4", "3/4", "4/4"]
    by_flags = {row["flags"] for row in rows_of(whole)}
    assert len(rows_of(folded)) == len(by_flags)
    assert {row["flags"] for row in rows_of(folded)} == by_flags


@needs_cargo
def test_nothing_to_plan_is_no_error_and_says_so(matrix, workspace):
    write_crate(workspace / "only", name="only")
    step = matrix(mode="plan", manifest_path="only/Cargo.toml", exclude="only", environ=TOOLCHAIN)
    assert step.exit_code == 0
    assert (step.outputs["has-jobs"], step.outputs["count"]) == ("false", "0")
    assert json.loads(step.outputs["matrix"]) == {"include": []}


@needs_cargo
@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"manifest_path": "absent/Cargo.toml"}, "input 'manifest-path' is"),
        ({"manifest_path": "broken.toml"}, "is not valid TOML: "),
        ({"packages": "coldvox-ap"}, "Did you mean 'coldvox-app'?"),
        ({"exclude": "zzz"}, "input 'exclude' holds 'zzz'"),
        ({"strategy": "pairs"}, "input 'strategy' is 'pairs'"),
        ({"max_jobs": "257"}, "input 'max-jobs' is '257'"),
        ({"depth": "0"}, "input 'depth' is '0'"),
    ],
)
def test_a_wrong_input_is_told_by_name_with_what_is_allowed(matrix, voice_app, inputs, said):
    (voice_app / "broken.toml").write_text("[features\n")
    assert said in matrix(mode="plan", environ=TOOLCHAIN, **inputs).error()


@needs_cargo
def test_what_cargo_refuses_is_told_in_cargos_words(matrix, workspace):
    write_crate(workspace / "odd", '[features]\na = ["b"]\n', name="odd")
    message = matrix(mode="plan", manifest_path="odd/Cargo.toml", environ=TOOLCHAIN).error()
    assert "cargo metadata refuses" in message
    assert "feature `a` includes `b`" in message


CONFIGURATION = """
crates:
  coldvox-app:
    exclusive: [[no-stt, whisper]]
rows:
  - {crate: coldvox-app, features: vosk, description: Vosk only, deps: libvosk, default: false}
  - {crate: coldvox-app, features: level3, deprecated: true}
  - {crate: coldvox-app, features: examples, dev: true, description: For developers}
"""


@needs_cargo
@pytest.mark.parametrize(("event", "developers"), [("push", 0), ("workflow_dispatch", 1)])
def test_constraints_and_curated_rows_come_from_the_configuration(matrix, voice_app, event, developers):
    (voice_app / ".github").mkdir(exist_ok=True)
    (voice_app / ".github/feature-matrix.yml").write_text(CONFIGURATION)
    step = matrix(mode="plan", packages="coldvox-app", environ={**TOOLCHAIN, "GITHUB_EVENT_NAME": event})
    assert step.exit_code == 0, step.log
    rows = rows_of(step)
    assert not [row for row in rows if {"no-stt", "whisper"} <= set(row["features"].split(","))]
    assert rows[0]["description"] == "coldvox-app: Vosk only"
    assert rows[0]["needs"] == ["libvosk"]
    assert any(
        "a deprecated combination is tested: coldvox-app: level3 (line 7)" in one for one in step.warnings
    )
    assert sum("For developers" in row["description"] for row in rows) == developers


@needs_cargo
def test_the_sample_application_says_what_its_features_need_and_which_rows_are_for_whom(matrix, voice_app):
    configuration = (ROOT / "examples/voice-app/.github/feature-matrix.yml").read_text()
    (voice_app / "rows.yml").write_text(configuration)
    push = {**TOOLCHAIN, "GITHUB_EVENT_NAME": "push"}
    step = matrix(mode="plan", config="rows.yml", packages="coldvox-app", environ=push)
    assert step.exit_code == 0, step.log
    called = {row["description"].removeprefix("coldvox-app: ") for row in rows_of(step)}
    assert called > {"Vosk only", "Typing without recognition", "The fixed threshold of the first version"}
    assert "Examples" not in called
    assert len(step.warnings) == 1
    for row in rows_of(step):
        on = enabled(VOICE_APP_FEATURES, ("coldvox-text-injection",), row["features"].split(","))
        assert ("gui" in row["needs"]) == ("text-injection" in on)
        assert ("libvosk" in row["needs"]) == ("vosk" in on)


def at_prompt(folder: Path, tmp_path: Path, *arguments: str) -> str:
    """What `coldvox-actions feature-matrix --mode plan` shows there."""
    command = [
        sys.executable,
        ROOT / "shared/coldvox_actions.py",
        "feature-matrix",
        "--mode",
        "plan",
        *arguments,
    ]
    outside = ("GITHUB_", "RUNNER_", "INPUT")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
    environ["COLDVOX_ACTIONS_HOME"] = str(tmp_path / "state")
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True).stdout


@needs_cargo
def test_a_person_is_shown_the_combinations_and_why_and_gets_development_rows(voice_app, tmp_path):
    (voice_app / "rows.yml").write_text(CONFIGURATION)
    shown = at_prompt(voice_app, tmp_path, "--config", "rows.yml", "--packages", "coldvox-app")
    lines = [line.split(maxsplit=3) for line in shown.splitlines()]
    assert ["default", "features", "default"] in lines
    assert ["curated,", "line", "8", "For developers"] in lines
    assert "include" not in shown
    assert max(map(len, shown.splitlines())) < 400


@needs_cargo
def test_the_matrix_can_be_had_as_json_at_the_prompt(voice_app, tmp_path):
    facts = json.loads(at_prompt(voice_app, tmp_path, "--json", "--max-jobs", "3"))
    assert [entry["shard"] for entry in facts["matrix"]["include"]] == ["1/3", "2/3", "3/3"]


@needs_cargo
def test_a_contradiction_in_the_configuration_is_an_error_that_names_both_lines(matrix, voice_app):
    (voice_app / "odd.yml").write_text(
        "crates:\n  coldvox-app:\n    exclusive: [[vosk, whisper]]\n    requires: {vosk: whisper}\n"
    )
    message = matrix(mode="plan", config="odd.yml", environ=TOOLCHAIN).error()
    assert "exclusive [vosk, whisper] (line 3) and requires vosk: [whisper] (line 4) contradict" in message


@needs_cargo
@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"config": "absent.yml"}, "input 'config' is 'absent.yml', where there is no file"),
        ({"strategy": "curated"}, "there is no .github/feature-matrix.yml"),
    ],
)
def test_a_configuration_that_is_not_there_is_told(matrix, voice_app, inputs, said):
    assert said in matrix(mode="plan", environ=TOOLCHAIN, **inputs).error()


def crates_of(step) -> set[str]:
    return {row["crate"] for row in rows_of(step)}


EVERY_CRATE = {f"coldvox-{name}" for name in ("app", "audio", "foundation", "stt", "text-injection", "vad")}


@needs_cargo
@pytest.mark.parametrize(
    ("changed", "planned"),
    [
        (["app/src/main.rs"], {"coldvox-app"}),
        (["crates/coldvox-vad/src/lib.rs"], {"coldvox-vad", "coldvox-app"}),
        (["crates/coldvox-foundation/build.rs"], EVERY_CRATE),
        (["Cargo.lock"], EVERY_CRATE),
        (["Cargo.toml", "docs/x.md"], EVERY_CRATE),
        ([".github/feature-matrix.yml"], EVERY_CRATE),
        (["rust-toolchain.toml"], EVERY_CRATE),
        (["docs/x.md"], set()),
    ],
)
def test_only_what_a_change_can_touch_is_planned(matrix, voice_app, changed, planned):
    step = matrix(mode="plan", changed_files=changed, environ=TOOLCHAIN)
    assert step.exit_code == 0, step.log
    assert crates_of(step) == planned
    assert step.outputs["has-jobs"] == ("true" if planned else "false")


@needs_cargo
def test_the_base_ref_tells_what_changed_and_not_what_the_base_did_meanwhile(matrix, voice_app):
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
        subprocess.run(["git", *identity, *arguments], cwd=voice_app, check=True, capture_output=True)

    def change(name: str) -> None:
        with (voice_app / name).open("a") as file:
            file.write("// changed\n")
        git("commit", "--quiet", "--all", "--message", name)

    git("init", "--quiet", "--initial-branch", "main")
    git("add", "--all")
    git("commit", "--quiet", "--message", "begin")
    git("switch", "--quiet", "--create", "topic")
    change("crates/coldvox-stt/src/lib.rs")
    git("switch", "--quiet", "main")
    change("crates/coldvox-vad/src/lib.rs")
    git("switch", "--quiet", "topic")
    assert crates_of(matrix(mode="plan", base_ref="main", environ=TOOLCHAIN)) == {
        "coldvox-stt",
        "coldvox-app",
    }
    message = matrix(mode="plan", base_ref="absent", environ=TOOLCHAIN).error()
    assert "input 'base-ref' ('absent') needs a git checkout in" in message
    assert "fetch-depth: 0" in message


@needs_cargo
@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"base_ref": "main", "changed_files": "a"}, "'changed-files' and 'base-ref' are both given"),
        ({"base_ref": "--output=x"}, "input 'base-ref' is '--output=x'"),
    ],
)
def test_what_changed_is_told_in_one_way(matrix, voice_app, inputs, said):
    assert said in matrix(mode="plan", environ=TOOLCHAIN, **inputs).error()


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
