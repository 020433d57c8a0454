"""`plan` of what a list of changed files, or a base to compare with, can touch."""

from __future__ import annotations

import subprocess

import pytest

from fakes.cargo import TOOLCHAIN, needs_cargo, rows_of


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
