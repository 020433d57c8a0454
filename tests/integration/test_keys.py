from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from fakes.steps import ActionStarter

RUSTC = """#!/bin/sh
echo 'rustc {release} ({commit} 2026-01-01)'
echo 'binary: rustc'
echo 'commit-hash: {commit}'
echo 'host: x86_64-unknown-linux-gnu'
echo 'release: {release}'
"""


def compiler(path: Path, release: str, commit: str) -> dict[str, str]:
    path.write_text(RUSTC.format(release=release, commit=commit))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"RUSTC": str(path)}


def segments(step) -> dict[str, str]:
    return dict(step.facts["segments"])


def test_a_key_names_what_a_cache_must_agree_on(action: ActionStarter, workspace, tmp_path) -> None:
    (workspace / "Cargo.lock").write_text("x")
    step = action(
        mode="key",
        key="target",
        labels='["self-hosted", "Linux", "X64"]',
        segments="release, gui",
        hash_files="**/Cargo.lock",
        environ=compiler(tmp_path / "rustc", "1.90.0", "0123456789abcdef"),
    )
    names = list(segments(step))
    assert names[:5] == ["prefix", "system", "libc", "labels", "rustc"]
    assert segments(step)["labels"] == "linux-self-hosted-x64"
    assert segments(step)["rustc"] == "rustc1.90.0-012345678-x86_64-unknown-linux-gnu"
    assert step.outputs["key"] == "-".join(value for _, value in step.facts["segments"])


def test_restore_keys_drop_the_hash_and_free_segments_and_nothing_else(
    action: ActionStarter, workspace
) -> None:
    (workspace / "lock").write_text("x")
    step = action(mode="key", segments="one two", hash_files="lock", environ={"RUSTC": "/absent"})
    key = step.outputs["key"]
    without_hash = key.rpartition("-")[0] + "-"
    lines = step.outputs["restore-keys"].splitlines()
    assert lines == [without_hash, without_hash.removesuffix("two-"), without_hash.removesuffix("one-two-")]
    assert "libc" in lines[-1] or "musl" in lines[-1]


def test_the_same_release_of_another_build_of_the_compiler_has_another_key(
    action: ActionStarter, tmp_path
) -> None:
    first = action(mode="key", environ=compiler(tmp_path / "a", "1.90.0", "a" * 40))
    second = action(mode="key", environ=compiler(tmp_path / "b", "1.90.0", "b" * 40))
    assert first.outputs["key"] != second.outputs["key"]


def test_the_hash_follows_contents_and_names_and_not_times_or_order(action: ActionStarter, workspace) -> None:
    def key() -> str:
        return action(mode="key", hash_files="**/*.txt\n!skip/**", environ={"RUSTC": "/absent"}).outputs[
            "key"
        ]

    for name in ("a.txt", "sub/b.txt", "skip/c.txt"):
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_text(name)
    first = key()
    (workspace / "a.txt").touch()
    (workspace / "skip/c.txt").write_text("changed")
    assert key() == first
    (workspace / "sub/b.txt").write_text("changed")
    second = key()
    assert second != first
    (workspace / "sub/b.txt").rename(workspace / "sub/d.txt")
    assert key() != second


def test_a_host_without_rust_has_a_key_without_it(action: ActionStarter) -> None:
    step = action(mode="key", environ={"RUSTC": "/absent/rustc"})
    assert step.exit_code == 0
    assert "rustc" not in segments(step)


def test_a_compiler_that_fails_in_a_rust_workspace_is_an_error(
    action: ActionStarter, workspace, tmp_path
) -> None:
    broken = tmp_path / "rustc"
    broken.write_text("#!/bin/sh\necho 'toolchain 1.99 is not installed' >&2\nexit 1\n")
    broken.chmod(0o755)
    assert action(mode="key", environ={"RUSTC": str(broken)}).exit_code == 0
    (workspace / "Cargo.toml").write_text("[workspace]\n")
    message = action(mode="key", environ={"RUSTC": str(broken)}).error()
    assert "toolchain 1.99 is not installed" in message


@pytest.mark.skipif(shutil.which("rustc") is None, reason="needs rustc")
def test_it_asks_the_real_compiler_too(action: ActionStarter, workspace) -> None:
    # RUSTUP_HOME of this account: the action's HOME is a folder of the test.
    environ = {"RUSTUP_HOME": str(Path.home() / ".rustup")} if (Path.home() / ".rustup").exists() else {}
    step = action(mode="key", environ=environ)
    assert segments(step)["rustc"].startswith("rustc1.")


def test_a_key_that_grows_too_long_is_an_error(action: ActionStarter) -> None:
    message = action(mode="key", segments=" ".join(f"segment{number}" for number in range(60))).error()
    assert "allowed: up to 512" in message


def test_characters_that_a_cache_key_cannot_hold_are_replaced(action: ActionStarter) -> None:
    step = action(mode="key", key="my key", segments="feat/x:y", environ={"RUSTC": "/absent"})
    assert step.outputs["key"].startswith("my_key-linux-")
    assert step.outputs["key"].endswith("-feat_x_y")
