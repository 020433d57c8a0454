"""What a release publishes: once, and with the moving tag on the newest release of its major version only."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
# Stands for GitHub's command line, which needs GitHub: notes what it is told; `view` fails where there is no release.
GH = """#!/bin/sh
echo "$*" >> "$TOLD"
case "$1 $2" in
"release view") test -n "$RELEASED" ;;
"api --method") case "$*" in *PATCH*) test -n "$MOVABLE" ;; esac ;;
esac
"""


def publish_script() -> str:
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
    (script,) = [
        step["run"] for step in workflow["jobs"]["publish"]["steps"] if "gh release" in step.get("run", "")
    ]
    return script


@pytest.fixture
def publish(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@localhost"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "x"], check=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gh").write_text(GH)
    (tmp_path / "bin/gh").chmod(0o755)

    def run(tag: str, *, tags: list[str], released: bool = False, movable: bool = True) -> list[str]:
        for one in tags:
            subprocess.run([*git, "tag", one], check=True)
        environ = {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "TOLD": str(tmp_path / "told"), "TAG": tag,
            "RELEASED": "yes" if released else "", "MOVABLE": "yes" if movable else "", "COMMIT": "c0ffee",
            "REPOSITORY": "octo/bundle",
        }  # fmt: skip
        script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", publish_script()]
        subprocess.run(script, cwd=tmp_path, env=environ, check=True, capture_output=True)
        return (tmp_path / "told").read_text().splitlines()

    return run


def moves(told: list[str]) -> list[str]:
    return [line for line in told if line.startswith("api ")]


def created(told: list[str]) -> list[str]:
    return [line for line in told if line.startswith("release create")]


def test_the_newest_release_moves_its_major_tag(publish):
    told = publish("v1.10.0", tags=["v1.9.0", "v1.10.0", "v2.0.0", "v1"])
    assert len(created(told)) == 1
    (move,) = moves(told)
    assert "PATCH repos/octo/bundle/git/refs/tags/v1 " in move
    assert "sha=c0ffee" in move


def test_a_fix_of_an_older_release_leaves_the_major_tag_where_it_is(publish):
    told = publish("v1.0.9", tags=["v1.0.9", "v1.1.0"])
    assert len(created(told)) == 1
    assert moves(told) == []


def test_another_attempt_goes_on_where_the_first_one_failed(publish):
    told = publish("v1.0.0", tags=["v1.0.0"], released=True)
    assert created(told) == []
    assert len(moves(told)) == 1


def test_the_first_release_makes_the_major_tag(publish):
    told = publish("v1.0.0", tags=["v1.0.0"], movable=False)
    assert "POST" in moves(told)[-1]
    assert "ref=refs/tags/v1 " in moves(told)[-1] + " "
