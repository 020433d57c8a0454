"""Why rows fail: the least set of features for each, found by running the command that failed for fewer of them."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from feature_matrix.cargo_runs import CargoResult, Diagnostic
from feature_matrix.configuration import Configuration
from feature_matrix.constraints import Solver, constraints_of
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.outcomes import FAILED, Outcome
from feature_matrix.planning import Row, flags_of
from feature_matrix.shrinking import Shrunk, shrink

MOST_ANSWERS = 3  # for one row

# Runs a command for some flags of a row's crate, in at most so many seconds.
Probe = Callable[[Row, Sequence[str], Sequence[str], float], CargoResult]


@dataclass(frozen=True, slots=True)
class Failure:
    """A row with the words of the command that failed, and how."""

    row: Row
    words: tuple[str, ...]
    result: CargoResult


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a failure was shrunk to. `errors` are all that the least set brings about."""

    failure: Failure
    least: Shrunk
    errors: tuple[Diagnostic, ...]
    note: str

    def explains(self, failure: Failure, graph: FeatureGraph) -> bool:
        """Whether the row has all of these features, and nothing that cures."""
        if (failure.row.crate, failure.words) != (self.failure.row.crate, self.failure.words):
            return False
        closure = _closure(graph, failure.row)
        cured = self.least.cure and not self.least.cure & ~closure
        return self.least.exact and not self.least.features & ~closure and not cured

    def accounts_for(self, error: Diagnostic) -> bool:
        return any(error.is_like(other) for other in self.errors)


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

    A row whose errors other rows' answers account for is not shrunk again; one with several mistakes has an answer
    for each.
    """
    deadline = time.monotonic() + budget_seconds
    found: dict[str, Outcome] = {}
    known: list[_Answer] = []
    # Rows of few features first: they are shrunk soonest, and explain the others.
    for failure in sorted(failures, key=lambda one: _closure(graphs[one.row.crate], one.row).bit_count()):
        graph = graphs[failure.row.crate]
        rules = configuration.rules.get(graph.crate.name, ())
        solver = Solver(graph, constraints_of(graph, rules))
        answers = [one for one in known if one.explains(failure, graph)]
        open_errors: list[Diagnostic | None] = [
            error for error in failure.result.errors if not any(one.accounts_for(error) for one in answers)
        ]
        if not failure.result.errors and not answers:
            open_errors = [None]
        own = [one for one in answers if any(map(one.accounts_for, failure.result.errors))]
        while open_errors and len(own) < MOST_ANSWERS:
            target = open_errors[0]
            search = _Search(failure, target, graph, run, deadline, say)
            failing = graph.mask(failure.row.features)
            passing = _passing_above(graph, failing, passed.get(graph.crate.name, ()))
            least = shrink(graph, solver, failing, search.fails, passing=passing)
            errors = search.errors.get(least.features, failure.result.errors)
            answer = _Answer(failure, least, errors, _told(graph, least, search))
            say(f"{graph.crate.name} {answer.note}")
            known.append(answer)
            own.append(answer)
            open_errors = [
                error for error in open_errors[1:] if error is not None and not answer.accounts_for(error)
            ]
        found[failure.row.flags] = _outcome(failure, own or answers)
    return found


class _Search:
    """Answers whether fewer features fail with the same error, until the time is over."""

    def __init__(
        self,
        failure: Failure,
        target: Diagnostic | None,
        graph: FeatureGraph,
        run: Probe,
        deadline: float,
        say: Callable[[str], None],
    ) -> None:
        self._failure, self._target, self._graph = failure, target, graph
        self._run, self._deadline, self._say = run, deadline, say
        self.errors: dict[int, tuple[Diagnostic, ...]] = {}
        self.otherwise: set[int] = set()  # combinations that fail, but in another way

    def fails(self, features: int) -> bool | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            return None
        flags = flags_of(self._graph, features)
        result = self._run(self._failure.row, self._failure.words, shlex.split(flags), left)
        if result.timed_out and time.monotonic() >= self._deadline:
            return None
        self.errors[features] = result.errors
        target = self._target
        failed = not result.passed and not result.timed_out
        same = failed and (target is None or any(target.is_like(one) for one in result.errors))
        if not same and not result.passed:
            self.otherwise.add(features)
        names = ",".join(self._graph.features_of(features)) or "none"
        word = "fails too" if same else "passes" if result.passed else "fails in another way"
        self._say(f"shrinking {self._failure.row.description}: {names} {word}")
        return same


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
    untried = " or ".join(graph.features_of(least.untried))
    if not names:
        told = "fails with no features at all"
    elif untried:
        told = f"fails with {shown}; without {untried} it was not tried, as the constraints forbid that"
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


def _outcome(failure: Failure, answers: Sequence[_Answer]) -> Outcome:
    row, result = failure.row, failure.result
    errors = [
        error for error in result.errors if any(one.accounts_for(error) for one in answers)
    ] or result.errors
    return Outcome(
        row.crate,
        row.description,
        row.flags,
        ",".join(row.features),
        FAILED,
        result.seconds,
        result.units,
        command=f"cargo {' '.join(failure.words)} {row.flags}",
        error=errors[0] if errors else None,
        note=", and ".join(dict.fromkeys(one.note for one in answers)),
        log=result.log,
    )
