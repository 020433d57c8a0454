"""Heartbeats: small, read back, and believed only while they are fresh."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_dispatch.heartbeats import MOST_CHARACTERS, Heartbeat, combined, parse_heartbeat

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
    found, why = combined([("h", text)], now=NOW, ttl_seconds=600)
    assert found is None
    assert why


@pytest.mark.parametrize(
    ("age", "fresh"), [(0, True), (599, True), (601, False), (-100, True), (-130, False), (1e9, False)]
)
def test_it_is_fresh_for_its_time_and_not_from_the_future(age, fresh):
    found, why = combined([("h", beat(time=NOW - age).text())], now=NOW, ttl_seconds=600)
    assert (found is not None) is fresh
    assert bool(why) is not fresh


def test_several_hosts_add_their_slots_and_share_their_health_by_them():
    texts = [
        ("a", beat(slots=3, health_score=100).text()),
        ("b", beat(slots=1, health_score=20, time=NOW - 60).text()),
    ]
    found, _ = combined(texts, now=NOW, ttl_seconds=600)
    assert (found.slots, found.active_jobs, found.health_score, found.time) == (4, 2, 80, NOW - 60)


def test_of_one_host_the_newest_counts():
    texts = [("a", beat(slots=1).text()), ("a", beat(slots=9, time=NOW - 60).text())]
    assert combined(texts, now=NOW, ttl_seconds=600)[0].slots == 1


def test_what_one_host_does_not_tell_is_not_known_of_all():
    texts = [("a", beat().text()), ("b", json.dumps({"v": 1, "t": NOW, "h": 50}))]
    assert combined(texts, now=NOW, ttl_seconds=600)[0].slots is None
