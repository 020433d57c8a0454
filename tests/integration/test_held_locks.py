"""Locks that are acquired in one step and released in a later one, on a runner that does what runners do."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from fakes.processes import is_running
from fakes.runner import FakeJob, FakeRunner, StepResult, action_step
from fakes.steps import CACHE_LOCK, ActionStarter, poll


class Host:
    """A runner's host: jobs with steps of action-cache-lock on one state root."""

    def __init__(self, action: ActionStarter, runner: FakeRunner, state_home: Path) -> None:
        self._action = action
        self.state = state_home
        self.runner = runner

    def job(self) -> FakeJob:
        keep = ("COLDVOX_ACTIONS_HOME", "HOME", "GIT_CONFIG_NOSYSTEM")
        return self.runner.start_job(env={name: self._action.environ[name] for name in keep})

    def start(self, job: FakeJob, **inputs: object):
        """A step of the action, started as the action's package is, without a cold environment to build."""
        argv, environ = self._action.command(**inputs)
        step = action_step(CACHE_LOCK)
        quoted = " ".join(f"'{word}'" for word in argv)
        return job.start_step(run=f"exec {quoted}", env={**step["env"], "INPUTS": environ["INPUTS"]})

    def step(self, job: FakeJob, **inputs: object) -> StepResult:
        return self.start(job, **inputs).wait()

    def locks(self) -> list[dict]:
        return self._action(mode="status").facts["locks"]

    def supervisor(self) -> int:
        """Pid of the process that holds the only lock."""
        (lock,) = self.locks()
        (holder,) = lock["holders"]
        return holder["pid"]

    def is_free(self) -> bool:
        return not self.locks()


@pytest.fixture
def host(action: ActionStarter, runner: FakeRunner, state_home: Path) -> Host:
    return Host(action, runner, state_home)


def test_a_lock_is_held_between_the_steps_and_free_after_its_release(host: Host) -> None:
    job = host.job()
    acquired = host.step(job, mode="acquire", lock_name="l")
    assert acquired.exit_code == 0, acquired.stdout
    pid = host.supervisor()
    released = host.step(job, mode="release", lock_name="l", lock_token=acquired.outputs["lock-token"])
    assert released.exit_code == 0, released.stdout
    assert host.is_free()
    assert not is_running(pid)
    job.finish()


def test_releasing_twice_is_fine_and_without_a_token_too(host: Host) -> None:
    job = host.job()
    host.step(job, mode="acquire", lock_name="l")
    assert host.step(job, mode="release", lock_name="l").exit_code == 0
    assert host.step(job, mode="release", lock_name="l").exit_code == 0
    job.finish()


def test_a_wrong_token_is_an_error_and_releases_nothing(host: Host) -> None:
    job = host.job()
    host.step(job, mode="acquire", lock_name="l")
    other = host.step(job, mode="acquire", lock_name="other")
    for token in ("nonsense", other.outputs["lock-token"]):
        wrong = host.step(job, mode="release", lock_name="l", lock_token=token)
        assert wrong.exit_code == 1
        assert f"lock-token '{token}' is not one that this job got for lock 'l'" in wrong.stdout
    assert len(host.locks()) == 2
    job.finish()


def test_a_job_cannot_release_what_another_job_holds(host: Host) -> None:
    job = host.job()
    host.step(job, mode="acquire", lock_name="l")
    stranger = host._action(mode="release", lock_name="l")
    assert "lock 'l' was not acquired by this job" in stranger.error()
    assert not host.is_free()
    job.finish()


def test_a_job_that_would_wait_for_itself_is_told_so_at_once(host: Host) -> None:
    job = host.job()
    host.step(job, mode="acquire", lock_name="l")
    again = host.step(job, mode="acquire", lock_name="l")
    assert again.exit_code == 1
    assert "this job already holds lock 'l'" in again.stdout
    job.finish()


def test_a_job_may_hold_several_slots_and_releases_them_together(host: Host) -> None:
    job = host.job()
    for _ in range(2):
        assert host.step(job, mode="acquire", lock_name="l", slots=2).exit_code == 0
    (lock,) = host.locks()
    assert len(lock["holders"]) == 2
    assert host.step(job, mode="release", lock_name="l").exit_code == 0
    assert host.is_free()
    job.finish()


@pytest.mark.parametrize("end", ["finish", "kill_worker"])
def test_the_end_of_the_job_frees_it_and_leaves_nothing(host: Host, end: str) -> None:
    job = host.job()
    host.step(job, mode="acquire", lock_name="l")
    pid = host.supervisor()
    getattr(job, end)()
    poll(lambda: not is_running(pid))
    assert host.is_free()
    poll(lambda: not any((host.state / "runs").iterdir()))


def test_the_orphan_clean_up_does_not_take_the_lock_away_before_the_job_ends(host: Host) -> None:
    job = host.job()
    host.step(job, mode="acquire", lock_name="l")
    environ = Path(f"/proc/{host.supervisor()}/environ").read_bytes()
    assert b"RUNNER_TRACKING_ID" not in environ
    assert b"INPUTS" not in environ
    assert job.finish() == []


