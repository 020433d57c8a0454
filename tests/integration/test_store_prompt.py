"""Saving at the prompt and dry runs: what is printed, whatever files are called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fakes import trees
from fakes.steps import ROOT


def test_a_dry_run_lists_what_it_would_save_and_no_file_name_acts_as_a_workflow_command(
    action, workspace, state_home
):
    trees.build(workspace, {"out/a": "1", "out/x\n::error::not from us": "2", "out/no": "3"})
    step = action(mode="save", key="k", path=["out", "!out/no"], dry_run=True)
    assert step.exit_code == 0
    lines = step.log.splitlines()
    inside = lines[lines.index("Dry run: 'k' would be saved from:") + 1 :]
    assert inside[0].startswith("::stop-commands::")
    end = inside.index("::" + inside[0].removeprefix("::stop-commands::") + "::")
    assert {f"{workspace}/out/a", f"{workspace}/out/x", "::error::not from us"} == set(inside[1:end])
    assert trees.entry_keys(state_home) == set()
    action(mode="save", key="k", path="out")
    assert "Dry run: 'k' is saved already." in action(mode="save", key="k", path="out", dry_run=True).log


def test_the_command_line_saves_shows_and_restores_names_that_are_not_text(workspace, home, state_home):
    out = trees.build(workspace / "out", {})
    Path(os.fsdecode(os.fsencode(out) + b"/\xff\xfe")).write_text("x")
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "COLDVOX_ACTIONS_HOME": str(state_home),
        "LC_ALL": "C.UTF-8",
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "utf-8:strict",
    }

    def run(*arguments: str) -> str:
        command = [
            sys.executable,
            str(ROOT / "shared/coldvox_actions.py"),
            "cache-lock",
            "--key",
            "k",
            "--path",
            "out",
        ]
        done = subprocess.run(
            [*command, *arguments],
            cwd=workspace,
            env=environ,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout

    assert "\\udcff\\udcfe" in run("--mode", "save", "--dry-run", "true")
    assert "saved: 1 files" in run("--mode", "save")
    trees.remove(out)
    assert "restored: 1 files" in run("--mode", "restore")
    assert os.listdir(os.fsencode(out)) == [b"\xff\xfe"]
