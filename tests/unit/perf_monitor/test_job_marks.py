"""A process tells by its variables to which step it belongs."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from perf_monitor.job_marks import JobMarks

JOB = {"RUNNER_TRACKING_ID": "github_1234"}
ACTION = {"GITHUB_ACTION": "main", "GITHUB_ACTION_PATH": "/srv/actions/action-cache-lock/"}


@pytest.mark.parametrize(
    ("variables", "step"),
    [
        ({"GITHUB_ACTION": "__run_2"}, "__run_2"),
        ({}, ""),
        (ACTION, "main"),  # the runner keeps the workflow's id: it is called main there
        ({**ACTION, "ACT": "true"}, "action-cache-lock"),  # act sets the inner step's
        ({"GITHUB_ACTION": "0", "GITHUB_ACTION_PATH": "", "ACT": "true"}, "0"),
    ],
)
def test_the_step_of_a_process(variables, step):
    process = subprocess.Popen(["sleep", "60"], env={**JOB, **variables})
    try:
        here = Path(f"/proc/{process.pid}")
        # Until it has its own variables, which exec gives it after its name.
        while (here / "comm").read_text() != "sleep\n" or not (here / "environ").read_bytes():
            time.sleep(0.01)
        assert JobMarks.of(JOB).step_of(process.pid, below_anchor=False) == step
        assert JobMarks.of({"RUNNER_TRACKING_ID": "other"}).step_of(process.pid, below_anchor=False) is None
    finally:
        process.kill()
        process.wait()
