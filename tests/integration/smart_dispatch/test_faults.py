"""Whatever GitHub answers, there is a runner in the answer, and in time."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from actionlib.entrypoint import Context, Result
from actionlib.inputs import Inputs, load_action
from actionlib.outputs import Outputs
from fakes.github_server import FAULTS
from fakes.steps import SMART_DISPATCH
from smart_dispatch.modes import run

DEADLINE_SECONDS = 2.0
# A path of each request that a decision makes.
PARTS = (
    "/actions/runners",
    "status=queued",
    "status=in_progress",
    "runs?page",
    "/jobs",
    "/commits/HEAD",
    "/pulls/",
)
STATUSES = (401, 403, 404, 422, 429, 500, 503)


@pytest.fixture
def decision(api, tmp_path, capfd):
    """`decide` in this process, for its time alone: (result, seconds, log)."""
    api.checked = False  # answers of a hundred runs take their time to check
    for number in range(3):
        api.add_runner(f"r{number}", busy=number == 1)
    for _ in range(110):  # more than a page of this day: older ones may be under way, too
        api.add_run("Nightly", status="completed", age=5000)
    ended = api.add_run("CI", status="completed", age=9000)
    api.add_job(ended, "build", age=9000)
    active = api.add_run("CI", age=100)
    api.add_job(active, "build", status="in_progress", age=100)
    api.add_job(active, "test", status="queued", age=50)
    api.files = ["src/lib.rs"]
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {
        "number": 7, "author_association": "COLLABORATOR", "user": {"login": "ada", "type": "User"},
        "head": {"sha": "a" * 40, "repo": {"full_name": "octo/repo"}},
    }}))  # fmt: skip
    environ = {
        "GITHUB_API_URL": api.url, "GITHUB_REPOSITORY": "octo/repo", "GITHUB_WORKFLOW": "CI", "GITHUB_RUN_ID": "1",
        "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(event), "HOME": str(tmp_path),
        "COLDVOX_ACTIONS_HOME": str(tmp_path / "state"),
    }  # fmt: skip

    def decide(**inputs: str) -> tuple[Result, float, str]:
        given = {"mode": "decide", "job-name": "build", "token": "t0ken",
                 "deadline-seconds": f"{DEADLINE_SECONDS:g}", **inputs}  # fmt: skip
        spec = load_action(SMART_DISPATCH)
        begin = time.monotonic()
        result = run(Context(Inputs(spec, given), environ, Path(SMART_DISPATCH), Outputs(environ)))
        seconds = time.monotonic() - begin
        return result, seconds, "".join(capfd.readouterr())

    return decide


def test_when_all_is_well_every_kind_of_request_is_made(api, decision):
    result, _, _ = decision()
    assert result.outputs["strategy"] == "self-hosted-monitored"
    for part in PARTS:
        assert any(part in request for request in api.requests), part


@pytest.mark.parametrize("part", ["", *PARTS], ids=["all", *PARTS])
@pytest.mark.parametrize("fault", [*STATUSES, *FAULTS])
def test_each_fault_on_each_request_ends_in_a_valid_answer_in_time(api, decision, fault, part):
    api.faults = {part: fault}
    result, seconds, log = decision()
    assert result.exit_code == 0
    assert json.loads(result.outputs["runs-on"]) in (["self-hosted", "linux"], ["ubuntu-latest"])
    assert result.outputs["strategy"] in ("self-hosted-monitored", "cloud-fallback")
    assert seconds < DEADLINE_SECONDS
    assert "t0ken" not in log
    if part == "":
        assert result.outputs["runs-on"] == '["ubuntu-latest"]'
    assert "warning" in log


def test_a_permission_that_is_lacking_is_named(api, decision):
    api.faults = {"/actions/runners": 403, "/commits/": 403, "/actions/runs": 404}
    _, _, log = decision()
    assert "administration: read" in log
    assert "statuses: read" in log
    assert "actions: read" in log


def test_a_server_that_is_not_there_is_no_reason_to_wait(decision, api):
    api.faults = {"": "reset"}
    result, seconds, _ = decision()
    assert result.outputs["strategy"] == "cloud-fallback"
    assert seconds < DEADLINE_SECONDS


def test_a_mistake_of_ours_still_gives_the_job_a_runner(decision, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("nobody expects this")

    monkeypatch.setattr("smart_dispatch.deciding.capacity_of", broken)
    result, _, log = decision()
    assert result.outputs["runs-on"] == '["ubuntu-latest"]'
    assert result.exit_code == 0
    assert "ZeroDivisionError" in log
    # What the pull request changes was not asked for: nobody is let in by a fault.
    result, _, _ = decision(**{"enable-fallback": "false"})
    assert (result.outputs["strategy"], result.exit_code) == ("refused", 1)
    result, _, _ = decision(untrusted="refuse")
    assert (result.outputs["strategy"], result.exit_code) == ("refused", 1)
    result, _, _ = decision(**{"fallback-runner": "linux"})  # which the primary has, too
    assert (result.outputs["strategy"], result.exit_code) == ("refused", 1)
    assert result.outputs["runs-on"] == '["ubuntu-latest"]'
    result, _, _ = decision(**{"enable-fallback": "false", "changed-files": "src/lib.rs"})
    assert result.outputs["strategy"] == "force-self-hosted"


def test_what_hangs_in_the_machine_is_left_behind(decision, monkeypatch):
    monkeypatch.setattr("smart_dispatch.deciding.gather", lambda *_, **__: time.sleep(30))
    result, seconds, log = decision()
    assert result.outputs["strategy"] == "cloud-fallback"
    assert seconds < DEADLINE_SECONDS
    assert "no decision within 2 s" in log


def test_a_clock_that_is_wrong_makes_no_wait_negative(api, decision, monkeypatch):
    """Jobs that GitHub says will begin in an hour, for our clock is behind."""
    for job in (one for jobs in api.jobs.values() for one in jobs):
        later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        job["created_at"] = job["started_at"] = later
        for step in job["steps"]:
            step["started_at"] = later
    result, _, _ = decision()
    minutes = json.loads(result.outputs["expected-minutes"])
    assert 0 < minutes["self-hosted"] < 60


def test_a_state_root_that_cannot_be_written_costs_no_decision(decision, tmp_path):
    (tmp_path / "state").write_text("no folder")
    result, _, log = decision()
    assert result.outputs["strategy"] == "self-hosted-monitored"
    assert "no history of this host" in log
