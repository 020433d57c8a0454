"""`decide` by what earlier jobs have shown: how long they ran, how many come, and which runners lost them."""

from __future__ import annotations

import json

from fakes.github_actions import CLOUD, PRIMARY


def history(api, job: str, *, here: float, there: float, runs: int = 2) -> None:
    """Completed runs of a job, on both classes in turn; four in all can be read in one decision."""
    for number in range(runs):
        api.add_job(api.add_run("CI", status="completed", age=90000 - number), job, age=80000, seconds=here)
        run = api.add_run("CI", status="completed", age=89000 - number)
        api.add_job(run, job, age=80000, seconds=there, labels=["ubuntu-latest"], runner="Hosted 1")


def test_history_tells_how_long_the_job_runs_on_each_class(api, decide):
    api.add_runner("r1")
    history(api, "build", here=1200, there=240)
    step = decide()
    assert step.outputs["runs-on"] == CLOUD
    minutes = json.loads(step.outputs["expected-minutes"])
    assert minutes["self-hosted"] > 13
    assert minutes["cloud"] < 11


def test_young_runs_are_expected_to_ask_for_what_such_runs_ask_for(api, decide):
    api.add_runner("r1")
    for _ in range(3):
        api.add_job(api.add_run("CI", status="completed", age=90000), "build", age=80000, seconds=600)
    assert decide().outputs["runs-on"] == PRIMARY
    for _ in range(2):
        api.add_run("CI", age=20)  # their jobs are not there yet
    step = decide()
    assert "2 more expected" in step.summary
    assert step.outputs["runs-on"] == CLOUD


def test_runners_that_fail_again_and_again_are_left_alone(api, decide):
    api.add_runner("r1")

    def lost(age: float) -> None:
        run = api.add_run("CI", status="completed", age=age)
        api.add_job(run, "build", age=age, seconds=10, conclusion="failure", steps=False)

    for age in (400, 300, 200):
        lost(age)
    for history in ("api", "api", "both"):  # also when what was read is remembered
        step = decide(history=history)
        assert step.outputs["runs-on"] == CLOUD
    assert "the last 3 jobs on self-hosted failed with their runner" in step.outputs["reason"]


def test_later_one_job_tries_them_again(api, decide):
    for name in ("r1", "r2"):
        api.add_runner(name)
    for age in (3000, 2500, 2000):
        run = api.add_run("CI", status="completed", age=age)
        api.add_job(run, "build", age=age, seconds=10, conclusion="failure", steps=False)
    legs = json.loads(decide(legs="2").outputs["legs"])
    assert [one["runner-class"] for one in legs] == ["self-hosted", "cloud"]
    assert "one job tries it again" in decide(legs="2").outputs["reason"]


def test_peak_hours_keep_the_host_free(api, decide):
    api.add_runner("r1")
    assert decide().outputs["runs-on"] == PRIMARY  # 5 minutes against 8.5
    history(api, "build", here=470, there=480)
    assert decide().outputs["runs-on"] == PRIMARY
    step = decide(**{"peak-hours": "0-23", "timezone": "Europe/Berlin"})
    assert step.outputs["runs-on"] == CLOUD
    assert "peak hours" in step.summary


def test_what_was_read_once_is_not_asked_for_again(api, decide):
    api.add_runner("r1")
    history(api, "build", here=300, there=400)
    first, second = decide(), decide()
    assert second.facts["requests"] < first.facts["requests"] <= 10
    assert second.outputs["expected-minutes"] == first.outputs["expected-minutes"]


def test_a_history_that_others_hold_costs_no_decision(api, decide, state_home):
    import fcntl

    api.add_runner("r1")
    decide()
    with (state_home / "history/v1/dispatch.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        step = decide(**{"deadline-seconds": "2"})
    assert step.outputs["runs-on"] == PRIMARY
    assert "other jobs have held it" in "\n".join(step.warnings)
