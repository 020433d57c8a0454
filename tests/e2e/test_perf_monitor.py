"""action-perf-monitor in real workflows, run by the real act: around a cargo build, around a script that fails."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from e2e.act import ROOT, Act, make_repository, rust_options
from perf_monitor.samples import read_samples

LOCAL = "./action-perf-monitor"
PINNED = "OWNER/coldvox-actions/action-perf-monitor@v1"

AROUND_A_BUILD = """
on: push
jobs:
  build:
    runs-on: self-hosted
    steps:
      - uses: actions/checkout@v4
      - uses: {action}
        with:
          mode: start
          sample-interval-seconds: "0.5"
      - id: compile
        run: |
          cd voice-app
          CARGO_TARGET_DIR="$RUNNER_TEMP/target" cargo build --locked --offline --workspace
          echo "$MONITOR_PID" >"$NOTES/pid"
      - id: burn
        run: |
          import time
          while time.process_time() < 2: pass
        shell: python3 {{0}}
      - id: report
        if: ${{{{ always() }}}}
        uses: {action}
        with:
          mode: stop
      - run: cp -r "$FOLDER" "$NOTES/out"; echo "$SAMPLES $REPORT $PERFORMANCE_REPORT" >"$NOTES/outputs"
        env:
          FOLDER: ${{{{ steps.report.outputs.output-dir }}}}
          SAMPLES: ${{{{ steps.report.outputs.samples }}}}
          REPORT: ${{{{ steps.report.outputs.report-file }}}}
"""

SCOPED_JOB = """
  {name}:
    runs-on: self-hosted
    steps:
      - uses: actions/checkout@v4
      - id: test
        continue-on-error: true
        uses: ./action-perf-monitor
        with:
          mode: run
          sample-interval-seconds: "0.5"
          job-key: {name}
          run: |
            echo "word={name}" >>"$GITHUB_OUTPUT"
            python3 -c 'import time; x = bytearray({megabytes} << 20); time.sleep(2)'
            exit 3
      - run: |
          echo "$CODE $OUTPUTS $OUTCOME" >"$NOTES/{name}"
          cp "$METRICS" "$NOTES/{name}.csv"; cp "$JSON" "$NOTES/{name}.json"
        env:
          CODE: ${{{{ steps.test.outputs.exit-code }}}}
          OUTPUTS: ${{{{ steps.test.outputs.run-outputs }}}}
          OUTCOME: ${{{{ steps.test.outcome }}}}
          METRICS: ${{{{ steps.test.outputs.metrics-file }}}}
          JSON: ${{{{ steps.test.outputs.json-file }}}}
"""


@pytest.mark.parametrize("action", [LOCAL, PINNED], ids=["local", "pinned"])
def test_a_cargo_build_is_reported_by_step(act: Act, tmp_path, action):
    if not shutil.which("cargo"):
        pytest.skip("needs cargo")
    workflow = AROUND_A_BUILD.format(action=action)
    path = make_repository(
        tmp_path / "repo", {".github/workflows/test.yml": workflow}, with_actions=action == LOCAL
    )
    shutil.copytree(ROOT / "examples/voice-app", path / "voice-app", ignore=shutil.ignore_patterns("target"))
    pinned = []
    if action == PINNED:
        bundle = make_repository(tmp_path / "bundle", {}, with_actions=True)
        pinned = [f"--local-repository=OWNER/coldvox-actions@v1={bundle}"]
    run = act.run(path, *pinned, *rust_options())
    assert run.exit_code == 0, run.log
    samples, report, exported = act.note("outputs")[0].split()
    assert int(samples) >= 5
    assert report == exported
    (found,) = (act.notes / "out").glob("*_report.json")
    facts = json.loads(found.read_text())
    steps = {step["name"]: step for step in facts["steps"]}
    assert steps["compile"]["cpu_seconds"] > 0.5
    assert steps["burn"]["cpu_seconds"] == pytest.approx(
        2, abs=0.6
    )  # the last half second is not seen under act
    assert "rustc" in {program["name"] for program in facts["programs"]}
    assert (found.with_name(found.name.replace(".json", ".html"))).read_text().startswith("<!DOCTYPE html>")
    assert "### Performance of" in Path(act.notes / "out" / Path(report).name).read_text()
    (pid,) = act.note("pid")
    stat = Path(f"/proc/{pid}/stat")  # a zombie, where nobody takes in orphans
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_two_jobs_at_once_are_measured_apart_and_keep_their_exit_codes(act: Act, tmp_path):
    sizes = {"small": 50, "large": 400}
    jobs = "".join(SCOPED_JOB.format(name=name, megabytes=size) for name, size in sizes.items())
    path = make_repository(
        tmp_path / "repo", {".github/workflows/test.yml": f"on: push\njobs:{jobs}"}, with_actions=True
    )
    run = act.run(path)
    assert run.exit_code == 0, run.log
    for name, size in sizes.items():
        assert act.note(name) == [f'3 {{"word": "{name}"}} failure']
        assert len(read_samples(act.notes / f"{name}.csv")) >= 4
        facts = json.loads((act.notes / f"{name}.json").read_text())
        assert facts["statistics"]["job_memory_mb"]["peak"] == pytest.approx(size + 15, abs=20)
