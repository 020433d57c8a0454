"""Violations of the minimum Rust version, seeded one by one: the document's two checks and the action's `msrv`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from feature_faults import copy_sample

OLDEST = "1.75"
MAIN = "app/src/main.rs"


@dataclass(frozen=True)
class Msrv:
    """How many violations each side found, and what each said of the application without any."""

    violations: int
    document: int
    ours: int
    healthy: tuple[bool, bool]
    toolchains: tuple[str, str]

    def text(self) -> str:
        """How it was measured."""
        said = ["passes" if one else "fails" for one in self.healthy]
        return f"""
            **MSRV.** The oldest Rust that can be had here is {self.toolchains[0]}; it stands for the declared
            {OLDEST}, and {self.toolchains[1]} for the developers'. A violation is something that only the latter has,
            under one feature of the application or under none: {self.violations} of them. The document's script
            (lines 806-821) checks the default features, and `vosk`, which is one of them; `msrv` none, default and
            all. Without a violation the document's part {said[0]}, ours {said[1]}.
        """


def measure_msrv(folder: Path, action: Sequence[str], script: Path) -> Msrv | None:
    """None where rustup has not both toolchains."""
    if shutil.which("rustup") is None:
        return None
    try:
        stable, nightly = (sysroot(name) for name in ("stable", "nightly"))
    except subprocess.CalledProcessError:
        return None
    home = folder / "rustup"
    (home / "toolchains").mkdir(parents=True)
    host = stable.name.partition("-")[2]
    for name, target in ((f"{OLDEST}.0-{host}", stable), (nightly.name, nightly)):
        (home / "toolchains" / name).symlink_to(target)
    (home / "settings.toml").write_text(f'version = "12"\ndefault_toolchain = "{nightly.name}"\n')
    sample = copy_sample(folder / "app")
    for manifest in sample.glob("**/Cargo.toml"):
        text = manifest.read_text().replace('rust-version = "1.63"', f'rust-version = "{OLDEST}"')
        manifest.write_text(text)
    environ = {**os.environ, "RUSTUP_HOME": str(home), "COLDVOX_ACTIONS_HOME": str(folder / "state")}
    environ |= {
        "CARGO_INCREMENTAL": "0",
        "CARGO_NET_OFFLINE": "true",
        "RUSTUP_DIST_SERVER": "http://127.0.0.1:9",
    }
    environ.pop("PYTHONPATH", None)
    environ.pop("RUSTUP_TOOLCHAIN", None)

    def document() -> bool:
        return passes(["bash", str(script), "msrv"], "document")

    def ours() -> bool:
        return passes([*action, "--mode", "msrv", "--shrink-seconds", "0"], "ours")

    def passes(command: Sequence[str], side: str) -> bool:
        target = {"CARGO_TARGET_DIR": str(folder / side)}
        done = subprocess.run(command, cwd=sample, env=environ | target, capture_output=True, check=False)
        return done.returncode == 0

    healthy = document(), ours()
    features = [line.split(" = ")[0] for line in features_table(sample / "app/Cargo.toml")]
    conditions = [f'feature = "{name}"' for name in features if name != "default"]
    conditions += ['not(feature = "vosk")', 'not(feature = "text-injection")']
    text = (sample / MAIN).read_text()
    found = []
    for condition in conditions:
        (sample / MAIN).write_text(f"#![cfg_attr({condition}, feature(never_type))]\n{text}")
        found.append((not document(), not ours()))
    versions = tuple(
        subprocess.run([one / "bin/rustc", "--version"], capture_output=True, text=True, check=True)
        .stdout.partition("(")[0].strip()
        for one in (stable, nightly)
    )  # fmt: skip
    return Msrv(
        len(found),
        sum(one for one, _ in found),
        sum(one for _, one in found),
        healthy,
        (versions[0], versions[1]),
    )


def features_table(manifest: Path) -> list[str]:
    """The lines of a manifest's [features] that declare one."""
    text = manifest.read_text().partition("[features]\n")[2].partition("\n[")[0]
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def sysroot(toolchain: str) -> Path:
    command = ["rustc", f"+{toolchain}", "--print", "sysroot"]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
