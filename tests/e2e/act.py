"""Runs workflows with the real act in host mode, each in a repository and a state root of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ACT = Path(sys.executable).parent / "act"
DEADLINE_SECONDS = 240
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")


@dataclass(frozen=True)
class ActRun:
    """How a run ended and what act printed.

    The last lines of a step that fails may be missing, because act closes its terminal without reading it to the
    end (`exec` in act's pkg/container/host_environment.go): what a test looks for there must be in the summary, too.
    """

    exit_code: int
    log: str


class Act:
    """act with a home of its own, so that a test finds nothing of an earlier one (but the tool cache)."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.notes = folder / "notes"
        self.notes.mkdir()
        self.state = folder / "state"
        self._home = home

    def run(self, repository: Path, *arguments: str, event: str = "push") -> ActRun:
        """Run the repository's workflows; its steps find `$NOTES`, a folder to write into."""
        command = [
            str(ACT),
            event,
            "--rm",
            "--no-cache-server",
            "--concurrent-jobs=6",
            *(f"--platform={label}=-self-hosted" for label in ("self-hosted", "ubuntu-latest")),
            f"--env=COLDVOX_ACTIONS_HOME={self.state}",
            f"--env=NOTES={self.notes}",
            *arguments,
        ]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "ACT"))
        }
        done = subprocess.run(
            command,
            cwd=repository,
            env=environ | {"HOME": str(self._home), "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        return ActRun(done.returncode, done.stdout)

    def note(self, name: str) -> list[str]:
        """The lines that steps wrote to `$NOTES/name`."""
        path = self.notes / name
        return path.read_text().splitlines() if path.exists() else []


def rust_options() -> list[str]:
    """Options that let rustup find its toolchains: act's HOME is a folder of the test."""
    rustup = os.environ.get("RUSTUP_HOME") or str(Path.home() / ".rustup")
    return [f"--env=RUSTUP_HOME={rustup}"] if Path(rustup).is_dir() else []


def make_repository(path: Path, files: dict[str, str], *, with_actions: bool = False) -> Path:
    """A git repository with these files; `with_actions` puts the bundle into it, as in our own repository."""
    path.mkdir(parents=True)
    if with_actions:
        copy_actions(path)
    for name, text in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    for arguments in (
        ("init", "--quiet", "--initial-branch=main"),
        ("add", "--all"),
        ("commit", "--quiet", "-m", "x"),
    ):
        subprocess.run(["git", *IDENTITY, *arguments], cwd=path, check=True, timeout=60)
    return path


def copy_actions(path: Path) -> None:
    """The actions and the shared library, as a download of the repository would have them."""
    for folder in (ROOT / "shared", *ROOT.glob("action-*")):
        shutil.copytree(folder, path / folder.name, ignore=shutil.ignore_patterns("__pycache__"))


def stand_ins(folder: Path, workflow: str) -> list[str]:
    """Options that give act an empty action for each pinned one: it fetches also those of steps that it skips."""
    empty = folder / "empty-action"
    empty.mkdir(exist_ok=True)
    (empty / "action.yml").write_text("name: none\nruns: {using: composite, steps: []}\n")
    pinned = re.findall(r"uses: ([\w-]+/[\w-]+@[0-9a-f]{40})", workflow)
    return [f"--local-repository={name}={empty}" for name in sorted(set(pinned))]
