"""Steps of action-perf-monitor in one job."""

from __future__ import annotations

import pytest

from fakes.job_steps import Steps


@pytest.fixture
def steps(runner, monitor) -> Steps:
    """A job on the fake runner whose steps share a sampler."""
    return Steps(runner.start_job(env={"HOME": monitor.environ["HOME"]}), monitor)
