"""Steps of an action and of the user's own, in one job of the fake runner."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from fakes.runner import FakeJob, FakeStep, StepResult, action_step
from fakes.steps import ActionStarter


class Steps:
    """One job. What a step exports, the next one finds."""

    def __init__(self, job: FakeJob, starter: ActionStarter) -> None:
        self.job, self._starter = job, starter

    def start(self, *, job_status: str = "success", **inputs: object) -> FakeStep:
        """Start a step of the action."""
        argv, environ = self._starter.command(**inputs)
        step = action_step(self._starter.folder, job_status=job_status)
        env = {
            **step["env"],
            "INPUTS": environ["INPUTS"],
            "COLDVOX_ACTIONS_HOME": environ["COLDVOX_ACTIONS_HOME"],
        }
        return self.job.start_step(run=f"exec {shlex.join(argv)}", env=env)

    def run(self, **inputs: object) -> StepResult:
        """A step of the action, to its end."""
        return self.start(**inputs).wait(120)

    def shell(self, script: str, env: Mapping[str, str] | None = None) -> StepResult:
        """A `run:` step, to its end."""
        return self.job.run_step(run=script, env=dict(env or {}))
