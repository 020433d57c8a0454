"""`start` and `stop` as steps: what is measured between them, what is handed out, what is left."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from fakes.job_steps import Steps
from fakes.processes import is_running
from fakes.runner import StepResult, poll_until
from perf_monitor.samples import SOURCE_CACHES, read_samples

HALF = {"sample-interval-seconds": "0.5"}
# Two seconds of CPU time, however long they take on a busy host.
BURN = "python3 -c 'import time\nwhile time.process_time() < 2: pass'"
CHILDREN = """
import os, resource
for _ in range(1500):
    pid = os.fork()
    if pid == 0:
        sum(range(20_000))
        os._exit(0)
    os.waitpid(pid, 0)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
open(os.environ["NOTE"], "w").write(str(used.ru_utime + used.ru_stime))
"""


def report_of(result: StepResult) -> dict:
    return json.loads(Path(result.outputs["json-file"]).read_text())


def steps_of(result: StepResult) -> dict[str, dict]:
    return {one["name"]: one for one in report_of(result)["steps"]}


@pytest.mark.parametrize("mode", ["start", "monitor"])
def test_steps_between_start_and_stop_are_reported(steps, mode, tmp_path):
    started = steps.run(mode=mode, **HALF)
    assert started.exit_code == 0, started.stdout
    assert started.env["METRICS_FILE"] == started.outputs["metrics-file"]
    assert is_running(started.env["MONITOR_PID"])
    steps.shell(BURN, {"GITHUB_ACTION": "burn"})
    steps.shell(
        "python3 -c 'import time; x = bytearray(200 << 20); time.sleep(1.2)'", {"GITHUB_ACTION": "block"}
    )
    stopped = steps.run(mode="stop")
    assert stopped.exit_code == 0, stopped.stdout
    assert not is_running(started.env["MONITOR_PID"])
    found = steps_of(stopped)
    assert found["burn"]["cpu_seconds"] == pytest.approx(2, rel=0.08)
    assert found["block"]["peak_memory_mb"] == pytest.approx(210, rel=0.05)
    assert stopped.env["PERFORMANCE_REPORT"] == stopped.outputs["report-file"]
    for name in ("metrics-file", "report-file", "html-file"):
        assert Path(stopped.outputs[name]).stat().st_size > 0
    for name in ("average-load", "peak-load", "peak-memory-mb", "samples"):
        assert float(stopped.outputs[name]) >= 0
    assert stopped.outputs["health"] in ("excellent", "concerning", "critical")
    assert "| `burn` |" in stopped.summary
    assert len(stopped.summary.encode()) < 200_000


def test_children_that_no_sample_saw_count_for_their_step(steps, tmp_path):
    steps.run(mode="start", **HALF)
    note = tmp_path / "used"
    done = steps.shell(f"python3 -c '{CHILDREN}'", {"GITHUB_ACTION": "many", "NOTE": str(note)})
    assert done.exit_code == 0, done.stdout
    stopped = steps.run(mode="stop")
    programs = {one["name"]: one["cpu_seconds"] for one in report_of(stopped)["programs"]}
    unseen = sum(value for name, value in programs.items() if name.startswith("children of"))
    # What a child used while a sample saw it stands under its own name; the rest of the last interval came to the
    # worker, and from there to the step.
    whole = steps_of(stopped)["many"]["cpu_seconds"]
    assert whole >= float(note.read_text()) * 0.95
    assert unseen > 0


def test_the_sampler_has_all_columns_of_the_script_that_it_replaces(steps):
    started = steps.run(mode="start", **HALF)
    poll_until(lambda: len(Path(started.outputs["metrics-file"]).read_text().splitlines()) >= 3)
    header, row = Path(started.outputs["metrics-file"]).read_text().splitlines()[:2]
    assert header.startswith(
        "timestamp,load_avg,memory_mb,memory_available_mb,disk_pct,runner_cpu,runner_mem,network_rx,network_tx,"
        "disk_read,disk_write,cache_size_mb,vosk_model_mb,rust_cache_mb,active_jobs,workflow_id,job_name,run_attempt,"
        "step_name,"
    )
    cells = dict(zip(header.split(","), row.split(","), strict=True))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", cells["timestamp"])
    assert (cells["workflow_id"], cells["job_name"], cells["run_attempt"]) == ("4711", "test", "1")
    assert float(cells["active_jobs"]) >= 0
    steps.run(mode="stop")


def test_named_cache_folders_have_columns_and_a_missing_one_is_a_notice(steps, workspace):
    (workspace / "cache").mkdir()
    (workspace / "cache/file").write_bytes(os.urandom(3 << 20))
    started = steps.run(mode="start", cache_paths=["mine=cache", "later=absent"], **HALF)
    assert "::notice" in started.stdout
    assert "later is not there" in started.stdout
    csv = Path(started.outputs["metrics-file"])
    poll_until(lambda: "mine" in read_samples(csv).caches)
    stopped = steps.run(mode="stop")
    assert report_of(stopped)["caches"]["mine"]["last_mb"] == pytest.approx(3, abs=0.1)
    assert "later" not in report_of(stopped)["caches"]
    assert set(SOURCE_CACHES) <= {name.removesuffix("_mb") for name in read_samples(csv).numbers}


def test_two_jobs_share_nothing(runner, monitor):
    one, other = (Steps(runner.start_job(env={"HOME": monitor.environ["HOME"]}), monitor) for _ in range(2))
    first, second = one.run(mode="start", **HALF), other.run(mode="start", **HALF)
    assert first.outputs["metrics-file"] != second.outputs["metrics-file"]
    one.shell("timeout 1 bash -c 'while :; do :; done' || true", {"GITHUB_ACTION": "mine"})
    ended, other_ended = one.run(mode="stop"), other.run(mode="stop")
    assert "mine" in steps_of(ended)
    assert "mine" not in steps_of(other_ended)


def test_a_sampler_that_was_killed_costs_its_newest_row_at_most(steps):
    started = steps.run(mode="start", **HALF)
    csv = Path(started.outputs["metrics-file"])
    poll_until(lambda: len(csv.read_text().splitlines()) >= 4)
    os.kill(int(started.env["MONITOR_PID"]), signal.SIGKILL)
    stopped = steps.run(mode="stop")
    assert stopped.exit_code == 0, stopped.stdout
    assert int(stopped.outputs["samples"]) >= 3
    assert "was killed" in stopped.summary
    assert csv.read_text().endswith("\n")


@pytest.mark.parametrize("end", ["finish", "kill_worker"])
def test_the_sampler_ends_with_the_job(steps, end):
    pid = steps.run(mode="start", **HALF).env["MONITOR_PID"]
    killed = getattr(steps.job, end)()
    assert not killed, "the runner's orphan clean-up must not be what ends it"
    poll_until(lambda: not is_running(pid), timeout_seconds=10)


def test_the_sampler_ends_after_its_longest_time(steps):
    started = steps.run(mode="start", max_runtime_seconds=2, **HALF)
    poll_until(lambda: not is_running(started.env["MONITOR_PID"]), timeout_seconds=10)
    stopped = steps.run(mode="stop")
    assert report_of(stopped)["ended"] == "max-runtime"


def test_alerts_are_told_once_and_become_annotations(steps):
    steps.run(mode="start", thresholds=["memory-mb=1", "disk-percent=0.001"], **HALF)
    time.sleep(1.2)  # several samples above the limits
    stopped = steps.run(mode="stop")
    warnings = re.findall(r"::warning[^\n]*after \d+ s: ([\w-]+)", stopped.stdout)
    assert [warnings.count(name) for name in ("disk-percent", "memory-mb")] == [1, 1]
    assert stopped.outputs["health"] in ("concerning", "critical")


def test_a_step_that_was_not_started_or_was_stopped_before_is_an_error(steps):
    refused = steps.run(mode="stop")
    assert refused.exit_code == 1
    assert "mode 'stop': nothing is being monitored in this job. Use mode 'start'" in refused.stdout
    steps.run(mode="start", **HALF)
    assert steps.run(mode="stop").exit_code == 0
    assert "nothing is being monitored" in steps.run(mode="stop").stdout


def test_no_file_holds_a_command_line_or_a_variable(steps):
    steps.run(mode="start", **HALF)
    steps.shell(
        "python3 -c 'import time; time.sleep(1.2)' hidden-argument", {"SECRET_WORD": "hidden-variable"}
    )
    stopped = steps.run(mode="stop")
    files = [path for path in Path(stopped.outputs["output-dir"]).rglob("*") if path.is_file()]
    assert len(files) >= 7
    for path in files:
        assert b"hidden-" not in path.read_bytes(), path
