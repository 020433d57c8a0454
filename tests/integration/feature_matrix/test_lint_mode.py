"""`lint` as a step: every rule on a manifest that breaks it, and silence about one that breaks none."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.cargo import CARGO, TOOLCHAIN, write_crate


@pytest.fixture
def crate(workspace) -> Path:
    (workspace / "src").mkdir(parents=True)
    (workspace / "src/lib.rs").write_text('#[cfg(feature = "used")]\npub fn used() {}\n')
    return workspace


def lint(matrix, crate: Path, manifest: str, *, lock: int = 0, **inputs):
    """Without cargo on PATH: what is wrong must be found before anything is installed."""
    (crate / "Cargo.toml").write_text(manifest)
    if lock:
        (crate / "Cargo.lock").write_text(f"version = {lock}\n")
    return matrix(mode="lint", environ={"PATH": "/usr/bin:/bin"}, **inputs)


PACKAGE = '[package]\nname = "sample"\nversion = "0.1.0"\nedition = "2021"\n'


@pytest.mark.parametrize(
    ("manifest", "lock", "rule", "said"),
    [
        (
            PACKAGE + '[workspace]\nrust-version = "1.75"\n',
            0,
            "rust-version-misplaced",
            "Cargo.toml:6: rust-version = '1.75'",
        ),
        (
            PACKAGE + '[workspace.package]\nrust-version = "1.75"\n',
            4,
            "rust-version-not-inherited",
            "Cargo.toml:6: rust-version = '1.75' below [workspace.package] has no effect, for no crate inherits it",
        ),
        (
            PACKAGE + '[workspace.package]\nrust-version = "1.75"\n',
            4,
            "lock-file-too-new",
            "Rust 1.78, and 1.75 is declared",
        ),
        (
            PACKAGE + 'rust-version = "1.75"\n',
            4,
            "lock-file-too-new",
            "Cargo.lock:1: version 4 of Cargo.lock needs Rust 1.78",
        ),
        (
            PACKAGE + "[features]\nunused = []\n",
            0,
            "feature-unused",
            "Cargo.toml:6: feature 'unused' of sample",
        ),
        (PACKAGE + '[features]\nused = []\nold = ["used"]\n', 0, "feature-alias", "another name for 'used'"),
        (
            PACKAGE + '[dependencies]\nx = { version = "1", optional = true }\n',
            0,
            "feature-implicit",
            "`dep:x` hides it",
        ),
        (
            PACKAGE + '[features]\na-b = ["used"]\na_b = ["used", "a-b"]\nused = []\n',
            0,
            "feature-look-alike",
            "Cargo.toml:7: features 'a-b' and 'a_b' of sample differ in - and _ only",
        ),
        (
            PACKAGE
            + '[features]\ndefault = ["dep:x"]\n[dependencies]\nx = { version = "1", optional = true }\n',
            0,
            "default-not-droppable",
            "default of sample holds 'dep:x' itself",
        ),
    ],
)
def test_each_mistake_is_found_and_named_with_its_place(matrix, crate, manifest, lock, rule, said):
    step = lint(matrix, crate, manifest, lock=lock)
    assert step.exit_code == 0, step.log
    assert rule in {one["rule"] for one in step.facts["findings"]}
    assert said in step.log
    assert rule in step.summary


def test_a_feature_whose_name_stands_in_a_text_only_is_unused(matrix, crate):
    (crate / "src/lib.rs").write_text('pub const KIND: &str = "used";\n')
    step = lint(matrix, crate, PACKAGE + "[features]\nused = []\n")
    assert [one["rule"] for one in step.facts["findings"]] == ["feature-unused"]


def test_what_an_editor_leaves_beside_the_source_does_no_harm(matrix, crate):
    (crate / "src/.#lib.rs").symlink_to("nobody@host.1234")
    assert lint(matrix, crate, PACKAGE + "[features]\nused = []\n").outputs["findings"] == "0"


def test_a_sound_manifest_has_no_finding(matrix, crate):
    step = lint(matrix, crate, PACKAGE + 'rust-version = "1.78"\n[features]\nused = []\n', lock=4)
    assert (step.exit_code, step.outputs["findings"]) == (0, "0"), step.log


@pytest.mark.parametrize(("fail_on", "exit_code"), [("never", 0), ("warning", 1)])
def test_a_warning_fails_the_step_only_if_asked(matrix, crate, fail_on, exit_code):
    step = lint(matrix, crate, PACKAGE + "[features]\nunused = []\n", fail_on=fail_on)
    assert step.exit_code == exit_code
    assert step.outputs["findings"] == "1"


def test_a_feature_that_only_a_build_script_or_a_target_uses_is_used(matrix, crate):
    (crate / "build.rs").write_text('fn main() { std::env::var("CARGO_FEATURE_IN_BUILD"); }\n')
    manifest = (
        PACKAGE
        + '[features]\nin-build = []\nshow = []\n[[example]]\nname = "e"\nrequired-features = ["show"]\n'
    )
    assert lint(matrix, crate, manifest).outputs["findings"] == "0"


TWO_CRATES = '[workspace]\nmembers = ["a", "b"]\nrust-version = "1.75"\n'


@pytest.mark.parametrize(
    ("inputs", "rules"),
    [
        ({}, ["feature-unused", "feature-unused", "rust-version-misplaced"]),
        ({"packages": "a"}, ["feature-unused", "rust-version-misplaced"]),
        ({"exclude": "a\nb"}, ["rust-version-misplaced"]),
    ],
)
def test_only_chosen_crates_are_looked_at_and_always_the_workspace(matrix, workspace, inputs, rules):
    for name in ("a", "b"):
        write_crate(workspace / name, f"[features]\nof-{name} = []\n", name=name)
    step = lint(matrix, workspace, TWO_CRATES, **inputs)
    assert sorted(one["rule"] for one in step.facts["findings"]) == rules


@pytest.mark.parametrize("mode", ["lint", "deps", "docs", "msrv"])
@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"packages": "nonexist"}, "input 'packages' holds 'nonexist', which is no member"),
        ({"exclude": "nonexist"}, "input 'exclude' holds 'nonexist', which is no member"),
        ({"config": "nope.yml"}, "input 'config' is 'nope.yml', where there is no file"),
        ({"config": "deep.yml"}, "deep.yml is nested too deeply"),
    ],
)
def test_inputs_that_all_modes_have_are_checked_in_each(matrix, crate, mode, inputs, said):
    if mode != "lint" and CARGO is None:
        pytest.skip("needs cargo on PATH")
    (crate / "Cargo.toml").write_text(PACKAGE + 'rust-version = "1.56"\n')
    (crate / "deep.yml").write_text("[" * 200_000)
    assert said in matrix(mode=mode, environ=TOOLCHAIN, **inputs).error()


@pytest.mark.parametrize("version", ["[4]", '"4"', "{}"])
def test_a_lock_file_of_no_known_form_is_no_bug_of_ours(matrix, crate, version):
    (crate / "Cargo.lock").write_text(f"version = {version}\n")
    assert lint(matrix, crate, PACKAGE + 'rust-version = "1.56"\n').exit_code == 0


def test_a_feature_that_only_the_tests_of_another_member_ask_for_is_used(matrix, workspace):
    write_crate(workspace / "a", "[features]\nasked = []\nnamed = []\nunused = []\n", name="a")
    asking = '[dev-dependencies]\na = { path = "../a", features = ["asked"] }\n[features]\nf = ["a/named"]\n'
    write_crate(workspace / "b", asking, name="b", source='#[cfg(feature = "f")]\nfn f() {}\n')
    (workspace / "Cargo.toml").write_text('[workspace]\nmembers = ["a", "b"]\nresolver = "2"\n')
    step = matrix(mode="lint", environ={"PATH": "/usr/bin:/bin"})
    assert [one["text"].split("'")[1] for one in step.facts["findings"]] == ["unused"]


def test_a_version_that_a_crate_inherits_has_an_effect(matrix, crate):
    step = lint(
        matrix, crate, PACKAGE + 'rust-version.workspace = true\n[workspace.package]\nrust-version = "1.75"\n'
    )
    assert step.facts["findings"] == []
