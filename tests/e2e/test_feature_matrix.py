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
CONFIGURED = "      config: examples/voice-app/.github/feature-matrix.yml\n"
PLATFORMS = """
      packages: coldvox-vad
      warm-up: ''
      config: platforms.yml
      platforms: '{"phone": ["phone-lab"]}'
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


def repository_calling(tmp_path: Path, caller: str) -> Path:
    """The same, with a workflow that calls the reusable one."""
    return repository_with(
        tmp_path, {".github/workflows/ci.yml": caller, CALLED: (ROOT / CALLED).read_text()}
    )


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


def assert_configured(log: str) -> None:
    """The sample application's: one is deprecated, one for development only, which a push is not."""
    assert "a deprecated combination is tested: coldvox-app: The fixed threshold of the first version" in log
    assert re.search(r"Left out, for development rows are .*: coldvox-app: Examples", log)
    assert "coldvox-app: Vosk only" in log


def test_the_example_plans_and_checks_every_row_in_four_jobs(act: Act, tmp_path):
    workflow = (ROOT / "examples/workflows/feature-matrix.yml").read_text()
    repository = repository_with(tmp_path, {".github/workflows/ci.yml": workflow})
    run = act.run(repository, *rust_options())
    assert run.exit_code == 0, run.log[-5000:]
    rows, jobs = map(int, re.search(r"(\d+) rows for 6 crates in (\d+) jobs", run.log).groups())
    assert jobs == 4
    assert_configured(run.log)
    assert len(checked(run.log)) == len(set(checked(run.log))) == rows


def test_the_reusable_workflow_builds_once_checks_every_row_and_says_so_at_the_end(act: Act, tmp_path):
    caller = (
        CALLER
        + CONFIGURED
        + "      warm-up: echo built >> $NOTES/warm-ups; cargo check --workspace --all-targets\n"
    )
    run = run_reusable(act, repository_calling(tmp_path, caller))
    assert run.exit_code == 0, run.log[-5000:]
    assert act.note("warm-ups") == ["built"]
    assert_configured(run.log)
    rows = int(re.search(r"(\d+) rows for 6 crates in 4 jobs", run.log)[1])
    assert len(checked(run.log)) == len(set(checked(run.log))) == rows
    assert f"Feature matrix: all {rows} combinations pass" in run.log
    assert "input 'warm-up' fails" not in run.log


@pytest.mark.parametrize(
    ("mistake", "features"),
    [
        ('all(feature = "silero", feature = "level3")', "{silero, level3}"),
        ('feature = "silero"', "{silero}"),
    ],
    ids=["a clash", "the default features"],
)
def test_a_mistake_is_shrunk_and_fails_the_last_job_also_where_the_shared_build_fails_for_it(
    act: Act, tmp_path, mistake, features
):
    repository = repository_calling(tmp_path, CALLER + "      packages: coldvox-vad\n")
    source = repository / "examples/voice-app/crates/coldvox-vad/src/lib.rs"
    source.write_text(f'{source.read_text()}\n#[cfg({mistake})]\ncompile_error!("both");\n')
    run = run_reusable(act, repository)
    assert run.exit_code != 0
    assert len(checked(run.log)) == int(re.search(r"(\d+) rows for 1 crates", run.log)[1])
    assert f"fails with exactly {features}" in run.log
    assert ("input 'warm-up' fails" in run.log) == (features == "{silero}")
    assert "Feature matrix: plan success, combinations failure" in run.log


@pytest.mark.parametrize(
    ("platform", "said"),
    [
        ("phone", "Skipping unsupported platform -- Try running with `-P phone-lab=...`"),  # act's own words
        (
            "windows",
            """input 'platforms' is '{"phone": ["phone-lab"]}', which has no runners for 'windows'""",
        ),
    ],
)
def test_rows_of_a_platform_run_on_its_runners_or_nowhere(act: Act, tmp_path, platform, said):
    """One platform at a time: act evaluates `runs-on` for one entry of a matrix, and takes it for all."""
    repository = repository_calling(tmp_path, CALLER + PLATFORMS)
    (repository / "platforms.yml").write_text(f"crates:\n  coldvox-vad: {{platform: {platform}}}\n")
    run = run_reusable(act, repository)
    assert said in run.log
    assert not checked(run.log)
