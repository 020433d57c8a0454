"""action-feature-matrix in its workflows, run by the real act: a plan, and a job for each of its entries."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from e2e.act import ROOT, Act, ActRun, make_repository, rust_options

pytestmark = pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo on PATH")
CALLED = ".github/workflows/feature-matrix.yml"
CALLER = """
on: push
jobs:
  features:
    uses: ./.github/workflows/feature-matrix.yml
    with:
      manifest-path: examples/voice-app/Cargo.toml
      commands: check
      max-jobs: 4
"""


def repository_with(tmp_path: Path, files: dict[str, str]) -> Path:
    """The bundle and its sample application, with these workflows."""
    repository = make_repository(tmp_path / "repo", files, with_actions=True)
    shutil.copytree(
        ROOT / "examples/voice-app",
        repository / "examples/voice-app",
        ignore=shutil.ignore_patterns("target"),
        dirs_exist_ok=True,
    )
    return repository


def run_reusable(act: Act, repository: Path) -> ActRun:
    """Run the caller. act fetches actions of steps that it will skip, too: a stand-in serves for actions/checkout."""
    called = (repository / CALLED).read_text()
    pinned = re.search(r"uses: (actions/checkout@\w+)", called)[1]
    checkout = repository.parent / "checkout"
    checkout.mkdir()
    (checkout / "action.yml").write_text("name: none\nruns: {using: composite, steps: []}\n")
    return act.run(
        repository,
        "--workflows=.github/workflows/ci.yml",
        f"--local-repository={pinned}={checkout}",
        *rust_options(),
    )


def checked(log: str) -> list[str]:
    """The packages and features that jobs have checked."""
    return re.findall(
        r"\| \$ cargo check --manifest-path=\S+ (--package .*?)(?: --locked.*)?$", log, re.MULTILINE
    )


def test_the_example_plans_and_checks_every_row_in_four_jobs(act: Act, tmp_path):
    workflow = (ROOT / "examples/workflows/feature-matrix.yml").read_text()
    repository = repository_with(tmp_path, {".github/workflows/ci.yml": workflow})
    run = act.run(repository, *rust_options())
    assert run.exit_code == 0, run.log[-5000:]
    rows, jobs = map(int, re.search(r"(\d+) rows for 6 crates in (\d+) jobs", run.log).groups())
    assert jobs == 4
    assert len(checked(run.log)) == len(set(checked(run.log))) == rows


def test_the_reusable_workflow_builds_once_checks_every_row_and_says_so_at_the_end(act: Act, tmp_path):
    files = {".github/workflows/ci.yml": CALLER, CALLED: (ROOT / CALLED).read_text()}
    run = run_reusable(act, repository_with(tmp_path, files))
    assert run.exit_code == 0, run.log[-5000:]
    rows = int(re.search(r"(\d+) rows for 6 crates in 4 jobs", run.log)[1])
    assert len(checked(run.log)) == len(set(checked(run.log))) == rows
    assert f"Feature matrix: all {rows} combinations pass" in run.log
    assert len(re.findall(r"\$ cargo check --workspace|Checking coldvox-app v", run.log)) >= 1


def test_a_combination_that_fails_fails_the_last_job_of_the_reusable_workflow(act: Act, tmp_path):
    caller = CALLER + "      packages: coldvox-vad\n      warm-up: ''\n"
    repository = repository_with(
        tmp_path, {".github/workflows/ci.yml": caller, CALLED: (ROOT / CALLED).read_text()}
    )
    source = repository / "examples/voice-app/crates/coldvox-vad/src/lib.rs"
    clash = '\n#[cfg(all(feature = "silero", feature = "level3"))]\ncompile_error!("both");\n'
    source.write_text(source.read_text() + clash)
    run = run_reusable(act, repository)
    assert run.exit_code != 0
    assert (
        "fails with exactly {silero, level3}" in run.log or "fails with exactly {level3, silero}" in run.log
    )
    assert "Feature matrix: plan success, combinations failure" in run.log
