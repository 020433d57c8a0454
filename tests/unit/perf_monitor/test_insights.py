from __future__ import annotations

from dataclasses import replace

import pytest

from perf_monitor.bottleneck import find_bottleneck
from perf_monitor.building import build_report
from perf_monitor.insights import MOST, find_insights
from perf_monitor.report import Report, Statistic
from unit.perf_monitor.report_house import write_run


@pytest.fixture
def quiet(tmp_path) -> Report:
    """A run in which nothing was short."""
    report = build_report(write_run(tmp_path))
    calm = {name: level(5) for name in ("cpu_percent", "pressure_cpu_percent", "pressure_io_full_percent")}
    known = report.statistics | calm | {"load_per_core": level(0.3), "memory_percent": level(30)}
    return replace(
        report,
        statistics=known,
        seconds_over={"measured": 720.0},
        steps=(),
        unseen_cpu_seconds=0,
        caches_mb={},
    )


def level(value: float) -> Statistic:
    return Statistic(value, value, value, value, value)


def titles(report: Report) -> list[str]:
    return [insight.title for insight in find_insights(report, find_bottleneck(report))]


def test_a_quiet_run_is_told_so_in_positive_sentences(quiet) -> None:
    assert titles(quiet) == ["No bottleneck", "CPU usage", "Memory usage", "The monitor itself"]


@pytest.mark.parametrize(
    ("over", "totals", "kind", "others"),
    [
        ({"pressure-io-percent": 144.0}, {}, "io", ()),
        ({"pressure-io-percent": 143.0}, {}, "none", ()),
        ({"pressure-memory-percent": 72.0}, {}, "memory", ()),
        ({"pressure-cpu-percent": 216.0}, {}, "cpu", ()),
        ({"cpu-busy": 600.0, "pressure-io-percent": 300.0}, {}, "cpu", ("io",)),
        ({"cpu-busy": 600.0}, {"oom_kills": 1.0}, "memory", ("cpu",)),
    ],
)
def test_the_bottleneck_is_what_was_short_for_longest(quiet, over, totals, kind, others) -> None:
    found = find_bottleneck(replace(quiet, seconds_over=quiet.seconds_over | over, totals=totals))
    assert (found.kind, found.others) == (kind, others)


@pytest.mark.parametrize(
    ("changed", "title"),
    [
        ({"disk_pct": level(80)}, "Disk nearly full"),
        ({"load_per_core": level(1.51)}, "High CPU usage"),
        ({"memory_percent": level(80)}, "High memory usage"),
        ({"swap_percent": level(50)}, "Swapping"),
        ({"swap_used_mb": Statistic(0, 100, 200, 256, 256)}, "Swapping"),
        ({"active_jobs": level(2)}, "Shared host"),
        ({"job_cpu_percent": level(12.5)}, "Mostly one core"),
    ],
)
def test_each_rule_speaks_from_its_limit_on(quiet, changed, title) -> None:
    just_below = {name: level(found.peak * 0.5) for name, found in changed.items()}
    assert title in titles(replace(quiet, statistics=quiet.statistics | changed))
    assert title not in titles(replace(quiet, statistics=quiet.statistics | just_below))


def test_limits_are_those_that_the_monitor_was_started_with(quiet) -> None:
    meta = quiet.meta | {"thresholds": {"load-per-core": {"warning": 0.2, "critical": None}}}
    assert "High CPU usage" in titles(replace(quiet, meta=meta))


def test_much_unseen_work_asks_for_a_shorter_interval(quiet) -> None:
    steps = build_steps(quiet, 80)
    assert "Short-lived processes" not in titles(replace(quiet, steps=steps, unseen_cpu_seconds=20.0))
    assert "Short-lived processes" in titles(replace(quiet, steps=steps, unseen_cpu_seconds=20.1))


def build_steps(report: Report, cpu: float) -> list:
    from perf_monitor.report import Usage

    return [Usage("one", cpu / 2, 1, 1), Usage("two", cpu / 2, 1, 1)]


def test_out_of_memory_comes_first_and_no_more_than_six_are_told(quiet) -> None:
    bad = {
        "disk_pct": level(99),
        "load_per_core": level(9),
        "memory_percent": level(99),
        "swap_percent": level(99),
    }
    known = quiet.statistics | bad | {"active_jobs": level(3)}
    caches = {"c": (0.0, 500.0)}
    found = titles(replace(quiet, statistics=known, totals={"oom_kills": 2.0}, caches_mb=caches))
    assert found[:3] == ["Out of memory", "Memory bottleneck", "Disk nearly full"]
    assert len(found) == MOST
