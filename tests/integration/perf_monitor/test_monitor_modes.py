"""The modes as steps: what is measured, what is handed out, what is left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
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


# --- start, stop -------------------------------------------------------------------------------------------------


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


# --- run ---------------------------------------------------------------------------------------------------------


def test_a_script_is_measured_and_keeps_its_exit_code_and_outputs(monitor):
    burn = "import time\nwhile time.process_time() < 1: pass"  # a second of CPU, however busy the host is
    step = monitor(mode="run", run=f'echo "a=b" >>"$GITHUB_OUTPUT"; python3 -c "{burn}"; exit 7', **HALF)
    assert step.exit_code == 7, step.log
    assert step.outputs["exit-code"] == "7"
    assert json.loads(step.outputs["run-outputs"]) == {"a": "b"}
    assert step.facts["script-cpu-seconds"] == pytest.approx(1, abs=0.15)
    (found,) = step.facts["steps"]
    assert found["cpu_seconds"] == pytest.approx(step.facts["script-cpu-seconds"], abs=0.6)


def test_what_is_beside_a_script_is_not_attributed_to_it(monitor):
    busy = monitor.start(mode="run", run="timeout 3 bash -c 'while :; do :; done' || true", **HALF)
    idle = monitor(mode="run", run="sleep 1.2", **HALF)
    assert idle.facts["totals"]["job_cpu_seconds"] < 0.3
    assert busy.wait().exit_code == 0


def test_a_full_disk_changes_nothing_for_the_script(monitor, mount_tmpfs, tmp_path):
    disk = mount_tmpfs(tmp_path / "disk", 1)
    step = monitor(
        mode="run",
        run=f"head -c 5M /dev/zero >{disk}/full || true; sleep 1.2; exit 7",
        output_dir=str(disk),
        **HALF,
    )
    assert step.exit_code == 7, step.log
    assert "cannot be written" in step.log


# --- health, report, compare -------------------------------------------------------------------------------------


def test_health_fails_the_step_only_as_it_was_told(monitor):
    fine = monitor(mode="health", thresholds=["memory-mb=1,2"])
    assert fine.exit_code == 0
    assert fine.outputs["health"] == "critical"
    failed = monitor(mode="health", thresholds=["memory-mb=1,2"], fail_on="critical")
    assert failed.exit_code == 1
    assert "the host's health is critical" in failed.error()
    assert 0 <= int(failed.outputs["health-score"]) <= 100


def test_health_knows_missing_caches_and_hosts_that_do_not_answer(monitor):
    step = monitor(mode="health", cache_paths="models=/absent", network_host="127.0.0.1:9")
    points = {one["metric"]: one["points"] for one in step.facts["penalties"]}
    assert points["caches-missing"] == 15
    assert points["network-unreachable"] == 20
    assert int(step.outputs["health-score"]) <= 65
    levels = {one["metric"]: one["level"] for one in step.facts["checks"]}
    assert levels["caches-missing"] == "concerning"
    assert levels["network-unreachable"] == "critical"
    assert step.outputs["health"] == "critical"


def test_a_host_that_must_be_reached_fails_the_step(monitor):
    step = monitor(mode="health", network_host="127.0.0.1:9", fail_on="critical")
    assert step.exit_code == 1
    forgiving = monitor(
        mode="health", network_host="127.0.0.1:9", thresholds=["network-unreachable=off"], fail_on="critical"
    )
    assert "network-unreachable" not in {one["metric"] for one in forgiving.facts["checks"]}


def test_a_report_of_a_file_of_the_earlier_script(monitor, workspace):
    head = (
        "timestamp,load_avg,memory_mb,memory_available_mb,disk_pct,runner_cpu,runner_mem,network_rx,network_tx,"
        "disk_read,disk_write,cache_size_mb,vosk_model_mb,rust_cache_mb,active_jobs,workflow_id,job_name,run_attempt,"
        "step_name"
    )
    rows = [
        f"2026-11-24 02:00:{second:02},{1 + second / 10},4000,20000,40,0.5,0.1,{second * 1000},5,6,7,100,50,20,1,"
        "4711,build,1,unknown"
        for second in range(0, 60, 5)
    ]
    (workspace / "old.csv").write_text("\n".join([head, "[2026-11-24] Starting", *rows]) + "\n2026-11")
    step = monitor(mode="report", metrics_file="old.csv")
    assert step.exit_code == 0, step.log
    assert step.outputs["samples"] == "12"
    assert step.outputs["peak-load"] == "6.50"
    assert "cut off" in step.summary


def test_it_works_without_any_network(monitor):
    """In a network namespace that has not even a loopback device that is up."""
    argv, environ = monitor.command(mode="run", run="true", **HALF)
    probe = subprocess.run(["unshare", "-n", "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"no network namespace of our own: {probe.stderr.strip()}")
    done = subprocess.run(
        ["unshare", "-n", *argv], env=environ, cwd=monitor.worker, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "::warning" not in done.stdout
    assert done.stderr == ""


def test_what_is_written_to_the_disk_is_in_the_report(monitor):
    path = Path("/var/tmp") / f"perf-monitor-{os.getpid()}"
    disk = os.stat("/var/tmp").st_dev
    if not Path(f"/sys/dev/block/{os.major(disk)}:{os.minor(disk)}").exists():
        pytest.skip("/var/tmp is on no disk whose traffic is counted")
    try:
        step = monitor(mode="run", run=f"dd if=/dev/urandom of={path} bs=1M count=100 conv=fsync", **HALF)
    finally:
        path.unlink(missing_ok=True)
    assert step.exit_code == 0, step.log
    # Others may write meanwhile, and the file system its own notes.
    assert 100 * 2**20 * 0.95 <= step.facts["totals"]["disk_write_bytes"] <= 200 * 2**20


def test_at_most_ten_alerts_become_annotations(monitor, workspace):
    files = monitor(mode="run", run="true", **HALF).outputs["metrics-file"]
    alert = {
        "elapsed_seconds": 1,
        "unix_seconds": 2,
        "metric": "load",
        "level": "critical",
        "value": 9,
        "limit": 8,
    }
    lines = [json.dumps({**alert, "text": f"alert {number}"}) + "\n" for number in range(40)]
    Path(files.removesuffix(".csv") + ".alerts.jsonl").write_text("".join(lines))
    step = monitor(mode="report", metrics_file=files)
    assert step.log.count("::warning") == 10
    assert "31 more alerts are in the report" in step.log
    assert step.outputs["health"] == "critical"


def test_a_cancelled_script_takes_its_sampler_along(steps, workspace):
    step = steps.start(mode="run", run="touch begun; sleep 60", **HALF)
    poll_until(lambda: (workspace / "begun").exists())
    (note,) = Path(steps.job.temp, "perf-monitor").glob("*.session.json")
    pid = json.loads(note.read_text())["pid"]
    step.cancel(0.5)
    assert step.wait(30).exit_code != 0
    poll_until(lambda: not is_running(pid), timeout_seconds=10)


def test_at_the_prompt_the_exit_status_is_the_level(monitor):
    argv, environ = monitor.command(mode="health", thresholds=["memory-mb=1,2"])
    prompt = {name: value for name, value in environ.items() if not name.startswith(("GITHUB_", "RUNNER_"))}
    done = subprocess.run(argv, env=prompt, cwd=monitor.worker, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"mode": "start", "sample-interval-seconds": "0"}, "input 'sample-interval-seconds' is '0'; allowed: a "),
        ({"mode": "start", "sample-interval-seconds": "often"}, "input 'sample-interval-seconds' is 'often'"),
        ({"mode": "start", "thresholds": "loud=3"}, "there is no metric 'loud'"),
        ({"mode": "start", "thresholds": "lod=3"}, "Did you mean 'load'?"),
        ({"mode": "start", "thresholds": "load=9,3"}, "input 'thresholds' holds 'load=9,3'"),
        ({"mode": "start", "cache-paths": "Mine"}, "input 'cache-paths' holds 'Mine'; allowed: NAME=PATH"),
        ({"mode": "start", "cache-paths": "memory=/tmp"}, "the column memory_mb is taken"),
        ({"mode": "start", "disk-path": "/absent"}, "input 'disk-path' is '/absent': /absent does not exist"),
        ({"mode": "start", "job-pattern": "("}, "input 'job-pattern' is '('"),
        ({"mode": "start", "output-dir": "file/below"}, "cannot be written"),
        ({"mode": "start", "run": "true"}, "input 'run' is set, and mode 'start' runs nothing"),
        ({"mode": "run"}, "input 'run' is empty, and mode 'run' needs it"),
        ({"mode": "run", "run": "true", "comment-pr": "true"}, "input 'comment-pr' is 'true', and 'token' is empty"),
        ({"mode": "run", "run": "true", "fail-on-regression": "true", "baseline": "false"}, "nothing to compare with"),
        ({"mode": "run", "run": "true", "otlp-endpoint": "localhost"}, "input 'otlp-endpoint' is 'localhost'"),
        ({"mode": "run", "run": "touch ran", "prometheus-textfile": "/absent/x.prom"}, "'prometheus-textfile' is"),
        ({"mode": "health", "network-host": "http://x"}, "input 'network-host' is 'http://x'"),
        ({"mode": "health", "fail-on": "bad"}, "input 'fail-on' is 'bad'; allowed: never, concerning, critical"),
        ({"mode": "report"}, "mode 'report': there is no metrics file"),
        ({"mode": "report", "metrics-file": "absent.csv"}, "absent.csv cannot be read: No such file"),
        ({"mode": "report", "metrics-file": "empty.csv"}, "empty.csv is empty"),
        ({"mode": "report", "metrics-file": "text.csv"}, "text.csv is no metrics file"),
        ({"mode": "report", "metrics-file": "header.csv"}, "holds no samples"),
        ({"mode": "watch"}, "input 'mode' is 'watch'; allowed: start, stop, run, health, report, compare"),
    ],
    ids=lambda value: str(sorted(value.items()))[:60] if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_bad_input_is_named_with_what_is_allowed(monitor, workspace, inputs, message):
    (workspace / "file").touch()
    (workspace / "empty.csv").touch()
    (workspace / "text.csv").write_text("hello\n")
    (workspace / "header.csv").write_text("timestamp,load_avg\n")
    step = monitor(**inputs)
    assert step.exit_code == 1
    assert message in step.error()
    assert not (workspace / "ran").exists()
