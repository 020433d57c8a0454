"""Steps of action-headless-env in one job."""

from __future__ import annotations

import shutil

import pytest

from fakes.job_steps import Steps


@pytest.fixture(autouse=True)
def _needs_a_display_server():
    for tool in ("Xvfb", "dbus-daemon"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}; scripts/system-packages installs it")


@pytest.fixture
def steps(runner, headless) -> Steps:
    """A job on the fake runner, whose steps share an environment."""
    return Steps(runner.start_job(env={"HOME": headless.environ["HOME"]}), headless)
