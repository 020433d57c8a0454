"""Cargo is run for the crate's own manifest, in its workspace's folder, and where a row can fail by itself only."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fakes.cargo import CARGO, SOUND, TOOLCHAIN, needs_cargo, results_of, write_crate

pytestmark = needs_cargo
OLD = 'edition = "2018"'  # resolver 1


def lock(folder: Path) -> None:
    """Write the lock file that fits."""
    subprocess.run([CARGO, "generate-lockfile", "--offline", "--quiet"], cwd=folder, check=True)


def test_with_resolver_1_a_member_is_tested_with_its_own_features(workspace, validate):
    write_crate(workspace, '[workspace]\nmembers = ["m"]\n', name="rootp")
    write_crate(
        workspace / "m",
        '[features]\ndefault = ["d"]\nd = []\na = []\n',
        name="m",
        source='#[cfg(not(feature = "d"))]\ncompile_error!("without d");\n',
    )
    for manifest in (workspace / "Cargo.toml", workspace / "m/Cargo.toml"):
        manifest.write_text(manifest.read_text().replace('edition = "2021"', OLD))
    lock(workspace)
    step = validate(commands="check", packages="m")
    results = results_of(step)
    assert (results["m: none"]["state"], results["m: default"]["state"]) == ("failed", "passed")
    assert {row["note"] for row in results.values() if row["state"] == "failed"} == {
        "fails with no features at all; passes with {d} added"
    }


@pytest.fixture
def nested(workspace) -> Path:
    """A cargo workspace below the checkout."""
    write_crate(workspace / "ws/sample", source='#[cfg(not(nested))]\ncompile_error!("outside");\n')
    (workspace / "ws/Cargo.toml").write_text('[workspace]\nmembers = ["sample"]\nresolver = "2"\n')
    lock(workspace / "ws")
    return workspace / "ws"


@pytest.mark.parametrize("manifest", ["ws/Cargo.toml", "ws/sample/Cargo.toml"])
def test_cargos_configuration_beside_a_nested_workspace_holds(nested, validate, manifest):
    step = validate(commands="check", manifest_path=manifest)
    assert step.exit_code == 1
    assert "file=ws/sample/src/lib.rs,line=2" in step.log  # relative to the repository, all the same
    (nested / ".cargo").mkdir()
    (nested / ".cargo/config.toml").write_text('[build]\nrustflags = ["--cfg", "nested"]\n')
    assert validate(commands="check", manifest_path=manifest).exit_code == 0
    assert (nested / "target").is_dir()


@pytest.mark.skipif(shutil.which("rustup") is None, reason="needs rustup on PATH")
def test_the_toolchain_file_of_a_nested_workspace_holds(nested, validate):
    (nested / "rust-toolchain.toml").write_text('[toolchain]\nchannel = "no-such-toolchain"\n')
    assert "no-such-toolchain" in validate(manifest_path="ws/Cargo.toml").error()


def test_a_toolchain_that_is_not_here_is_one_error_before_anything_is_built(
    crate, configure, validate, workspace
):
    crate(SOUND)
    configure("crates:\n  sample:\n    toolchain: no-such-toolchain\n")
    text = validate(commands="check").error()
    assert "the toolchain 'no-such-toolchain', which the configuration names, is not installed here" in text
    assert "rustup toolchain install no-such-toolchain" in text
    assert not (workspace / "target").exists()


@pytest.mark.skipif(
    subprocess.run(
        ["sh", "-c", "rustup run stable rustc --version"], capture_output=True, check=False
    ).returncode
    != 0,
    reason="needs rustup with the toolchain 'stable'",
)
def test_a_toolchain_that_is_here_is_run(crate, configure, validate):
    crate(SOUND)
    configure("crates:\n  sample:\n    toolchain: stable\n    platform: linux\n")
    step = validate(commands="check")
    assert step.exit_code == 0, step.log
    assert "$ cargo +stable check" in step.log


@pytest.mark.parametrize("mode", ["validate", "docs", "deps"])
def test_a_lock_file_that_does_not_fit_is_one_error_before_anything_is_built(crate, matrix, workspace, mode):
    crate(SOUND)
    stale = "version = 4\n"
    (workspace / "Cargo.lock").write_text(stale)
    text = matrix(mode=mode, environ=TOOLCHAIN).error()
    assert f"{workspace}/Cargo.lock does not fit the manifests" in text
    assert "cargo update --workspace" in text
    assert (workspace / "Cargo.lock").read_text() == stale
    assert not (workspace / "target/debug").exists()


def test_a_package_that_cannot_be_had_is_one_error_before_anything_is_built(crate, validate, workspace):
    crate(SOUND, manifest='[dependencies]\nabsent = { path = "vendor/absent" }\n')
    (workspace / "Cargo.lock").unlink()
    text = validate(commands="check").error()
    assert "cargo tree cannot resolve the dependencies: error: failed to get `absent`" in text


@pytest.mark.parametrize("command", ["no-such-command", "clippy"])
def test_a_subcommand_that_is_not_here_is_one_error(crate, validate, workspace, tmp_path, command):
    """As in a minimal toolchain: rustup's own cargo-clippy is on PATH, and says that there is none."""
    crate(SOUND)
    (tmp_path / "bin").mkdir()
    stand_in = tmp_path / "bin/cargo-clippy"
    stand_in.write_text(
        "#!/bin/sh\necho \"error: 'cargo-clippy' is not installed for the toolchain\" >&2\nexit 1\n"
    )
    stand_in.chmod(0o755)
    rust = Path(
        subprocess.run(
            ["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )
    for name in ("cargo", "rustc"):
        (tmp_path / "bin" / name).symlink_to(rust / "bin" / name)
    environ = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    text = validate(commands=["check", command], environ=environ).error()
    assert f"input 'commands' holds '{command}', and there is no `cargo {command}` here" in text
    assert not (workspace / "target").exists()


def test_without_a_lock_file_all_rows_take_what_is_resolved_once(crate, validate, workspace):
    crate(SOUND)
    (workspace / "Cargo.lock").unlink()
    step = validate(commands="check")
    assert step.exit_code == 0, step.log
    assert "there is no Cargo.lock" in step.log
    assert len(step.log.split("--locked")) == int(step.outputs["count"]) + 1


def test_zero_is_no_limit_for_a_row(crate, validate):
    crate(SOUND)
    assert validate(commands="check", row_timeout_seconds=0).exit_code == 0


def test_an_alias_of_the_workspace_is_a_subcommand(crate, validate, workspace):
    crate(SOUND)
    (workspace / ".cargo").mkdir()
    (workspace / ".cargo/config.toml").write_text('[alias]\nlook = "check --lib"\n')
    assert validate(commands="look").exit_code == 0
