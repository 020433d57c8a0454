"""Every action used from another repository, pinned by tag, in a workspace that gets in the way where it can."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from e2e.act import ROOT, Act, copy_actions, make_repository, rust_options

WORKFLOW = """
on: push
jobs:
  all:
    runs-on: [self-hosted, linux]
    env:
      PYTHONPATH: .
      PYTHONSTARTUP: json.py
    steps:
      - uses: actions/checkout@v7
      - run: |
          echo "in $PWD" >> "$NOTES/where"
          mkdir "made here" && chmod -R a-w .git crate ./*.py && chmod a-w .
      - uses: OWNER/coldvox-actions/action-cache-lock@v1
        with:
          mode: acquire
          lock-name: a lock
          run: echo "locked" >> "$NOTES/ran"
      - uses: OWNER/coldvox-actions/action-cache-lock@v1
        with:
          mode: populate
          key: k
          path: made here/out
          run: chmod u+w . "made here"; mkdir -p "made here/out"; echo built > "made here/out/file"; chmod a-w .
      - uses: OWNER/coldvox-actions/action-perf-monitor@v1
        with:
          mode: run
          sample-interval-seconds: "0.5"
          run: echo "measured $(umask)" >> "$NOTES/ran"
      - uses: OWNER/coldvox-actions/action-headless-env@v1
        with:
          mode: run
          display-server: DISPLAY_SERVER
          audio: none
          run: echo "headless ${DISPLAY:+with a display}" >> "$NOTES/ran"
      - id: plan
        uses: OWNER/coldvox-actions/action-feature-matrix@v1
        with:
          mode: plan
          manifest-path: crate/Cargo.toml
      - id: decide
        uses: OWNER/coldvox-actions/action-smart-dispatch@v1
        with:
          mode: decide
          job-name: build
      - env:
          COUNT: ${{ steps.plan.outputs.count }}
          RUNS_ON: ${{ steps.decide.outputs.runs-on }}
        run: echo "planned $COUNT, runs on $RUNS_ON" >> "$NOTES/ran"
      - if: always()
        run: chmod -R u+w . # act removes the workspace
"""
# What our code imports, under our names and under those of its libraries.
TRAPS = (
    "json.py", "os.py", "re.py", "typing.py", "dataclasses.py", "pathlib.py", "yaml.py", "psutil.py", "filelock.py",
    "github.py", "requests.py", "bootstrap.py", "actionlib/__init__.py", "cache_lock/__init__.py",
    "headless_env/__init__.py", "perf_monitor/__init__.py", "feature_matrix/__init__.py", "smart_dispatch/__init__.py",
    "actions_toolkit/__init__.py", "sitecustomize.py", "usercustomize.py",
)  # fmt: skip
TRAP = 'raise SystemExit("the workspace took the place of a module")\n'
MANIFEST = '[package]\nname = "other"\nversion = "0.1.0"\nedition = "2021"\n[features]\na = []\nb = ["a"]\n'


@pytest.fixture(params=[0o022, 0o077], ids=["umask 022", "umask 077"])
def odd_umask(request):
    before = os.umask(request.param)
    yield f"{request.param:04o}"
    os.umask(before)


def test_every_action_works_from_another_repository_with_a_hostile_workspace(
    act: Act, tmp_path: Path, odd_umask
):
    bundle = tmp_path / "the bundle's checkout"
    bundle.mkdir()
    copy_actions(bundle)
    shutil.copy2(ROOT / "action.yml", bundle)
    display = "x11" if shutil.which("Xvfb") else "none"
    files = dict.fromkeys(TRAPS, TRAP)
    files |= {"crate/Cargo.toml": MANIFEST, "crate/src/lib.rs": "", "shared/launch.sh": "exit 9\n"}
    files[".github/workflows/ci.yml"] = WORKFLOW.replace("DISPLAY_SERVER", display)
    repository = make_repository(tmp_path / "another app (with spaces)", files)
    run = act.run(repository, f"--local-repository=OWNER/coldvox-actions@v1={bundle}", *rust_options())
    assert run.exit_code == 0, run.log[-5000:]
    assert "took the place" not in run.log
    shown = "headless with a display" if display == "x11" else "headless "
    assert act.note("ran") == [
        "locked",
        f"measured {odd_umask}",
        shown,
        'planned 3, runs on ["ubuntu-latest"]',
    ]


def test_the_root_of_the_bundle_names_the_actions(act: Act, tmp_path: Path):
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    copy_actions(bundle)
    shutil.copy2(ROOT / "action.yml", bundle)
    step = "{uses: OWNER/coldvox-actions@v1}"
    files = {
        ".github/workflows/ci.yml": f"on: push\njobs: {{a: {{runs-on: self-hosted, steps: [{step}]}}}}\n"
    }
    repository = make_repository(tmp_path / "repo", files)
    run = act.run(repository, f"--local-repository=OWNER/coldvox-actions@v1={bundle}")
    assert run.exit_code != 0
    for folder in sorted(ROOT.glob("action-*")):
        assert folder.name in run.log
