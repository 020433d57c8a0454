"""The page of all benchmarks tells bad results as plainly as good ones."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture
def run_all(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import run_all

    yield run_all
    for name in ("run_all", "measure"):
        sys.modules.pop(name, None)


def result(run_all, *, name: str = "locks", exit_code: int = 0, **changed: object):
    facts = {
        "environment": {"cpu": "2 x Good CPU", "date": "2026-01-02 03:04 UTC", "load": "0.1"},
        "rows": [{"lock": "a|b", "p50 ms": 0.1234}, {"lock": "flock", "freed": "never"}],
        "notes": ["one thing"],
        "targets": [
            {"what": "kept", "measured": 1.0, "allowed": 1.0},
            {"what": "missed", "measured": 2.0, "allowed": 1.0},
            {"what": "not measured", "measured": float("nan"), "allowed": 1.0},
        ],
    }
    return run_all.Result(name, exit_code, facts | changed)


def test_every_bar_stands_with_its_verdict(run_all):
    text = run_all.page([result(run_all)])
    assert "**1 of 3 bars are met.**" in text
    assert re.search(r"\| kept \| 1 \| 1 \| met \|", text)
    assert re.search(r"\| missed \| 2 \| 1 \| \*\*missed\*\* \|", text)
    assert re.search(r"\| not measured \| - \| 1 \| \*\*missed\*\* \|", text)
    assert "2 x Good CPU" in text
    assert "2026-01-02 03:04 UTC" in text
    assert "make bench ONLY=locks" in text
    assert "- one thing" in text


def test_a_table_has_all_columns_and_no_pipe_breaks_it(run_all):
    text = run_all.page([result(run_all)])
    assert r"| lock | p50 ms | freed |" in text
    assert r"| a\|b | 0.123 |  |" in text
    assert r"| flock |  | never |" in text


def test_a_benchmark_that_failed_is_not_left_out(run_all):
    text = run_all.page([result(run_all), run_all.Result("store", 3, {})])
    assert "**It failed, with exit code 3.**" in text


def test_every_benchmark_of_the_folder_has_its_place(run_all):
    assert {path.stem for path in BENCH.glob("bench_*.py")} == {f"bench_{name}" for name in run_all.TITLES}
