"""Why rows fail: the least set of features for each, found by running the command that failed for fewer of them."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from feature_matrix.cargo_runs import CargoResult
from feature_matrix.configuration import Configuration
from feature_matrix.constraints import Solver, constraints_of
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.outcomes import FAILED, Outcome
from feature_matrix.planning import Row, flags_of
from feature_matrix.shrinking import Shrunk, shrink

# Runs a command for some flags of a row's crate, in at most so many seconds.
Probe = Callable[[Row, Sequence[str], Sequence[str], float], CargoResult]


@dataclass(frozen=True, slots=True)
class Failure:
    """A row with the words of the command that failed, and how."""

    row: Row
    words: tuple[str, ...]
    result: CargoResult

    def is_like(self, result: CargoResult) -> bool:
        """Whether a command failed with this failure's first error, or where it has none, at all."""
        if result.passed or result.timed_out:
            return False
        errors = self.result.errors[:1]
        return all(any(one.is_like(other) for other in result.errors) for one in errors)


def explain_failures(
    failures: Sequence[Failure],
    *,
    graphs: Mapping[str, FeatureGraph],
    configuration: Configuration,
    passed: Mapping[str, Sequence[Row]],
    run: Probe,
    budget_seconds: float,
    say: Callable[[str], None],
) -> dict[str, Outcome]:
    """The outcomes of the failed rows by their flags, each with a note of what it was shrunk to.

    A row that another one's answer explains (the same first error, and all of its features) is not shrunk again.
    """
    deadline = time.monotonic() + budget_seconds
    found: dict[str, Outcome] = {}
    known: list[tuple[Failure, Shrunk, str]] = []
    # Rows of few features first: they are shrunk soonest, and explain the others.
    for failure in sorted(failures, key=lambda one: _closure(graphs[one.row.crate], one.row).bit_count()):
        graph = graphs[failure.row.crate]
        note = next((note for other, least, note in known if _explains(other, least, failure, graph)), None)
        if note is None:
            rules = configuration.rules.get(graph.crate.name, ())
            solver = Solver(graph, constraints_of(graph, rules))
            search = _Search(failure, graph, run, deadline, say)
            failing = graph.mask(failure.row.features)
            passing = _passing_above(graph, failing, passed.get(graph.crate.name, ()))
            least = shrink(graph, solver, failing, search.fails, passing=passing)
            note = _told(graph, least, search)
            known.append((failure, least, note))
            say(f"{graph.crate.name} {note}")
        found[failure.row.flags] = _outcome(failure, note)
    return found


class _Search:
    """Answers whether fewer features fail in the same way, until the time is over."""

    def __init__(
        self, failure: Failure, graph: FeatureGraph, run: Probe, deadline: float, say: Callable[[str], None]
    ) -> None:
        self._failure, self._graph, self._run, self._deadline, self._say = failure, graph, run, deadline, say
        self.otherwise: set[int] = set()  # combinations that fail, but in another way

    def fails(self, features: int) -> bool | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            return None
        flags = flags_of(self._graph, features)
        result = self._run(self._failure.row, self._failure.words, shlex.split(flags), left)
        if result.timed_out and time.monotonic() >= self._deadline:
            return None
        same = self._failure.is_like(result)
        if not same and not result.passed:
            self.otherwise.add(features)
        names = ",".join(self._graph.features_of(features)) or "none"
        word = "fails too" if same else "passes" if result.passed else "fails in another way"
        self._say(f"shrinking {self._failure.row.description}: {names} {word}")
        return same


def _explains(other: Failure, least: Shrunk, failure: Failure, graph: FeatureGraph) -> bool:
    if other.row.crate != failure.row.crate or other.words != failure.words or not least.exact:
        return False
    closure = _closure(graph, failure.row)
    cured = least.cure and not least.cure & ~closure
    return not least.features & ~closure and not cured and other.is_like(failure.result)


def _closure(graph: FeatureGraph, row: Row) -> int:
    return graph.closure(graph.mask(row.features)) & graph.chosen


def _passing_above(graph: FeatureGraph, failing: int, passed: Sequence[Row]) -> int:
    """A row that passed and shares most with the failing one; 0 when none enables anything that it does not."""
    closure = graph.closure(failing) & graph.chosen
    masks = [graph.mask(one.features) for one in passed if _closure(graph, one) & ~closure]
    return max(masks, key=lambda one: (graph.closure(one) & closure).bit_count(), default=0)


def _told(graph: FeatureGraph, least: Shrunk, search: _Search) -> str:
    names = graph.features_of(least.features)
    shown = "{" + ", ".join(names) + "}"
    if not least.exact:
        return f"fails with {shown}; there was no time to try fewer features"
    if not names:
        told = "fails with no features at all"
    elif len(names) == 1:
        told = f"fails with exactly {shown}"
    elif search.otherwise:
        told = f"fails with exactly {shown}; with one less it does not fail like this"
    elif len(names) == 2:
        told = f"fails with exactly {shown}; each alone is fine"
    else:
        told = f"fails with exactly {shown}; with one less it is fine"
    cure = graph.features_of(least.cure)
    if cure:
        told += f"; passes with {{{', '.join(cure)}}} added"
    return told


def _outcome(failure: Failure, note: str) -> Outcome:
    row, result = failure.row, failure.result
    return Outcome(
        row.crate,
        row.description,
        row.flags,
        ",".join(row.features),
        FAILED,
        result.seconds,
        result.units,
        command=f"cargo {' '.join(failure.words)} {row.flags}",
        error=result.errors[0] if result.errors else None,
        note=note,
        log=result.log,
    )
