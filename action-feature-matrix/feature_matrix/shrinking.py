"""From a combination that fails to the least set of features that still does.

Delta debugging (Zeller, Hildebrandt: Simplifying and Isolating Failure-Inducing Input, 2002) by complements, with the
features that enable most tried first: the answer is in terms of those that clash, not of those that enable them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from feature_matrix.constraints import Solver
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.implications import bits_of

# Whether a combination (its features as a mask) fails in the same way: True, False, or None when there is no time left.
Fails = Callable[[int], bool | None]


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The least set that still fails. `exact` when no allowed combination with one feature less does.

    `untried` are those of its features without which the constraints forbid what is left. `cure` are features with
    which it passes, none of which can be spared; 0 when that is not known.
    """

    features: int
    exact: bool
    untried: int = 0
    cure: int = 0


def shrink(graph: FeatureGraph, solver: Solver, failing: int, fails: Fails, *, passing: int = 0) -> Shrunk:
    """Shrink the combination `failing`.

    `passing` is a combination that is known to pass and enables all of the answer, if there is one: then what it has
    besides is shrunk too, to the least addition that cures. Combinations that the constraints forbid are not tried.
    """
    memo: dict[int, bool | None] = {graph.identity(graph.closure(failing)): True}

    def allowed(features: int) -> bool:
        whole = solver.complete(features)
        return whole is not None and whole.generators == features and solver.allows(whole)

    def test(features: int) -> bool | None:
        key = graph.identity(graph.closure(features))
        if key not in memo:
            memo[key] = fails(features)
        return memo[key]

    def still_fails(features: int) -> bool | None:
        return test(features) if allowed(features) else False

    every = graph.closure(failing) & graph.chosen
    start = every if still_fails(every) else failing
    least, exact = _minimise(graph, start, still_fails)
    untried = sum(bit for bit in bits_of(least) if not allowed(least & ~bit))
    if not exact or not passing or graph.closure(passing) & least != least:
        return Shrunk(least, exact, untried)
    added = graph.closure(passing) & graph.chosen & ~graph.closure(least)

    def passes(some: int) -> bool | None:
        if not allowed(least | some):
            return False
        answer = test(least | some)
        return None if answer is None else not answer

    cure, known = _minimise(graph, added, passes)
    return Shrunk(least, exact, untried, cure if known and passes(cure) else 0)


def _minimise(graph: FeatureGraph, start: int, test: Fails) -> tuple[int, bool]:
    """A subset of `start` that still tests True while no subset with one feature less does; False: time ran out.

    First goes, one by one, what only enables others of the set; then halves, quarters and so on of the rest.
    """
    kept = sorted(bits_of(start), key=lambda bit: -graph.closure(bit).bit_count())
    for bit in [bit for bit in kept if graph.closure(bit) & start != bit]:
        rest = [one for one in kept if one != bit]
        answer = test(sum(rest))
        if answer is None:
            return sum(kept), False
        kept = rest if answer else kept
    size = max(1, len(kept) // 2)
    while kept:
        removed = False
        at = 0
        while at < len(kept):
            rest = kept[:at] + kept[at + size :]
            answer = test(sum(rest))
            if answer is None:
                return sum(kept), False
            if answer:
                kept, removed = rest, True
            else:
                at += size
        if size == 1 and not removed:
            break
        size = max(1, size // 2)
    return sum(kept), True
