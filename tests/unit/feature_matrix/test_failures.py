"""The sentence about a failure says of the features alone what was seen, and nothing of other combinations."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.feature_crates import crate
from feature_matrix.cargo_runs import CargoResult, Diagnostic
from feature_matrix.configuration import Configuration
from feature_matrix.failures import Failure, explain_failures
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.planning import Row

FLAT = {"a": (), "b": (), "c": ()}


def result(errors: list[str]) -> CargoResult:
    found = tuple(Diagnostic(text) for text in errors)
    return CargoResult(int(bool(errors)), 1.0, found, units=1, pages=(), timed_out=False, log="")


def explained(errors) -> str:
    """What is said of all features, where `errors` tells the errors of some of them."""
    row = Row(crate="sample", features=tuple(FLAT), flags="", description="sample: all")

    def run(_row, _words, flags, _seconds):
        some = FLAT if "--all-features" in flags else flags[-1].split(",") if "--features" in flags else ()
        return result(errors(set(some)))

    (one,) = explain_failures(
        [Failure(row, ("check",), result(errors(set(FLAT))))],
        graphs={"sample": FeatureGraph(crate(FLAT), {})},
        configuration=Configuration(Path("absent")),
        passed={},
        run=run,
        budget_seconds=60,
        say=lambda _: None,
    )
    return one.note


def clash(some: set[str]) -> list[str]:
    return ["clash"] if {"a", "b"} <= some else []


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (clash, "fails with exactly {a, b}; each alone is fine"),
        # c fails in a way of its own, and hides the clash; a and b alone are fine all the same.
        (
            lambda some: ["other"] if some == {"a", "c"} or some == {"b", "c"} else clash(some),
            "fails with exactly {a, b}; each alone is fine",
        ),
        (
            lambda some: ["other"] if some == {"a"} else clash(some),
            "fails with exactly {a, b}; with one less it does not fail like this",
        ),
    ],
)
def test_that_each_alone_is_fine_is_said_of_what_was_seen_alone(errors, said):
    assert explained(errors) == said
