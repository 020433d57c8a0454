"""What the runner does to steps, replayed: its ladder of signals, its rule about stdio, its clean-up of orphans."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from actionlib.processes import Process
from fakes.processes import marked_with
from fakes.runner import FakeRunner, action_step, poll_until

SHARED = Path(__file__).resolve().parents[2] / "shared"

ACTION = """
name: demo
description: An action to be cancelled
inputs:
  mode: {description: What to do, required: true}
  script: {description: A script, default: ""}
  enabled: {description: A boolean as YAML reads it, default: true}
  count: {description: A number, default: 3}
  absent: {description: No default at all}
runs:
  using: composite
  steps:
    - id: main
      shell: bash
      run: exec "$DEMO_PYTHON" -I "$GITHUB_ACTION_PATH/demo/main.py"
      env:
        INPUTS: ${{ toJSON(inputs) }}
        ACTION_REF: ${{ github.action_ref }}
        ONE: ${{ inputs.mode }}
"""

MAIN = """
import json, os, signal, sys, time
from pathlib import Path
sys.path.insert(0, os.environ["DEMO_SHARED"])
folder = Path(os.environ["DEMO_FOLDER"])
inputs = json.loads(os.environ.pop("INPUTS"))

def record():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: print("got", number, flush=True))
    print("ready", flush=True)
    while True:
        time.sleep(1)

def script():
    from actionlib.scripts import run_script
    result = run_script(inputs["script"], environ=os.environ, cwd=folder, scratch=Path(os.environ["RUNNER_TEMP"]))
    print("result", result.exit_code, result.interrupted_by, flush=True)
    with open(os.environ["GITHUB_OUTPUT"], "a") as file:
        file.write(f"interrupted-by={result.interrupted_by}\\n")
    sys.exit(130 if result.interrupted_by else result.exit_code)

def supervisor():
    from actionlib.jobs import current_job
    from actionlib.supervise import spawn_detached
    job = current_job(os.environ)
    guard = spawn_detached("demo.guard", [json.dumps(job.to_json()), str(folder)], environ=os.environ,
                           action_path=Path(os.environ["GITHUB_ACTION_PATH"]), log=folder / "guard.log")
    print("guard", guard.pid, flush=True)

def show():
    print(json.dumps([inputs, dict(os.environ)]))

globals()[inputs["mode"]]()
"""

GUARD = """
import json, os, subprocess, sys
from pathlib import Path
from actionlib.jobs import Job, JobWatch
from actionlib.supervise import announce_ready
job, folder = Job.from_json(json.loads(sys.argv[1])), Path(sys.argv[2])
with JobWatch(job) as watch:
    announce_ready(os.environ)
    wake = watch.wait(timeout_seconds=300)
(folder / "left").write_text(str(wake.job_ended))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "seen").mkdir()
    return tmp_path / "seen"


@pytest.fixture
def action(tmp_path):
    path = tmp_path / "_actions/octo/bundle/v1/action-demo"
    (path / "demo").mkdir(parents=True)
    (path / "action.yml").write_text(ACTION)
    (path / "demo/main.py").write_text(MAIN)
    (path / "demo/guard.py").write_text(GUARD)
    return path


@pytest.fixture
def runner(tmp_path, folder):
    environ = {"DEMO_PYTHON": sys.executable, "DEMO_SHARED": str(SHARED), "DEMO_FOLDER": str(folder)}
    with FakeRunner(tmp_path, env=environ) as found:
        yield found
    for pid in alive(folder):
        os.kill(pid, signal.SIGKILL)


def alive(folder):
    return marked_with(f"DEMO_FOLDER={folder}")


def guard_of(stdout):
    (line,) = [line for line in stdout.splitlines() if line.startswith("guard ")]
    return Process.of(int(line.split()[1]))


def test_the_ladder_reaches_an_entry_that_was_execd(runner, action):
    step = runner.start_job().start_step(**action_step(action, {"mode": "record"}))
    step.wait_for_text("ready")
    step.cancel(scale=0.1)
    result = step.wait()
    assert result.stdout.splitlines() == ["ready", f"got {signal.SIGINT:d}", f"got {signal.SIGTERM:d}"]
    assert result.exit_code == 137


def test_the_ladder_does_not_reach_an_entry_below_a_shell(runner, action):
    """Why every run line begins with exec."""
    step = action_step(action, {"mode": "record"})
    step["run"] = step["run"].removeprefix("exec ") + "\ntrue"
    started = runner.start_job(stdio_scale=0.1).start_step(**step)
    started.wait_for_text("ready")
    started.cancel(scale=0.1)
    result = started.wait()
    assert result.stdout.splitlines() == ["ready"]
    assert result.stdio_delayed


def test_a_cancelled_script_that_heeds_sigint_leaves_nothing(runner, action, folder):
    script = "sleep 300 & (setsid sleep 300 &); echo ready; sleep 300"
    step = runner.start_job().start_step(**action_step(action, {"mode": "script", "script": script}))
    step.wait_for_text("ready")
    step.cancel()
    result = step.wait()
    assert result.exit_code == 130
    assert result.outputs == {"interrupted-by": "2"}
    assert not result.stdio_delayed
    assert alive(folder) == []


