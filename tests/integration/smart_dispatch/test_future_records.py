"""Records of jobs that ended in the future, by a clock that was wrong for a while."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from actionlib.state import open_state
from smart_dispatch import dispatch_history
from smart_dispatch.dispatch_history import DispatchHistory
from smart_dispatch.job_records import INFRASTRUCTURE, SELF_HOSTED, SUCCESS, JobRecord

YEAR = 365 * 86400.0


@pytest.fixture
def store(state_home):
    return DispatchHistory(open_state({"COLDVOX_ACTIONS_HOME": str(state_home)}), "octo/repo")


def record(number: int, ended: float, outcome: str = SUCCESS) -> JobRecord:
    return JobRecord(
        f"{number}/1/x",
        "build",
        "CI",
        SELF_HOSTED,
        outcome,
        60.0,
        ended,
        None,
        "r1",
        ("self-hosted", "linux"),
    )


def by_a_wrong_clock(store, monkeypatch, records) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(dispatch_history.time, "time", lambda: time.monotonic() + 9e9)
        store.add(records)


@pytest.mark.parametrize("outcome", [SUCCESS, INFRASTRUCTURE])
def test_they_are_no_runner_and_open_no_breaker(store, monkeypatch, decide, api, outcome):
    api.admin = False
    by_a_wrong_clock(store, monkeypatch, [record(n, time.time() + YEAR, outcome) for n in range(3)])
    step = decide(**{"runner-scope": "none"})
    told = {row["what"]: row["value"] for row in step.facts["evidence"]}
    assert told["runners"].startswith("unknown")
    assert "breaker of self-hosted" not in told


def test_they_are_not_kept_and_those_that_were_are_dropped(store, monkeypatch):
    now = time.time()
    by_a_wrong_clock(store, monkeypatch, [record(1, now + YEAR)])
    assert len(store.jobs()) == 1
    store.add([record(2, now), record(3, now + YEAR), replace(record(4, now + 60))])
    assert {one.run for one in store.jobs()} == {"2", "4"}
