"""action-feature-matrix in its example workflow, run by the real act: a plan, and a job for each of its entries."""

from __future__ import annotations

import re
import shutil

import pytest

from e2e.act import ROOT, Act, make_repository, rust_options

needs_cargo = pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo on PATH")


@needs_cargo
def test_the_example_plans_and_checks_every_row_in_four_jobs(act: Act, tmp_path):
    workflow = (ROOT / "examples/workflows/feature-matrix.yml").read_text()
    repository = make_repository(tmp_path / "repo", {".github/workflows/ci.yml": workflow}, with_actions=True)
    shutil.copytree(
        ROOT / "examples/voice-app",
        repository / "examples/voice-app",
        ignore=shutil.ignore_patterns("target"),
        dirs_exist_ok=True,
    )
    run = act.run(repository, *rust_options())
    assert run.exit_code == 0, run.log[-5000:]
    rows, jobs = map(int, re.search(r"(\d+) rows for 6 crates in (\d+) jobs", run.log).groups())
    checked = re.findall(r"\| cargo check (--package .*)$", run.log, re.MULTILINE)
    assert jobs == 4
    assert len(checked) == len(set(checked)) == rows
