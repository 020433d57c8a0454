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
from feature_matrix.implications import bits_of
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

    @property
    def kind(self) -> tuple[str, str, tuple[str, ...]]:
        """Failures of one kind can have the same reason: crate, toolchain and command are the same."""
        return self.row.crate, self.row.toolchain, self.words


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a failure was shrunk to, in a sentence, and the error that it is about."""

    note: str
    error: Diagnostic | None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a failure was shrunk to. `errors` are all that the least set brings about."""

    failure: Failure
    least: Shrunk
    errors: tuple[Diagnostic, ...]
    note: str

    def explains(self, failure: Failure, graph: FeatureGraph) -> bool:
        """Whether the row has all of these features, and nothing that cures."""
        if failure.kind != self.failure.kind:
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
) -> list[Explanation]:
    """An explanation of each failure, in their order.

    A row whose errors other rows' answers account for is not shrunk again; one with several mistakes has an answer
    for each.
    """
    explainer = _Explainer(graphs, configuration, passed, run, budget_seconds, say)
    # Rows of few features first: they are shrunk soonest, and explain the others.
    order = sorted(range(len(failures)), key=lambda index: explainer.size(failures[index].row))
    found = {index: explainer.explain(failures[index]) for index in order}
    return [found[index] for index in range(len(failures))]


class _Explainer:
    """Shrinks failures one after the other, within one budget of time, and remembers the answers."""

    def __init__(
        self,
        graphs: Mapping[str, FeatureGraph],
        configuration: Configuration,
        passed: Mapping[str, Sequence[Row]],
        run: Probe,
        budget_seconds: float,
        say: Callable[[str], None],
    ) -> None:
        self._graphs, self._rules, self._passed = graphs, configuration.rules, passed
        self._run, self._say = run, say
        self._deadline = time.monotonic() + budget_seconds
        self._why_no_time = (
            "there was no time to try fewer features"
            if budget_seconds
            else "fewer features were not tried, as shrink-seconds is 0"
        )
        self._known: list[_Answer] = []

    def size(self, row: Row) -> int:
        """How many features the row enables."""
        return _closure(self._graphs[row.crate], row).bit_count()

    def explain(self, failure: Failure) -> Explanation:
        """From what is known already where that accounts for the failure."""
        errors = failure.result.errors
        others = [one for one in self._known if one.explains(failure, self._graphs[failure.row.crate])]
        own = [one for one in others if any(map(one.accounts_for, errors))]
        targets: Sequence[Diagnostic | None] = errors or ([] if others else [None])
        for target in targets:
            is_known = target is not None and any(one.accounts_for(target) for one in own)
            if not is_known and len(own) < MOST_ANSWERS:
                own.append(self._shrink(failure, target))
        answers = own or others
        told = [error for error in errors if any(one.accounts_for(error) for one in answers)] or errors
        note = ", and ".join(dict.fromkeys(one.note for one in answers))
        return Explanation(note, told[0] if told else None)

    def _shrink(self, failure: Failure, target: Diagnostic | None) -> _Answer:
        row = failure.row
        graph = self._graphs[row.crate]
        solver = Solver(graph, constraints_of(graph, self._rules.get(row.crate, ())))
        search = _Search(failure, target, graph, self._run, self._deadline, self._say)
        failing = graph.mask(row.features)
        passing = _passing_above(graph, failing, self._passed.get(row.crate, ()))
        least = shrink(graph, solver, failing, search.fails, passing=passing)
        note = _told(graph, least, search) if least.exact else self._cut_short(graph, least)
        answer = _Answer(failure, least, search.errors.get(least.features, failure.result.errors), note)
        self._say(f"{row.crate} {note}")
        self._known.append(answer)
        return answer

    def _cut_short(self, graph: FeatureGraph, least: Shrunk) -> str:
        return f"fails with {{{', '.join(graph.features_of(least.features))}}}; {self._why_no_time}"


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
        self._otherwise: set[int] = set()  # builds that fail, but in another way

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
            self._otherwise.add(self._build(features))
        names = ",".join(self._graph.features_of(features)) or "none"
        word = "fails too" if same else "passes" if result.passed else "fails in another way"
        self._say(f"shrinking {self._failure.row.description}: {names} {word}")
        return same

    def fails_otherwise(self, features: int) -> bool:
        """Whether this combination, or one that builds the same, was seen to fail in another way."""
        return self._build(features) in self._otherwise

    def _build(self, features: int) -> int:
        return self._graph.identity(self._graph.closure(features))


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
    untried = " or ".join(graph.features_of(least.untried))
    if not names:
        told = "fails with no features at all"
    elif untried:
        told = f"fails with {shown}; without {untried} it was not tried, as the constraints forbid that"
    elif len(names) == 1:
        told = f"fails with exactly {shown}"
    elif any(search.fails_otherwise(least.features & ~bit) for bit in bits_of(least.features)):
        told = f"fails with exactly {shown}; with one less it does not fail like this"
    elif len(names) == 2:
        told = f"fails with exactly {shown}; each alone is fine"
    else:
        told = f"fails with exactly {shown}; with one less it is fine"
    cure = graph.features_of(least.cure)
    if cure:
        told += f"; passes with {{{', '.join(cure)}}} added"
    return told
