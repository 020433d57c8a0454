"""What the next start cleans up, and above all what it leaves alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actionlib.jobs import where_we_are
from fakes.processes import is_running
from fakes.runner import poll_until
from headless_env.environments import MARK, RECORD, remove_leftovers
from integration.headless_env.traces import SMALL, marked_processes

HOURS_AGO = 7200


@pytest.fixture
def base() -> Iterator[Path]:
    """A TMPDIR; pytest's own would be too long for sockets."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def make(base: Path, *, mark: str | None) -> Path:
    """A folder that is named like an environment, and old."""
    folder = base / "he-12345678"
    folder.mkdir()
    (folder / "notes.txt").write_text("precious")
    if mark is not None:
        (folder / MARK).write_text(mark)
    for path in (*folder.iterdir(), folder):
        os.utime(path, (time.time() - HOURS_AGO,) * 2)
    return folder


def test_a_folder_that_only_has_such_a_name_is_left_alone(base):
    folder = make(base, mark=None)
    assert remove_leftovers(base) == []
    assert (folder / "notes.txt").read_text() == "precious"


def test_a_folder_of_another_pid_namespace_is_left_alone(base):
    folder = make(base, mark=f"{where_we_are()}9")
    assert remove_leftovers(base) == []
    assert folder.exists()


def test_a_folder_whose_step_died_before_the_supervisor_was_there_is_removed(base):
    folder = make(base, mark=where_we_are())
    assert remove_leftovers(base) == [folder.name]
    assert not folder.exists()


def test_a_folder_that_was_just_made_is_left_alone(base):
    folder = make(base, mark=where_we_are())
    (folder / MARK).touch()
    assert remove_leftovers(base) == []
    assert folder.exists()


@pytest.mark.parametrize("change", ["more", "unreadable"])
def test_an_environment_of_another_version_of_the_action_lives_on(steps, headless, change):
    started = steps.run(mode="start", **SMALL)
    folder = Path(started.outputs["env-file"]).parent
    record = json.loads((folder / RECORD).read_text()) | {"invented-later": 1}
    if change == "unreadable":
        del record["supervisor"]
    (folder / RECORD).write_text(json.dumps(record))
    os.utime(folder / MARK, (time.time() - HOURS_AGO,) * 2)
    other = headless(mode="run", run="true", **SMALL)
    assert other.exit_code == 0, other.log
    assert other.facts["cleaned-up"] == []
    assert steps.shell("xdpyinfo >/dev/null").exit_code == 0


@pytest.mark.parametrize("moment", range(4))
def test_a_supervisor_that_is_killed_while_it_starts_leaves_nothing(headless, moment):
    before = set(Path("/tmp").glob("he-*"))
    step = headless.start(mode="run", run="true", verify="none")
    poll_until(lambda: Path("/tmp").glob("he-*") and set(Path("/tmp").glob("he-*")) - before)
    (folder,) = set(Path("/tmp").glob("he-*")) - before
    poll_until(lambda: (folder / RECORD).exists() and len(marked_processes(folder.name)) >= moment)
    supervisor = json.loads((folder / RECORD).read_text())["supervisor"]
    os.kill(supervisor["pid"], signal.SIGKILL)
    done = step.wait(30)
    assert done.exit_code == 1, done.log
    poll_until(lambda: not is_running(supervisor["keeper_pid"]), timeout_seconds=10)
    assert not folder.exists()
    assert marked_processes(folder.name) == []
    for lock in Path("/tmp").glob(".X*-lock"):
        assert int(lock.read_text()) != supervisor["pid"]
