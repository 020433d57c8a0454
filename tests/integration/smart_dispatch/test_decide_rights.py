"""`decide` with a token that may not see everything, and for code that is not trusted."""

from __future__ import annotations

from fakes.github_actions import CLOUD, PRIMARY
from fakes.heartbeats import beat


def test_the_jobs_own_token_sees_runners_through_jobs_and_heartbeats(api, decide):
    api.admin = False
    unknown = decide()
    assert unknown.outputs["runs-on"] == CLOUD
    assert "administration: read" in "\n".join(unknown.warnings)
    run = api.add_run("CI", status="completed", age=900)
    api.add_job(run, "build", age=900, seconds=600)
    seen = decide()
    assert seen.outputs["runs-on"] == PRIMARY
    assert "jobs that ran lately" in seen.summary
    api.add_status("COLDVOX_RUNNER_HEARTBEAT/host", beat(slots=1, active_jobs=1))
    assert "1 online, 1 busy" in decide().summary


def test_a_job_that_waits_beside_a_free_runner_means_that_nobody_takes_it(api, decide):
    api.admin = False
    run = api.add_run("CI", status="completed", age=900)
    api.add_job(run, "build", age=900, seconds=600)
    waiting = api.add_run("CI", age=1200)
    api.add_job(waiting, "build", status="queued", age=1200)
    step = decide()
    assert step.outputs["runs-on"] == CLOUD
    assert "nobody takes them" in step.outputs["reason"]


def test_a_token_that_may_not_list_runners_need_not_ask(api, decide):
    api.admin = False
    step = decide(**{"runner-scope": "none"})
    assert step.warnings == []
    assert not any("/actions/runners" in request for request in api.requests)


def test_a_token_for_another_repository_is_told_what_it_lacks(api, decide):
    api.faults = {"": 404}
    step = decide()
    assert step.outputs["runs-on"] == CLOUD
    assert "a token that may see this repository" in "\n".join(step.warnings)


def test_untrusted_code_is_told_without_a_warning_that_nothing_was_asked(api, decide, event):
    payload = {"pull_request": {"number": 7, "head": {"sha": "a" * 40, "repo": {"full_name": "eve/repo"}}}}
    step = decide(environ=event("pull_request", payload))
    assert step.outputs["trusted"] == "false"
    assert step.warnings == []
    assert api.requests == []
    other = decide(environ=event("pull_request", payload), **{"fallback-runner": '["self-hosted", "apart"]'})
    assert "is self-hosted too" in "\n".join(other.warnings)


def test_names_from_outside_cannot_act_as_workflow_commands(api, decide, event):
    api.add_runner("r1")
    api.files = [".cargo/config\n::error::pwned"]
    payload = {"pull_request": {
        "number": 7, "author_association": "COLLABORATOR", "user": {"login": "ada", "type": "User"},
        "head": {"sha": "a" * 40, "repo": {"full_name": "octo/repo"}},
    }}  # fmt: skip
    step = decide(environ=event("pull_request", payload))
    assert step.outputs["trusted"] == "false"
    stopped = step.log.split("::stop-commands::")[1]
    assert "::error::pwned" not in step.log.replace(stopped, "")
