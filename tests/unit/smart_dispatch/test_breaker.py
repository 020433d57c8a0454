"""The circuit breaker: closed, open, half-open, from the jobs that can be seen."""

from __future__ import annotations

import pytest

from smart_dispatch.breaker import CLOSED, HALF_OPEN, OPEN, breaker_of
from smart_dispatch.job_records import (
    CANCELLED,
    CLOUD,
    FAILURE,
    INFRASTRUCTURE,
    SELF_HOSTED,
    SUCCESS,
    JobRecord,
)

LETTERS = {"L": INFRASTRUCTURE, "S": SUCCESS, "F": FAILURE, "C": CANCELLED}


def state(outcomes: str, *, now: float = 0.0, spacing: float = 60.0, kind: str = SELF_HOSTED) -> str:
    """Of jobs that ended one after the other, the last one `now` seconds ago."""
    last = (len(outcomes) - 1) * spacing
    records = [
        JobRecord(str(n), "job", "CI", SELF_HOSTED, LETTERS[one], 1, n * spacing)
        for n, one in enumerate(outcomes)
    ]
    return breaker_of(records, kind, now=last + now).state


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ("", CLOSED),
        ("LL", CLOSED),
        ("LLL", OPEN),
        ("SLLL", OPEN),
        ("LLSL", CLOSED),
        ("LLFLL", CLOSED),  # the code's own failure shows that the runner works
        ("LLCL", OPEN),  # a cancelled job shows nothing
    ],
)
def test_it_opens_after_three_lost_jobs_in_a_row(outcomes, expected):
    assert state(outcomes) == expected


def test_it_is_tried_again_later_and_later():
    assert state("LLL", now=599) == OPEN
    assert state("LLL", now=601) == HALF_OPEN
    assert state("LLLL", now=1199) == OPEN
    assert state("LLLL", now=1201) == HALF_OPEN
    assert state("L" * 40, now=4 * 3600 - 1) == OPEN
    assert state("L" * 40, now=4 * 3600 + 1) == HALF_OPEN


def test_a_success_closes_it_and_failures_far_apart_do_not_add_up():
    assert state("LLLS") == CLOSED
    assert state("LLL", spacing=7200) == CLOSED


def test_the_classes_have_breakers_of_their_own():
    assert state("LLLL", kind=CLOUD) == CLOSED


def test_half_open_admits_one():
    records = [JobRecord(str(n), "job", "CI", SELF_HOSTED, INFRASTRUCTURE, 1, n) for n in range(3)]
    breaker = breaker_of(records, SELF_HOSTED, now=3600)
    assert breaker.admits(0)
    assert not breaker.admits(1)
    assert "one job tries it again" in breaker.reason
