"""What the reusable workflow of the feature matrix promises by its text alone."""

from __future__ import annotations

from pathlib import Path

import yaml

from cache_lock.keys import hash_of_files
from cache_lock.paths import Roots

WORKFLOW = Path(__file__).resolve().parents[2] / ".github/workflows/feature-matrix.yml"
JOBS = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]


def test_the_shared_build_is_named_by_the_callers_manifests_and_not_by_the_actions(tmp_path):
    (step,) = [step for step in JOBS["validate"]["steps"] if step.get("id") == "key"]
    globs = step["with"]["hash-files"].splitlines()

    def key(files: dict[str, str]) -> str:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return hash_of_files(globs, Roots(workspace=str(tmp_path), home=str(tmp_path.parent)))

    own = key({"Cargo.lock": "1", "crates/a/Cargo.toml": "1"})
    assert key({".coldvox-actions/examples/voice-app/Cargo.lock": "1"}) == own
    assert key({".hidden/Cargo.toml": "1"}) != own


def test_the_jobs_are_called_as_legs_of_one_job():
    assert JOBS["validate"]["name"] == "Features (${{ matrix.name }})"
