"""The whole pipeline of examples/workflows/coldvox-ci.yml, as `make demo` runs it: twice, under the real act."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.act import ROOT

LIMIT_SECONDS = 240
RUNS = ("an-empty-store", "a-filled-store")


@dataclass(frozen=True)
class Demo:
    folder: Path
    output: str

    def summaries(self, run: str) -> list[str]:
        return [path.read_text() for path in sorted((self.folder / run).rglob("*.md"))]

    def summary(self, run: str, heading: str) -> list[str]:
        return [text for text in self.summaries(run) if text.startswith(f"### {heading}")]

    def units(self, run: str) -> int:
        """What the combinations of one run compiled."""
        found = (re.search(r"units compiled\D+(\d+)", text) for text in self.summary(run, "Feature matrix"))
        return sum(int(one[1]) for one in found if one)


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Demo:
    folder = tmp_path_factory.mktemp("pipeline") / "demo"
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/demo.py"), "--folder", str(folder)],
        capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    return Demo(folder, done.stdout)


@pytest.mark.parametrize("run", RUNS)
def test_every_combination_of_the_plan_is_checked_in_three_jobs(demo: Demo, run):
    (plan,) = [text for text in demo.summary(run, "Feature matrix") if "in 3 jobs" in text]
    planned = int(re.search(r"(\d+) combinations", plan)[1])
    checked = [text for text in demo.summary(run, "Feature matrix") if "units compiled" in text]
    passed = [int(re.search(r"(\d+) combinations? pass", text)[1]) for text in checked]
    assert len(passed) == 3
    assert sum(passed) == planned > 20


@pytest.mark.parametrize("run", RUNS)
def test_words_are_typed_and_a_microphone_is_spoken_into(demo: Demo, run):
    (desktop,) = demo.summary(run, "Headless environment")
    assert "exit code 0" in desktop
    assert "✅" in desktop
    assert "❌" not in desktop
    log = (demo.folder / f"{run}.log").read_text()
    assert re.search(r"test \S*typed\S* \.\.\. ok", log)
    assert re.search(r"test \S*(spoken|microphone)\S* \.\.\. ok", log)
    (result,) = demo.summary(run, "ColdVox CI")
    assert "2 tests typed, spoke and listened" in result


def test_the_second_run_builds_far_less_and_fetches_nothing(demo: Demo):
    assert demo.units("a-filled-store") < demo.units("an-empty-store") / 2
    (desktop,) = demo.summary("a-filled-store", "Cache populate")
    assert "| hit |" in desktop
    assert len(demo.summary("a-filled-store", "Cache restored")) == 3
    states = [
        re.findall(r"\| (fetched|unchanged) \|", text) for text in demo.summary("a-filled-store", "Models")
    ]
    assert states == [["unchanged"]] * 4
    first = [
        state
        for text in demo.summary("an-empty-store", "Models")
        for state in re.findall(r"\| (\w+) \|", text)
    ]
    assert first.count("fetched") == 1


def test_one_job_builds_and_the_others_wait_for_it(demo: Demo):
    populated = demo.summary("an-empty-store", "Cache populate")
    features = [text for text in populated if "voice-app-target" in text]
    assert len(features) == 3
    assert sorted(re.search(r"\*\*populated\*\* \| (\w+)", text)[1] for text in features) == [
        "ran",
        "waited",
        "waited",
    ]


@pytest.mark.parametrize("run", RUNS)
def test_the_dispatcher_chooses_the_host_and_each_job_is_watched(demo: Demo, run):
    assert len(demo.summary(run, "Smart dispatch for Test: self-hosted-primary")) == 1
    assert len(demo.summary(run, "Performance of features")) == 3


def test_the_page_holds_every_summary_by_job_the_result_first_and_needs_nothing_from_outside(demo: Demo):
    page = (demo.folder / "summaries.html").read_text()
    for run in RUNS:
        for text in demo.summaries(run):
            assert f"<h3>{re.search(r'^#+ (.*)', text, re.MULTILINE)[1]}</h3>" in page
    names = re.findall(r"<section id=\S+><h2>(.*?)</h2>", page)
    assert names[: len(names) // 2][0] == names[len(names) // 2 :][0] == "result"
    assert sorted(set(names)) == [
        "desktop", "dispatch", "features 1/3", "features 2/3", "features 3/3", "plan", "result",
    ]  # fmt: skip
    assert page.count("<svg") >= 3 * len(RUNS)
    assert "xychart" not in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="http', page)


def test_the_terminal_shows_what_happened_and_ends_with_what_was_saved(demo: Demo):
    for text in demo.summaries("an-empty-store"):
        assert re.search(r"^#+ (.*)", text, re.MULTILINE)[1] in demo.output
    assert "mermaid" not in demo.output
    assert demo.output.count("ColdVox CI: features success, desktop success") == 2
    end = demo.output[demo.output.index("What the store saved") :]
    assert re.search(r"compilation units of the combinations\D+\d+\D+\d+", end)
    assert re.search(r"downloads of the model\D+1\D+0", end)
    assert str(demo.folder / "summaries.html") in end


def test_under_act_the_monitor_knows_steps_by_their_actions(demo: Demo):
    for text in demo.summary("an-empty-store", "Performance of features"):
        assert "| `action-feature-matrix` |" in text
        assert "| `action-cache-lock` |" in text