def test_a_cancelled_script_that_ignores_all_signals_leaves_nothing(runner, action, folder):
    """At the runner's own pace: between SIGTERM and SIGKILL there is time to end everything and to say so."""
    script = """
    trap '' INT TERM
    (setsid sleep 300 &)
    bash -c 'sleep 300; true' &
    echo ready
    while :; do sleep 0.05; done"""
    step = runner.start_job().start_step(**action_step(action, {"mode": "script", "script": script}))
    step.wait_for_text("ready")
    step.cancel()
    result = step.wait()
    assert (result.exit_code, result.outputs) == (130, {"interrupted-by": "15"})
    assert not result.stdio_delayed
    assert alive(folder) == []


def test_later_steps_of_a_cancelled_job_still_run(runner, action):
    job = runner.start_job()
    step = job.start_step(**action_step(action, {"mode": "script", "script": "echo ready; sleep 300"}))
    step.wait_for_text("ready")
    step.cancel()
    step.wait()
    assert job.run_step(run="echo always").stdout == "always\n"


def test_a_supervisor_does_not_delay_its_step(runner, action):
    result = runner.start_job().run_step(**action_step(action, {"mode": "supervisor"}))
    assert (result.exit_code, result.stdio_delayed) == (0, False)
    assert guard_of(result.stdout).is_alive()


def test_what_keeps_the_steps_pipe_open_delays_it_and_is_killed(runner, folder):
    """That the check above can fail."""
    result = runner.start_job(stdio_scale=0.1).run_step(run="setsid sleep 300 & echo started")
    assert (result.exit_code, result.stdout, result.stdio_delayed) == (0, "started\n", True)
    poll_until(lambda: alive(folder) == [], what="the end of the background process")


def test_the_orphan_clean_up_spares_a_supervisor_and_kills_a_plain_daemon(runner, action, folder):
    job = runner.start_job()
    guard = guard_of(job.run_step(**action_step(action, {"mode": "supervisor"})).stdout)
    plain = job.run_step(run="setsid sleep 300 > /dev/null 2>&1 < /dev/null & echo $!")
    assert not plain.stdio_delayed
    assert guard.is_alive()
    killed = job.finish()
    assert killed == [int(plain.stdout)]
    poll_until(lambda: not guard.is_alive(), what="the supervisor's leaving")
    assert (folder / "left").read_text() == "True"
    poll_until(lambda: alive(folder) == [])


def test_a_supervisor_leaves_when_the_worker_is_killed(runner, action, folder):
    job = runner.start_job()
    guard = guard_of(job.run_step(**action_step(action, {"mode": "supervisor"})).stdout)
    assert guard.is_alive()
    job.kill_worker()
    poll_until(lambda: not guard.is_alive(), what="the supervisor's leaving")
    assert (folder / "left").read_text() == "True"


def test_a_supervisor_serves_all_steps_of_its_job_and_none_of_the_next(runner, action):
    job = runner.start_job()
    guard = guard_of(job.run_step(**action_step(action, {"mode": "supervisor"})).stdout)
    assert job.run_step(run="true").exit_code == 0
    assert guard.is_alive()
    job.finish()
    poll_until(lambda: not guard.is_alive(), what="the supervisor's leaving")
    assert runner.start_job().run_step(run="true").exit_code == 0


def test_the_fake_hands_inputs_out_as_the_runner_does(runner, action):
    step = action_step(action, {"mode": "show", "undeclared": "x"}, ref="abc")
    inputs, environ = json.loads(runner.start_job().run_step(**step).stdout)
    assert inputs == {
        "mode": "show",
        "script": "",
        "enabled": "true",
        "count": "3",
        "absent": "",
        "undeclared": "x",
    }
    assert (environ["ACTION_REF"], environ["ONE"], environ["GITHUB_ACTION"]) == ("abc", "show", "main")
    assert environ["GITHUB_ACTION_PATH"] == str(action)
    assert [name for name in environ if name.startswith("INPUT_")] == []


def test_the_fake_feeds_environment_and_path_to_later_steps(runner, tmp_path):
    job = runner.start_job(env={"LEVEL": "job"})
    script = """
    echo "out=1" >> "$GITHUB_OUTPUT"
    printf 'LEVEL=step\\nLONG<<E\\na\\nb\\nE\\n' >> "$GITHUB_ENV"
    echo /one >> "$GITHUB_PATH"; echo /two >> "$GITHUB_PATH"
    echo "# Title" >> "$GITHUB_STEP_SUMMARY"
    echo $LEVEL; echo problem >&2; exit 3"""
    first = job.run_step(run=script)
    assert (first.exit_code, first.stdout) == (3, "job\nproblem\n")
    assert (first.outputs, first.summary) == ({"out": "1"}, "# Title\n")
    assert first.env == {"LEVEL": "step", "LONG": "a\nb"}
    second = job.run_step(run='echo "$LEVEL:$LONG:$PATH:$OWN"', env={"OWN": "x"})
    assert second.stdout.startswith("step:a\nb:/two:/one:")
    assert second.stdout.endswith(":x\n")


def test_the_fake_wipes_the_temporary_folder_and_keeps_the_tools(runner):
    job = runner.start_job()
    job.run_step(run='touch "$RUNNER_TEMP/temp" "$RUNNER_TOOL_CACHE/tool"')
    job.finish()
    assert list(job.temp.iterdir()) == []
    seen = runner.start_job().run_step(run='ls "$RUNNER_TEMP" "$RUNNER_TOOL_CACHE"').stdout
    assert "tool\n" in seen
    assert "temp\n" not in seen
