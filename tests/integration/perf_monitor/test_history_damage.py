"""A history that is damaged, held by others or not what it should be: a job never fails for it, nor loses its run."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from actionlib import database as database_module
from actionlib.database import DatabaseFailed
from actionlib.state import StateRoot, open_state
from fakes.steps import PERF_MONITOR, ROOT
from perf_monitor.history import History, RunRecord
from perf_monitor.regression import compare

ADD = """
import sys
sys.path[:0] = sys.argv[1:3]
from actionlib.state import open_state
from perf_monitor.history import History, RunRecord
history = History(open_state({"COLDVOX_ACTIONS_HOME": sys.argv[3]}))
print("ready", flush=True)
sys.stdin.read()
history.add(RunRecord(sys.argv[4], "1", "1", 1.0, True, "", {"duration_seconds": 1.0}))
"""


@pytest.fixture
def state(tmp_path) -> StateRoot:
    return open_state({"COLDVOX_ACTIONS_HOME": str(tmp_path / "state")})


def database_of(state: StateRoot) -> Path:
    return state.folder("history", "v1") / "runs.sqlite3"


def record(number: int, identity: str = "job") -> RunRecord:
    return RunRecord(identity, str(number), "1", float(number), True, "", {"duration_seconds": 100.0})


def spoil_pages(path: Path) -> None:
    """All but the first page, with which the file opens as if it were sound."""
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)


def spoil_all(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)


@pytest.mark.parametrize("spoil", [spoil_pages, spoil_all])
@pytest.mark.parametrize("first", ["read", "write"])
def test_damage_is_put_aside_wherever_it_shows_and_told_once(state, spoil, first):
    history, path = History(state), database_of(state)
    for number in range(300):
        history.add(record(number))
    spoil(path)
    damaged = path.read_bytes()
    if first == "read":
        assert history.earlier(record(1000), limit=30) == []
    history.add(record(300))
    assert [one.run_id for one in history.earlier(record(1000), limit=30)] == ["300"]
    (note,) = history.notes
    (aside,) = path.parent.glob("runs.sqlite3.damaged-*")
    assert aside.name in note
    assert aside.read_bytes() == damaged


def test_what_sqlite_left_beside_a_damaged_file_is_not_applied_to_the_new_one(state):
    path = database_of(state)
    spoil_all(path)
    for part in ("-journal", "-wal", "-shm"):
        path.with_name(path.name + part).write_bytes(b"left over")
    History(state).add(record(1))
    assert sorted(one.name for one in path.parent.iterdir() if "damaged" not in one.name) == [
        "runs.lock",
        path.name,
    ]
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


@pytest.mark.parametrize("damaged", [True, False], ids=["damaged", "new"])
def test_jobs_that_meet_at_a_file_that_must_be_made_lose_nothing(state, damaged):
    for attempt in range(5):
        path = database_of(state)
        path.unlink(missing_ok=True)
        if damaged:
            spoil_all(path)
        paths = [str(ROOT / "shared"), str(PERF_MONITOR), str(state.path)]
        jobs = [
            subprocess.Popen(
                [sys.executable, "-c", ADD, *paths, f"job{number}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(4)
        ]
        for job in jobs:
            assert job.stdout is not None
            assert job.stdout.readline() == "ready\n"
        for job in jobs:
            assert job.stdin is not None
            job.stdin.close()
        assert [job.wait(timeout=60) for job in jobs] == [0] * 4
        for job in jobs:
            job.stdout.close()
        history = History(state)
        assert [len(history.earlier(record(5, f"job{number}"), limit=3)) for number in range(4)] == [1] * 4
        assert len(list(path.parent.glob("*damaged-*"))) == (attempt + 1) * damaged


@pytest.mark.parametrize(
    "figures",
    ["null", "3", "[]", "{", '{"duration_seconds": "fast"}', '{"duration_seconds": NaN}', '{"x": null}'],
)
def test_a_row_that_says_nothing_is_left_out(state, figures):
    history = History(state)
    for number in range(8):
        history.add(record(number))
    with sqlite3.connect(database_of(state)) as database:
        database.execute("UPDATE runs SET figures = ? WHERE run_id = '3'", (figures,))
    database.close()
    earlier = history.earlier(record(100), limit=30)
    assert [one.run_id for one in earlier] == ["7", "6", "5", "4", "2", "1", "0"]
    (verdict,) = compare({"duration_seconds": 100.0}, [one.figures for one in earlier])
    assert verdict.median == 100


def test_one_that_is_held_by_others_is_waited_for_and_then_given_up(state, monkeypatch):
    monkeypatch.setattr(database_module, "BUSY_SECONDS", 0.1)
    history = History(state)
    history.add(record(1))
    with database_of(state).with_suffix(".lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DatabaseFailed, match="other jobs have held it"):
            history.add(record(2))
    history.add(record(3))
    assert [one.run_id for one in history.earlier(record(9), limit=9)] == ["3", "1"]


@pytest.mark.parametrize(("root_mode", "file_mode"), [(0o700, 0o600), (0o2770, 0o660)], ids=["own", "shared"])
def test_whoever_may_use_the_state_root_may_use_the_history_whatever_the_umask(
    tmp_path, root_mode, file_mode
):
    (tmp_path / "root").mkdir()
    (tmp_path / "root").chmod(root_mode)
    before = os.umask(0o077)
    try:
        history = History(open_state({"COLDVOX_ACTIONS_HOME": str(tmp_path / "root")}))
        history.add(record(1))
    finally:
        os.umask(before)
    found = {one.name: stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "root/history/v1").iterdir()}
    assert found == {"runs.lock": file_mode, "runs.sqlite3": file_mode}


def test_a_step_tells_of_a_damaged_history_and_keeps_its_run(monitor):
    state = open_state({"COLDVOX_ACTIONS_HOME": monitor.environ["COLDVOX_ACTIONS_HOME"]})
    spoil_all(database_of(state))
    step = monitor(mode="run", run="true", sample_interval_seconds="0.5")
    assert step.exit_code == 0, step.log
    assert "runs.sqlite3 was damaged" in step.log
    with sqlite3.connect(database_of(state)) as database:
        ((figures,),) = database.execute("SELECT figures FROM runs").fetchall()
    database.close()
    assert json.loads(figures)["duration_seconds"] >= 0
