"""`msrv` as a step, with the real cargo; rustup itself where toolchains are listed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fakes.cargo import TOOLCHAIN, needs_cargo, results_of, write_crate
from fakes.rust_releases import serve_release

pytestmark = needs_cargo
needs_rustup = pytest.mark.skipif(shutil.which("rustup") is None, reason="needs rustup on PATH")
FEATURES = "[features]\ndefault = ['audio']\naudio = []\nnetwork = []\n"
TOO_OLD = "1.57"


def here() -> str:
    """The version of the Rust on PATH, without its patch release."""
    told = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout
    return re.match(r"rustc (\d+\.\d+)", told)[1]


@pytest.fixture
def msrv(matrix):
    def run(environ=None, **inputs):
        return matrix(mode="msrv", environ=TOOLCHAIN | (environ or {}), **inputs)

    return run


def declare(workspace: Path, version: str, source: str = "", extra: str = "") -> None:
    write_crate(workspace, f'rust-version = "{version}"\n{FEATURES}{extra}', source=source)


def test_none_default_and_all_features_are_checked_with_the_declared_version(workspace, msrv):
    declare(workspace, here())
    step = msrv()
    assert step.exit_code == 0, step.log
    results = results_of(step)
    assert len(results) == 3
    assert all(name.endswith(f"(Rust {here()})") for name in results)
    assert {row["features"] for row in results.values()} == {"", "default", "default,audio,network"}


def test_what_does_not_build_fails_with_the_features_that_do_it(workspace, msrv):
    declare(workspace, here(), source='#[cfg(feature = "network")]\ncompile_error!("too new");\n')
    step = msrv()
    assert step.exit_code == 1
    assert any("fails with exactly {network}" in text and "too new" in text for text in step.errors)


def test_a_version_that_is_not_here_is_an_error_that_says_how_to_get_it(workspace, msrv):
    declare(workspace, TOO_OLD)
    text = msrv().error()
    assert f"Rust {TOO_OLD}, which is declared as the minimum, is not installed" in text
    assert f"rustup toolchain install {TOO_OLD}" in text
    assert not (workspace / "target").exists()


@pytest.mark.parametrize("table", ["workspace", "workspace.package"])
def test_a_version_where_it_has_no_effect_counts_with_a_warning(workspace, msrv, table):
    write_crate(workspace, f'{FEATURES}[{table}]\nrust-version = "{here()}"\n')
    step = msrv()
    assert step.exit_code == 0, step.log
    assert any(f"below [{table}] has no effect" in text for text in step.warnings)
    assert len(results_of(step)) == 3


def test_a_lock_file_that_the_declared_version_cannot_read_is_told(workspace, msrv):
    declare(workspace, "1.60")
    (workspace / "Cargo.lock").write_text('version = 4\n\n[[package]]\nname = "sample"\nversion = "0.1.0"\n')
    assert any("version 4 of Cargo.lock needs Rust 1.78" in text for text in msrv().warnings)


def test_crates_that_declare_nothing_are_left_out_and_none_at_all_is_an_error(workspace, msrv):
    (workspace / "Cargo.toml").write_text('[workspace]\nmembers = ["old", "new"]\nresolver = "2"\n')
    write_crate(workspace / "old", f'rust-version = "{here()}"\n', name="old")
    write_crate(workspace / "new", name="new")
    step = msrv()
    assert step.exit_code == 0, step.log
    assert "new declares no rust-version, and is left out" in step.log
    assert {row["crate"] for row in step.facts["rows"]} == {"old"}
    assert "says which Rust it needs" in msrv(packages="new").error()


@needs_rustup
def test_a_toolchain_that_rustup_has_is_used(workspace, msrv, tmp_path):
    rustup = rustup_home(tmp_path)
    stable = Path(stable_toolchain())
    (rustup / "toolchains" / stable.name.replace("stable", "1.70.0")).symlink_to(stable)
    declare(workspace, "1.70")
    step = msrv(environ={"RUSTUP_HOME": str(rustup)})
    assert "$ cargo +1.70.0-" in step.log
    assert len(results_of(step)) == 3


@needs_rustup
def test_a_missing_toolchain_is_installed_when_asked_and_its_failure_is_told(workspace, msrv, tmp_path):
    declare(workspace, TOO_OLD)
    # No network is needed to see rustup refuse.
    environ = {"RUSTUP_HOME": str(rustup_home(tmp_path)), "RUSTUP_DIST_SERVER": "http://127.0.0.1:9"}
    text = msrv(environ=environ, install="true").error()
    assert f"rustup cannot install Rust {TOO_OLD}" in text
    assert "127.0.0.1:9" in text


@needs_rustup
def test_a_missing_toolchain_is_installed_when_asked_and_used(workspace, msrv, tmp_path):
    """By the real rustup, from a server of our own, whose release hands over to the Rust that is here."""
    declare(workspace, TOO_OLD)
    home, sysroot = rustup_home(tmp_path), Path(stable_toolchain())
    host = sysroot.name.removeprefix("stable-")
    with serve_release(TOO_OLD, host=host, sysroot=sysroot) as address:
        step = msrv(environ={"RUSTUP_HOME": str(home), "RUSTUP_DIST_SERVER": address}, install="true")
    assert step.exit_code == 0, step.log
    assert (home / f"toolchains/{TOO_OLD}-{host}/bin/rustc").is_file()
    assert step.log.index(f"Installing Rust {TOO_OLD}") < step.log.index(f"$ cargo +{TOO_OLD} check")
    assert len(results_of(step)) == 3
    again = msrv(environ={"RUSTUP_HOME": str(home), "RUSTUP_DIST_SERVER": "http://127.0.0.1:9"})
    assert again.exit_code == 0, again.log


def test_rows_that_people_chose_and_targets_that_nothing_builds_are_no_question_of_the_version(
    workspace, configure, msrv
):
    declare(workspace, here(), extra='[[example]]\nname = "e"\nrequired-features = ["network"]\n')
    (workspace / "examples").mkdir()
    (workspace / "examples/e.rs").write_text("fn main() {}\n")
    configure(
        "crates:\n  sample:\n    exclusive: [[audio, network]]\nrows:\n  - {features: network, default: false}\n"
    )
    step = msrv()
    assert {row["features"] for row in step.facts["rows"]} == {
        "",
        "default",
    }  # nor more of all that is allowed


def rustup_home(folder: Path) -> Path:
    """A home of rustup that has the stable toolchain, and room for others."""
    home = folder / "rustup"
    (home / "toolchains").mkdir(parents=True)
    stable = Path(stable_toolchain())
    (home / "toolchains" / stable.name).symlink_to(stable)
    (home / "settings.toml").write_text(f'version = "12"\ndefault_toolchain = "{stable.name}"\n')
    return home


def stable_toolchain() -> str:
    command = ["rustc", "+stable", "--print", "sysroot"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
