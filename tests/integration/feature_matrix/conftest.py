"""What the tests of the steps share: a crate with its lock file, the sample application, and `validate` as a step."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.cargo import TOOLCHAIN, write_crate
from fakes.steps import ROOT, StepRun

FEATURES = """
[features]
default = ["audio"]
audio = []
display = []
network = []
logging = []
everything = ["audio", "display", "network", "logging"]
"""


@pytest.fixture
def crate(workspace: Path) -> Callable[..., Path]:
    """Write the one crate of the workspace, with its lock file."""

    def write(source: str, manifest: str = FEATURES) -> Path:
        write_crate(workspace, manifest, source=source)
        (workspace / "Cargo.lock").write_text(
            'version = 3\n\n[[package]]\nname = "sample"\nversion = "0.1.0"\n'
        )
        return workspace

    return write


@pytest.fixture
def configure(workspace: Path) -> Callable[[str], None]:
    """Write the configuration, at its default place."""

    def write(text: str) -> None:
        (workspace / ".github").mkdir(exist_ok=True)
        (workspace / ".github/feature-matrix.yml").write_text(text)

    return write


@pytest.fixture
def voice_app(workspace: Path) -> Path:
    """A copy of the sample application, as the workspace, without its configuration."""
    ignored = shutil.ignore_patterns("target", ".github")
    shutil.copytree(ROOT / "examples/voice-app", workspace, dirs_exist_ok=True, ignore=ignored)
    return workspace


@pytest.fixture
def validate(matrix) -> Callable[..., StepRun]:
    """A step of mode `validate` that finds Rust."""

    def run(environ=None, **inputs):
        return matrix(mode="validate", environ=TOOLCHAIN | (environ or {}), **inputs)

    return run
