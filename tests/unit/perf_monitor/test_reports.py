from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from actionlib.errors import ActionError
from actionlib.summary import MAXIMUM_BYTES
from perf_monitor.building import build_report
from perf_monitor.html_report import html_report
from perf_monitor.json_report import to_json
from perf_monitor.markdown_report import foreign, markdown_report, text
from perf_monitor.monitor_files import MonitorFiles
from perf_monitor.report import Report
from perf_monitor.samples import columns
from unit.perf_monitor.report_house import SPIKE_MB, write_run

HOSTILE = '<script>|\n"&`[x](http://a)@me'
OLD_HEADER = (
    "timestamp,load_avg,memory_mb,memory_available_mb,disk_pct,runner_cpu,runner_mem,network_rx,network_tx,disk_read,"
    "disk_write,cache_size_mb,vosk_model_mb,rust_cache_mb,active_jobs,workflow_id,job_name,run_attempt,step_name\n"
)
VOID = {"meta", "path", "rect", "br"}


class WellFormed(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.seen.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def check_html(page: str) -> WellFormed:
    parser = WellFormed()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    assert not {"script", "link", "img", "iframe", "object"} & set(parser.seen)
    assert not re.search(r"https?://|url\(|@import|\bsrc=|\bhref=|\son\w+=", page)
    return parser


@pytest.fixture
def files(tmp_path) -> MonitorFiles:
    return write_run(tmp_path)


def all_forms(report: Report) -> tuple[str, str, str]:
    page = html_report(report)
    check_html(page)
    return markdown_report(report), page, json.dumps(to_json(report), allow_nan=False)


def old_file(folder: Path, rows: list[str]) -> MonitorFiles:
    path = folder / "metrics_old.csv"
    path.write_text(OLD_HEADER + "".join(row + "\n" for row in rows))
    return MonitorFiles.of_csv(path)


def test_the_verdict_comes_first_and_names_what_was_short(files) -> None:
    report = build_report(files)
    assert report.bottleneck == "cpu"
    assert report.headline.startswith("12 min, limited by the CPU: ")
    first, second = [line for line in markdown_report(report).splitlines() if line][:2]
    assert first.startswith("### ")
    assert second == f"**{report.headline}**"


def test_figures_are_those_of_the_rows(files) -> None:
    report = build_report(files)
    assert (report.samples, report.duration_seconds, report.ended) == (144, 720, "stop")
    assert report.statistics["memory_mb"].peak == SPIKE_MB
    assert report.totals["job_cpu_seconds"] == pytest.approx(sum(step.cpu_seconds for step in report.steps))
    assert [phase.step for phase in report.phases] == [step.name for step in report.steps]
    assert [alert.metric for alert in report.alerts] == [
        "pressure-cpu-percent",
        "load-per-core",
        "memory-percent",
    ]
    assert not report.notes
    assert 1 <= len(report.insights) <= 6


def test_a_spike_of_one_sample_is_in_every_form(files) -> None:
    report = build_report(files)
    peak = f"{SPIKE_MB / 1024:.2f}"
    markdown, page, raw = all_forms(report)
    assert peak in markdown
    assert f"{peak} GiB" in page
    memory = next(chart for chart in json.loads(raw)["charts"] if chart["title"] == "Memory")
    assert max(value for _, value in memory["lines"]["host"]) == pytest.approx(SPIKE_MB / 1024, abs=0.001)
    assert all(len(points) <= 60 for points in memory["lines"].values())


def test_a_killed_sampler_is_said_and_reported_up_to_then(tmp_path) -> None:
    files = write_run(tmp_path, seconds=80)
    known = json.loads(files.steps.read_text())
    files.steps.write_text(json.dumps(known | {"ended": None}))
    report = build_report(files)
    assert report.notes == ["The sampler was killed at about 1 min 20 s; what follows is up to then."]
    assert report.notes[0] in markdown_report(report)
    assert not build_report(files, running=True).notes
    files.steps.unlink()
    assert len(build_report(files).notes) == 2


@pytest.mark.parametrize("damage", ["missing", "torn", "list", "binary", "folder", "wrong kinds"])
def test_damaged_files_beside_the_samples_cost_a_note_each_and_not_the_report(files, damage) -> None:
    for path in (files.meta, files.steps, files.alerts):
        whole = path.read_bytes()
        path.unlink()
        if damage == "torn":
            path.write_bytes(whole[: len(whole) // 2])
        elif damage == "list":
            path.write_text("[1, NaN]\n")
        elif damage == "binary":
            path.write_bytes(b"\xff\xfe\x00{")
        elif damage == "folder":
            path.mkdir()
        elif damage == "wrong kinds":
            path.write_text(
                '{"cores": "8", "thresholds": [], "steps": [{"step": 1}, 7], "level": "critical"}\n'
            )
    report = build_report(files)
    assert report.samples == 144
    named = " ".join(report.notes)
    assert files.meta.name in named
    assert files.steps.name in named
    assert (files.alerts.name in named) == (damage != "missing")
    all_forms(report)


def test_a_torn_last_row_is_left_out_with_a_note(files) -> None:
    with files.csv.open("a") as file:
        file.write("2026-11-24 02:42:05,3.1,90")
    report = build_report(files)
    assert report.samples == 144
    assert report.notes == ["The last sample was cut off and is left out."]


def test_a_file_of_the_earlier_script_is_reported(tmp_path) -> None:
    rows = [
        f"2026-01-01 00:00:{5 * at:02},{4 + at},9000,7000,50,1.0,0.5,{at * 1048576},0,{at * 2048},"
        "0,10,0,20,1,77,b,1,unknown"
        for at in range(5)
    ]
    rows.insert(2, "[2026-01-01 00:00:09] ALERT: High CPU load: 9")
    report = build_report(old_file(tmp_path, rows))
    assert (report.samples, report.duration_seconds, report.bottleneck) == (5, 20, "unknown")
    assert report.totals["network_rx_bytes"] == 4 * 1048576
    assert report.totals["disk_read_bytes"] == 4 * 2048 * 512
    assert report.statistics["memory_percent"].mean == pytest.approx(56.25)
    assert report.meta["run_id"] == "77"
    assert [insight.title for insight in report.insights] == ["High CPU usage", "Memory usage"]
    assert len(report.notes) == 2
    all_forms(report)


def test_a_clock_that_goes_back_and_a_counter_that_restarts_are_survived(tmp_path) -> None:
    stamps, counts = ("00:00:10", "00:00:15", "00:00:02", "00:00:07"), (5000, 9000, 10, 1010)
    rows = [f"2026-01-01 {s},1,1,1,5,,,{c},0,0,0,,,,1,u,u,1,u" for s, c in zip(stamps, counts, strict=True)]
    report = build_report(old_file(tmp_path, rows))
    assert report.duration_seconds == 15
    assert report.totals["network_rx_bytes"] == 5000
    all_forms(report)


def test_one_sample_makes_a_report_without_charts(tmp_path) -> None:
    report = build_report(write_run(tmp_path, seconds=5))
    assert (report.samples, list(report.charts)) == (1, [])
    assert "1 sample," in markdown_report(report)
    all_forms(report)


def test_no_sample_is_an_error_that_names_the_file(tmp_path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text(",".join(columns(())) + "\n")
    with pytest.raises(ActionError, match=r"empty\.csv holds no samples"):
        build_report(MonitorFiles.of_csv(path))


def test_foreign_text_stays_text_everywhere(files) -> None:
    known = json.loads(files.steps.read_text())
    known["steps"][2]["step"] = known["programs"][0]["name"] = HOSTILE
    files.steps.write_text(json.dumps(known))
    described = json.loads(files.meta.read_text())
    files.meta.write_text(json.dumps(described | {"job": HOSTILE, "repository": HOSTILE, "runner": HOSTILE}))
    report = build_report(files)
    report = replace(report, phases=[replace(phase, step=HOSTILE) for phase in report.phases])
    markdown = markdown_report(report)
    page = html_report(report).replace("[x](http://a)", "")
    check_html(page)
    assert "&lt;script&gt;" in page
    assert "<script" not in re.sub(r"`[^`\n]*`", "", markdown)
    for line in markdown.splitlines():
        assert not re.search(r"(?<!\\)\]\(", re.sub(r"(?<!\\)`[^`\n]*`", "", line))
        assert "@me" not in re.sub(r"`[^`\n]*`", "", line)
    header, *rows = [line for line in markdown.splitlines() if line.startswith("|") and "peak memory" in line]
    assert all(re.sub(r"\\\|", "", row).count("|") == row.count("|") for row in [header, *rows])


def test_names_cannot_leave_their_code() -> None:
    assert foreign("a``b|c\nd") == "`a\u02cb\u02cbb¦c d`"
    assert text("<b>*x*_y_|\n") == "&lt;b&gt;\\*x\\*\\_y\\_\\| "


def test_six_hours_at_one_second_stay_small_in_every_form(tmp_path) -> None:
    report = build_report(write_run(tmp_path, seconds=21_600, interval=1))
    assert report.samples == 21_600
    markdown, page, raw = all_forms(report)
    assert len(markdown.encode()) < 30_000 < MAXIMUM_BYTES
    assert len(page.encode()) < 400_000
    assert len(raw) < 60_000


def test_thousands_of_steps_alerts_and_caches_do_not_crowd_the_summary_out(files) -> None:
    report = build_report(files)
    many = replace(
        report,
        steps=[replace(report.steps[0], name=f"step-{number}") for number in range(3000)],
        alerts=list(report.alerts) * 1000,
        caches_mb={f"cache-{number}": (1.0, 2.0) for number in range(3000)},
        notes=["note"] * 500,
    )
    markdown = markdown_report(many)
    assert len(markdown.encode()) < 40_000
    assert "2990 more are in the JSON report" in markdown
    assert "2970 more" in markdown
    assert markdown.rstrip().endswith("</sub>")


def test_an_hour_at_five_seconds_costs_a_tenth_of_a_second(tmp_path) -> None:
    files = write_run(tmp_path, seconds=3600)
    costs = []
    for _ in range(3):
        begin = time.process_time()
        report = build_report(files)
        html_report(report), markdown_report(report), to_json(report)
        costs.append(time.process_time() - begin)
    assert min(costs) < 0.2  # about half of that here; a slow host must not fail it


def test_mermaid_itself_accepts_every_chart(files, tmp_path) -> None:
    node = shutil.which("node")
    found = [folder / "mermaid" for folder in _module_folders() if (folder / "mermaid").is_dir()]
    if not node or not found:
        pytest.skip(
            "needs node, and mermaid with jsdom (npm install mermaid jsdom) in NODE_PATH or node's folder"
        )
    report = build_report(files)
    (tmp_path / "report.md").write_text(markdown_report(report))
    script = Path(__file__).with_name("mermaid_check.mjs")
    ran = subprocess.run(
        [node, str(script), str(found[0].parent), str(tmp_path / "report.md")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [str(len(report.charts)), "accepted"]


def _module_folders() -> list[Path]:
    import os

    folders = [Path(folder) for folder in os.environ.get("NODE_PATH", "").split(":") if folder]
    return [*folders, Path("/usr/local/lib/node_modules"), Path("/usr/lib/node_modules")]
