"""What git tells as changed, without what the job itself has put into the checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from feature_matrix import changed_files
from feature_matrix.manifests import Workspace


@pytest.fixture
def checkout(tmp_path) -> Path:
    (tmp_path / "old.rs").write_text("")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "x"]):
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
        subprocess.run(["git", *identity, *command], cwd=tmp_path, check=True)
    for name in ("new.rs", "fetched/action.yml", "target/made.rs"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("bundle", "expected"), [("fetched", {"new.rs"}), ("", {"new.rs", "fetched/action.yml"})]
)
def test_an_action_that_the_job_fetched_is_no_change_but_in_its_own_repository_it_is(
    checkout, monkeypatch, bundle, expected
):
    monkeypatch.setattr(changed_files, "THIS_BUNDLE", (checkout / bundle).resolve())
    workspace = Workspace(checkout / "fetched", {}, "Cargo.toml", checkout / "target")
    changed = changed_files.changed_since("HEAD", workspace)
    assert changed.folder == checkout
    assert set(changed.names) == expected
