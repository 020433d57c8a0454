"""Runners that are named by their group alone: their jobs have no labels, and GitHub tells the group once they run."""

from __future__ import annotations

import pytest

from fakes.heartbeats import beat

GROUP = {"primary-runner": '{"group": "ci"}', "runner-scope": "none"}


def lost(api, *, group: str) -> None:
    run = api.add_run("CI", status="completed", age=900)
    for number in range(4):
        api.add_job(run, f"build{number}", labels=[], age=300, seconds=100, conclusion="failure", steps=False)
        api.jobs[run][-1] |= {"runner_name": "host-1", "runner_group_name": group}


@pytest.mark.parametrize(("group", "expected"), [("CI", "cloud-fallback"), ("other", "self-hosted-primary")])
def test_jobs_that_a_groups_runners_lost_count_against_them_and_not_against_the_cloud(
    api, decide, group, expected
):
    lost(api, group=group)
    step = decide(heartbeat=beat(slots=1), legs=3, **GROUP)
    assert step.outputs["strategy"] == expected
    assert ("the last 4 jobs on self-hosted failed" in step.outputs["reason"]) is (group == "CI")
    assert all(row["what"] != "breaker of cloud" for row in step.facts["evidence"]) is (group == "CI")


def test_a_job_that_runs_or_waits_in_the_group_is_ahead(api, decide):
    run = api.add_run("CI", age=300)
    api.add_job(run, "build", status="in_progress", labels=[], age=200, runner="host-1", group="ci")
    api.add_job(run, "test", status="queued", labels=[], age=100)
    api.add_job(run, "other", status="in_progress", labels=["self-hosted"], age=200, runner="host-2")
    step = decide(**GROUP)
    told = {row["what"]: row["value"] for row in step.facts["evidence"]}
    assert told["runners"] == "1 online, 1 busy"
    assert told["queue"].startswith("1 jobs ahead")


def test_the_group_of_a_job_is_remembered(api, decide):
    run = api.add_run("CI", status="completed", age=400)
    api.add_job(run, "build", labels=[], age=400, seconds=200, runner="host-1", group="ci")
    assert "1 online" in decide(**GROUP).summary
    api.runs.clear()  # from here on only the host knows of it
    assert "1 online" in decide(**GROUP).summary
    other = {**GROUP, "primary-runner": '{"group": "gpu"}'}
    assert "unknown for group gpu" in decide(**other).summary
