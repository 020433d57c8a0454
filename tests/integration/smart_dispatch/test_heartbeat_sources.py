"""Heartbeats where they are published: among many statuses, from clocks that are wrong, beside ones that are none."""

from __future__ import annotations

import time

import pytest

from fakes.heartbeats import beat

CONTEXT = "COLDVOX_RUNNER_HEARTBEAT"
HUGE = '{"v":1,"t":1' + "0" * 400 + ',"h":90}'


def test_a_heartbeat_is_found_on_a_commit_that_has_had_one_for_months(api, decide):
    """GitHub shows the combined status in pages, and not the newest context first."""
    api.admin = False
    for day in range(105, 0, -1):
        age = 86400.0 * day
        api.add_status(f"{CONTEXT}/laptop/day-{day}", beat(age), age=age)
    api.add_status(f"{CONTEXT}/laptop/today", beat())
    assert decide().outputs["health-status"] == "healthy"


def test_a_heartbeat_is_found_behind_a_hundred_other_statuses_and_not_looked_for_further(api, decide):
    api.add_status(f"{CONTEXT}/laptop/today", beat())
    for number in range(120):
        api.add_status(f"ci/{number}", "done")
    assert decide().outputs["health-status"] == "healthy"
    pages = [one for one in api.requests if "/statuses" in one]
    assert ["page=1&" in pages[0], "page=2&" in pages[1], len(pages)] == [True, True, 2]


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (-200, ("the clock of laptop is 3 min ", "ahead of GitHub's", "NTP")),
        (930, ("the clock of laptop is 15 min ", "behind GitHub's", "NTP")),
    ],
)
def test_githubs_time_tells_that_the_hosts_clock_is_wrong(api, decide, age, said):
    api.add_status(f"{CONTEXT}/laptop/today", beat(age))
    (warning,) = decide().warnings
    for part in said:
        assert part in warning


def test_githubs_time_tells_that_our_own_clock_is_wrong(api, decide):
    api.add_status(f"{CONTEXT}/laptop/today", beat(-600), age=-600)
    (warning,) = decide().warnings
    assert "this machine's clock is" in warning
    assert "behind GitHub's" in warning


def test_a_host_that_is_off_is_no_wrong_clock(api, decide):
    api.add_status(f"{CONTEXT}/laptop/today", beat(3600), age=3600)
    step = decide()
    assert step.warnings == []
    assert "60 minutes old" in step.summary


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (-200, ("is 3 min ", "in the future", "clock")),
        (930, ("is 15 min ", "clock", "timer", "'heartbeat-ttl-minutes' (10)")),
        (90_000, ()),  # off since yesterday
        (60, ()),
    ],
)
def test_without_githubs_time_it_says_what_may_be_wrong(api, decide, age, said):
    warnings = decide(heartbeat=beat(age)).warnings
    assert len(warnings) == bool(said)
    for part in said:
        assert part in warnings[0]


def test_an_odd_heartbeat_costs_itself_and_nothing_else(api, decide, state_home):
    api.add_runner("r1")
    step = decide(heartbeat=HUGE)
    assert step.outputs["strategy"] == "self-hosted-monitored"
    assert any("it cannot be read" in one and len(one) < 300 for one in step.warnings)
    folder = state_home / "heartbeats/v1"
    folder.mkdir(parents=True)
    (folder / f"{CONTEXT}.good.json").write_text(beat())
    (folder / f"{CONTEXT}.odd.json").write_text(HUGE)
    assert decide(**{"heartbeat-sink": "file"}).outputs["strategy"] == "self-hosted-primary"


@pytest.mark.parametrize("source", ["_open_store", "look", "_find_heartbeat", "_take_source_history"])
def test_what_nobody_expects_of_one_source_costs_what_that_one_knows(tmp_path, monkeypatch, source):
    from actionlib.entrypoint import Context
    from actionlib.inputs import Inputs, load_action
    from actionlib.outputs import Outputs
    from fakes.steps import SMART_DISPATCH
    from smart_dispatch import knowledge
    from smart_dispatch.github_requests import Requests
    from smart_dispatch.inputs import parse

    def broken(*_: object, **__: object) -> None:
        raise OverflowError("nobody expects this")

    monkeypatch.setattr(knowledge, source, broken)
    if source != "look":
        monkeypatch.setattr(knowledge, "look", lambda *_, **__: knowledge.Activity(asked=True))
    environ = {"HOME": str(tmp_path), "COLDVOX_ACTIONS_HOME": str(tmp_path / "state")}
    inputs = Inputs(load_action(SMART_DISPATCH), {"mode": "decide", "heartbeat": beat()})
    context = Context(inputs, environ, SMART_DISPATCH, Outputs(environ))
    requests = Requests(lambda _seconds: None, most=1, deadline=time.monotonic() + 9)
    found = knowledge.gather(context, parse(inputs), requests, event={}, repository="octo/repo")
    assert any("was left out: OverflowError: nobody expects this" in one for one in found.notes)
    assert (found.pulse.beat is None) is (source == "_find_heartbeat")
