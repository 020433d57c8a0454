"""A place to run scripts in, in this process or below one of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actionlib.scripts import run_script
from fakes.processes import marked_with
from fakes.steps import ROOT

# An action's entry point in small: it runs the script in its first argument and tells how that ended.
ENTRY = """
import dataclasses, json, os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from actionlib.scripts import run_script
options = json.loads(sys.argv[4])
result = run_script(sys.argv[3], environ=os.environ, cwd=Path(sys.argv[2]), scratch=Path(sys.argv[2]), **options)
print("result", json.dumps(dataclasses.asdict(result)), flush=True)
"""


class Place:
    """A folder to run scripts in; whatever was started from it carries its mark."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"PATH": os.environ["PATH"], "SCRIPT_MARK": str(folder)}

    def run(self, script: str, *, environ=None, **options):
        given = self.environ if environ is None else environ
        return run_script(script, environ=given, cwd=self.folder, scratch=self.folder / "scratch", **options)

    def entry(self, script: str, **options) -> subprocess.Popen[str]:
        """Run the script below a process of its own, to which signals can be sent."""
        command = [
            sys.executable,
            "-c",
            ENTRY,
            str(ROOT / "shared"),
            str(self.folder),
            script,
            json.dumps(options),
        ]
        return subprocess.Popen(command, env=self.environ, stdout=subprocess.PIPE, text=True)

    def exists(self, name: str):
        return (self.folder / name).exists

    def alive(self) -> list[int]:
        return marked_with(f"SCRIPT_MARK={self.folder}")


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path)
    yield found
    for pid in found.alive():
        os.kill(pid, signal.SIGKILL)