def failed_release(host: Host, job: FakeJob) -> str:
    """What the release of a lock says that is no longer held."""
    released = host.step(job, mode="release", lock_name="l")
    assert released.exit_code == 1
    return released.stdout


def lose_by_kill(host: Host) -> str:
    os.kill(host.supervisor(), signal.SIGKILL)
    return "was killed"


def lose_by_deletion(host: Host) -> str:
    shutil.rmtree(host.state / "locks")
    return "its ticket was removed"


@pytest.mark.parametrize("lose", [lose_by_kill, lose_by_deletion])
def test_a_lock_that_was_lost_fails_its_release_once_with_the_reason(host: Host, lose) -> None:
    job = host.job()
    host.step(job, mode="acquire", lock_name="l")
    reason = lose(host)
    said = failed_release(host, job)
    assert "lock 'l' was lost before its release" in said
    assert reason in said
    assert host.step(job, mode="release", lock_name="l").exit_code == 0
    assert host.is_free()
    job.finish()


def test_a_lock_is_taken_away_after_its_maximum_age_and_the_release_says_so(host: Host) -> None:
    job = host.job()
    host.step(job, mode="acquire", lock_name="l", max_hold_seconds=1)
    poll(host.is_free)
    assert "it had been held for max-hold-seconds (1 s)" in failed_release(host, job)
    job.finish()


def test_a_step_that_is_cancelled_while_it_waits_leaves_the_queue(host: Host) -> None:
    job = host.job()
    host.step(job, mode="acquire", lock_name="l")
    waiter = host._action.start(mode="acquire", lock_name="l")
    poll(lambda: len(host.locks()[0]["waiting"]) == 1)
    waiter.signal(signal.SIGINT)
    assert waiter.wait().exit_code == 130
    (lock,) = host.locks()
    assert (len(lock["holders"]), len(lock["waiting"])) == (1, 0)
    job.finish()


# --- the scoped form ---------------------------------------------------------------------------------------


def test_the_scoped_form_holds_the_lock_for_its_script_alone(action: ActionStarter, tmp_path) -> None:
    script = f'echo "n=1" >> "$GITHUB_OUTPUT"; test ! -e {tmp_path}/x; exit 4'
    step = action(mode="acquire", lock_name="l", run=script)
    assert step.exit_code == 4
    assert step.outputs["exit-code"] == "4"
    assert float(step.outputs["waited-seconds"]) >= 0
    assert action(mode="status").facts["locks"] == []


def test_the_scripts_outputs_come_back_as_json(action: ActionStarter) -> None:
    script = 'echo "a=1" >> "$GITHUB_OUTPUT"\nprintf "b<<E\\nx\\ny\\nE\\n" >> "$GITHUB_OUTPUT"'
    step = action(mode="acquire", lock_name="l", run=script)
    assert json.loads(step.outputs["run-outputs"]) == {"a": "1", "b": "x\ny"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_scoped_step_that_is_ended_frees_the_lock(action: ActionStarter, tmp_path, number: int) -> None:
    step = action.start(mode="acquire", lock_name="l", run=f"touch {tmp_path}/started; sleep 60")
    poll((tmp_path / "started").exists)
    step.signal(number)
    result = step.wait()
    assert result.exit_code in (130, -signal.SIGKILL, 128 + signal.SIGKILL, -number)
    poll(lambda: action(mode="status").facts["locks"] == [])


def test_the_maximum_age_ends_the_script_so_that_nothing_runs_unprotected(
    action: ActionStarter, tmp_path
) -> None:
    script = f"trap '' TERM; touch {tmp_path}/started; while true; do sleep 0.1; done"
    step = action(mode="acquire", lock_name="l", max_hold_seconds=1, run=script)
    assert step.exit_code == 124
    assert "was ended after max-hold-seconds (1 s)" in step.errors[0]
    assert action(mode="status").facts["locks"] == []


def test_a_lost_lock_does_not_keep_the_jobs_other_locks_of_that_name(host: Host) -> None:
    job = host.job()
    host.step(job, mode="acquire", lock_name="l", slots=2)
    os.kill(host.supervisor(), signal.SIGKILL)
    poll(host.is_free)
    host.step(job, mode="acquire", lock_name="l", slots=2)
    assert "was lost before its release" in failed_release(host, job)
    assert host.is_free()
    job.finish()


def test_a_supervisor_that_somebody_else_ended_has_lost_its_lock(host: Host) -> None:
    job = host.job()
    host.step(job, mode="acquire", lock_name="l")
    os.kill(host.supervisor(), signal.SIGTERM)
    poll(host.is_free)
    assert "was told to end by somebody else" in failed_release(host, job)
    job.finish()


def test_a_released_locks_record_goes_with_the_next_prune_after_its_job(host: Host) -> None:
    job = host.job()
    host.step(job, mode="acquire", lock_name="l")
    host.step(job, mode="release", lock_name="l")
    host._action(mode="prune")
    assert list((host.state / "runs").iterdir()) != []
    job.finish()
    host._action(mode="prune")
    assert list((host.state / "runs").iterdir()) == []
