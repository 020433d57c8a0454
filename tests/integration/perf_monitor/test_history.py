"""Earlier runs on this host: kept by jobs side by side, through kills and damage."""

from __future__ import annotations

import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from actionlib.database import DatabaseFailed
from actionlib.state import StateRoot, open_state
from fakes.steps import PERF_MONITOR, ROOT
from perf_monitor.history import KEPT_RUNS, History, RunRecord

NEWEST = 1e12
QUICK = {"sample-interval-seconds": "0.5"}
ADD = """
import sys
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
from actionlib.state import open_state
from perf_monitor.history import History, RunRecord
history = History(open_state({"COLDVOX_ACTIONS_HOME": sys.argv[3]}))
for number in range(int(sys.argv[5])):
    history.add(RunRecord(sys.argv[4], str(number), "1", float(number), True, "", {"duration_seconds": 1.0}))
print("done")
"""


@pytest.fixture
def state(tmp_path) -> StateRoot:
    return open_state({"COLDVOX_ACTIONS_HOME": str(tmp_path / "state")})


def record(number: int = 0, **changes: object) -> RunRecord:
    made = RunRecord("job", str(number), "1", float(number), True, "", {"duration_seconds": 100.0})
    return dataclasses.replace(made, **changes)


def adding(state: StateRoot, identity: str, count: int) -> subprocess.Popen[bytes]:
    paths = [str(ROOT / "shared"), str(PERF_MONITOR)]
    return subprocess.Popen(
        [sys.executable, "-c", ADD, *paths, str(state.path), identity, str(count)], stdout=subprocess.PIPE
    )


def fill(path: Path) -> None:
    """Until the disk is full."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while os.write(descriptor, bytes(4096)):
            pass
    os.close(descriptor)


def add_many(history: History) -> None:
    for number in range(2, 500):
        history.add(record(number, sha="x" * 2000))


def earlier(history: History, identity: str = "job") -> list[RunRecord]:
    return history.earlier(record(identity=identity, began=NEWEST), limit=10_000)


def test_runs_of_the_same_job_come_newest_first_and_failed_ones_not_at_all(state):
    history = History(state)
    for number in range(6):
        history.add(record(number, success=number != 3))
    history.add(record(9, identity="another"))
    assert [one.run_id for one in history.earlier(record(5), limit=3)] == ["4", "2", "1"]


def test_jobs_side_by_side_lose_nothing(state):
    writers = [adding(state, f"job{number}", 60) for number in range(4)]
    for writer in writers:
        assert writer.communicate(timeout=60)[0] == b"done\n"
    for number in range(4):
        assert len(earlier(History(state), f"job{number}")) == 60


@pytest.mark.parametrize("moment", [0.02, 0.05, 0.1, 0.2])
def test_a_kill_leaves_whole_runs(state, moment):
    History(state).add(record(0, identity="before"))
    writer = adding(state, "killed", 100_000)
    path = state.path / "history/v1/runs.sqlite3"
    while not earlier(History(state), "killed"):
        time.sleep(0.01)
    time.sleep(moment)
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    history = History(state)
    assert len(earlier(history, "before")) == 1
    assert next(one.figures for one in earlier(history, "killed")) == {"duration_seconds": 1.0}
    history.add(record(1, identity="after"))
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_damaged_file_is_put_aside_and_a_new_one_begun(state):
    path = state.folder("history", "v1") / "runs.sqlite3"
    path.write_bytes(b"this is no database" * 1000)
    history = History(state)
    history.add(record(1))
    assert len(earlier(history)) == 1
    (aside,) = path.parent.glob("runs.sqlite3.damaged-*")
    assert aside.read_bytes().startswith(b"this is no database")


def test_a_later_format_is_left_alone(state):
    history = History(state)
    history.add(record(1))
    path = state.path / "history/v1/runs.sqlite3"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(DatabaseFailed, match="format 99, of a later version"):
        history.add(record(2))
    assert list(path.parent.glob("*damaged*")) == []


def test_only_the_newest_runs_are_kept(state):
    history = History(state)
    rows = [("job", str(one), "1", float(one), 1, "", "{}", "[]") for one in range(KEPT_RUNS)]
    command = "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    history._database.use(lambda database: database.executemany(command, rows))
    history.add(record(KEPT_RUNS))
    kept = earlier(history)
    assert len(kept) == KEPT_RUNS
    assert kept[-1].run_id == "1"


def test_a_full_disk_is_said_and_loses_nothing(state, mount_tmpfs, tmp_path):
    disk = mount_tmpfs(tmp_path / "disk", 1)
    history = History(open_state({"COLDVOX_ACTIONS_HOME": str(disk / "state")}))
    history.add(record(1))
    fill(disk / "full")
    with pytest.raises(DatabaseFailed, match="cannot be used"):
        add_many(history)
    (disk / "full").unlink()
    assert earlier(history)[-1].run_id == "1"


# --- through steps -----------------------------------------------------------------------------------------------


def test_runs_are_compared_from_the_sixth_on_and_a_regression_fails_only_twice_in_a_row(monitor, tmp_path):
    def run(seconds: float, **inputs: object):
        return monitor(mode="run", run=f"sleep {seconds}", fail_on_regression=True, **QUICK, **inputs)

    first = run(0.1)
    assert first.outputs["regression"] == ""
    assert "0 earlier runs are known, 5 are needed" in first.summary
    history = History(open_state({"COLDVOX_ACTIONS_HOME": monitor.environ["COLDVOX_ACTIONS_HOME"]}))
    (known,) = history.earlier(record(identity=_only_identity(history), began=NEWEST), limit=10)
    for number in range(6):
        history.add(dataclasses.replace(known, run_id=f"x{number}", began=known.began - 100 + number))
    worse = run(7)
    assert worse.exit_code == 0, "once is no reason to fail"
    assert worse.outputs["regression"] == "true"
    assert "duration_seconds is" in worse.log
    again = run(7)
    assert again.exit_code == 1
    assert "worse than earlier runs, twice in a row: duration_seconds" in again.error()
    fine = run(0.1)
    assert fine.exit_code == 0
    assert fine.outputs["regression"] == "false"


def _only_identity(history: History) -> str:
    ask = "SELECT DISTINCT identity FROM runs"
    ((identity,),) = history._database.use(lambda database: database.execute(ask).fetchall())
    return str(identity)


def test_a_run_that_failed_is_neither_judged_nor_compared_with(monitor):
    assert monitor(mode="run", run="exit 1", **QUICK).outputs["regression"] == ""
    after = monitor(mode="run", run="true", **QUICK)
    assert "0 earlier runs are known" in after.summary


def test_without_a_baseline_nothing_is_kept(monitor, state_home):
    step = monitor(mode="run", run="true", baseline=False, **QUICK)
    assert step.exit_code == 0
    assert not (Path(state_home) / "history").exists()


def test_compare_judges_a_file_and_keeps_nothing(monitor):
    ran = monitor(mode="run", run="true", **QUICK)
    compared = monitor(mode="compare", metrics_file=ran.outputs["metrics-file"])
    assert compared.exit_code == 0, compared.log
    assert compared.outputs["regression"] == ""
    assert "0 earlier runs are known" in compared.log
