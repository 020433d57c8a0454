"""Heartbeats: small, read back, and believed only while they are fresh."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_dispatch.heartbeats import MOST_CHARACTERS, Heartbeat, Told, parse_heartbeat, pulse_of

NOW = 1_764_000_000.0


def beat(**changed) -> Heartbeat:
    return Heartbeat(**{"time": NOW, "health_score": 90, "slots": 2, "active_jobs": 1, **changed})


@given(
    st.floats(0, 4e9), st.integers(0, 100), st.floats(0, 9999), st.floats(0, 999), st.floats(0, 100),
    st.integers(0, 999), st.integers(0, 999),
)  # fmt: skip
def test_it_fits_into_a_commit_status_and_is_read_back(when, points, load, per_core, memory, slots, jobs):
    one = Heartbeat(when, points, load, per_core, memory, memory, slots, jobs)
    assert len(one.text()) <= MOST_CHARACTERS
    back = parse_heartbeat(one.text())
    assert back.time == int(when)
    assert (back.health_score, back.slots, back.active_jobs) == (points, slots, jobs)
    assert back.load == pytest.approx(load, abs=0.006)


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "null", "{}", '{"v": 2, "t": 1, "h": 1}', '{"v": 1, "t": 1}', '{"v": 1, "t": -1, "h": 5}',
     '{"v": 1, "t": 1, "h": true}', '{"v": 1, "t": 1, "h": NaN}', '{"v": 1, "t": "1", "h": 5}', "[" * 99999],
)  # fmt: skip
def test_anything_else_is_no_heartbeat(text):
    pulse = pulse_of([Told("h", text)], now=NOW, ttl_seconds=600)
    assert pulse.beat is None
    assert pulse.why


@pytest.mark.parametrize(
    ("age", "fresh"), [(0, True), (599, True), (601, False), (-100, True), (-130, False), (1e9, False)]
)
def test_it_is_fresh_for_its_time_and_not_from_the_future(age, fresh):
    pulse = pulse_of([Told("h", beat(time=NOW - age).text())], now=NOW, ttl_seconds=600)
    assert (pulse.beat is not None) is fresh
    assert bool(pulse.why) is not fresh
    assert pulse.last <= NOW


def test_several_hosts_add_their_slots_and_share_their_health_by_them():
    texts = [
        Told("a", beat(slots=3, health_score=100).text()),
        Told("b", beat(slots=1, health_score=20, time=NOW - 60).text()),
    ]
    found = pulse_of(texts, now=NOW, ttl_seconds=600).beat
    assert (found.slots, found.active_jobs, found.time) == (4, 2, NOW - 60)
    assert found.health_score == 74  # a job may land on the ill one: no more than degraded
    well = [
        Told("a", beat(slots=3, health_score=100).text()),
        Told("b", beat(slots=1, health_score=60).text()),
    ]
    assert pulse_of(well, now=NOW, ttl_seconds=600).beat.health_score == 90


def test_of_one_host_the_newest_counts():
    texts = [Told("a", beat(slots=1).text()), Told("a", beat(slots=9, time=NOW - 60).text())]
    assert pulse_of(texts, now=NOW, ttl_seconds=600).beat.slots == 1


def test_a_host_without_runner_services_adds_no_slots_and_takes_none():
    texts = [Told("a", beat().text()), Told("b", json.dumps({"v": 1, "t": NOW, "h": 50}))]
    assert pulse_of(texts, now=NOW, ttl_seconds=600).beat.slots == 2
    assert pulse_of(texts[1:], now=NOW, ttl_seconds=600).beat.slots is None


def test_an_absurd_number_of_slots_is_not_believed():
    text = json.dumps({"v": 1, "t": NOW, "h": 50, "s": 300_000_000})
    assert "slots" in pulse_of([Told("a", text)], now=NOW, ttl_seconds=600).why


def test_one_that_is_too_old_still_tells_when_the_host_was_last_seen():
    pulse = pulse_of([Told("a", beat(time=NOW - 5000).text())], now=NOW, ttl_seconds=600)
    assert (pulse.beat, pulse.last) == (None, NOW - 5000)
