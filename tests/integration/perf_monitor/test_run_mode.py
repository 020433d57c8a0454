"""`run` as a step: what is measured of a script, and that measuring changes nothing for it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from fakes.processes import is_running
from fakes.runner import poll_until

HALF = {"sample-interval-seconds": "0.5"}


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


def test_it_works_without_any_network(monitor):
    """In a network namespace that has not even a loopback device that is up."""
    # Off: what a busy host would be warned of, which is no matter of networks.
    limits = "\n".join(
        f"{name}=off" for name in ("load-per-core", "pressure-cpu-percent", "pressure-io-percent")
    )
    argv, environ = monitor.command(mode="run", run="true", thresholds=limits, **HALF)
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


def test_a_cancelled_script_takes_its_sampler_along(steps, workspace):
    step = steps.start(mode="run", run="touch begun; sleep 60", **HALF)
    poll_until(lambda: (workspace / "begun").exists())
    (note,) = Path(steps.job.temp, "perf-monitor").glob("*.session.json")
    pid = json.loads(note.read_text())["pid"]
    step.cancel(0.5)
    assert step.wait(30).exit_code != 0
    poll_until(lambda: not is_running(pid), timeout_seconds=10)
