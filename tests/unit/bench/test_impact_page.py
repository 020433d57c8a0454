"""The page of impacts: its verdicts follow from the figures, and rounding never makes all or nothing of a share."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture
def impact_report(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import impact_report

    yield impact_report
    sys.modules.pop("impact_report", None)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (1, "100 %"), (0.5, "50 %"), (0.994, "99.4 %"), (0.9996, "99.96 %"), (math.nan, "-")],
)
def test_a_percentage(impact_report, share, text):
    assert impact_report.percent(share) == text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (20, 1, "95 % fewer"),
        (20, 20, "as many"),
        (20, 22, "10 % more"),
        (0, 3, "none before"),
        (20, 0, "100 % fewer"),
    ],
)
def test_a_change(impact_report, before, after, text):
    assert impact_report.change(before, after) == text


@pytest.mark.parametrize(
    ("document", "ours", "verdict"),
    [
        (True, False, "reproduced: yes; met by the actions: no"),
        (False, True, "reproduced: no; met by the actions: yes"),
        (None, None, "reproduced: not measured here; met by the actions: not measured here"),
    ],
)
def test_a_claim_that_was_not_met_or_not_measured_is_told(impact_report, document, ours, verdict):
    claim = impact_report.Claim(92, "95 % fewer conflicts", "3 | 4", "0", document, ours)
    part = impact_report.Part("1. Caches", [claim], ["**Workload.**"])
    page = impact_report.render([part], where={"cpu": "2 x Good CPU"}, command="make impact", minutes=11.97)
    assert f"| 95 % fewer conflicts (line 92) | 3 \\| 4 | 0 | {verdict} |" in page
    assert "Made by `make impact` in 12.0 minutes." in page
    assert page.endswith("## 1. Caches\n\n**Workload.**\n")


def test_figures_in_a_table(impact_report):
    table = impact_report.table(("", "seconds"), [("a", 0.01234), ("b", 1234.5), ("c", math.nan), ("d", 3)])
    assert table.splitlines()[2:] == ["| a | 0.0123 |", "| b | 1234 |", "| c | - |", "| d | 3 |"]
