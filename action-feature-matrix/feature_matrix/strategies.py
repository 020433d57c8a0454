"""What a strategy adds to the rows that are always there: a cover of all goals, or all combinations up to a depth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from actionlib.errors import ActionError
from feature_matrix.constraints import Combination, Constraints, Solver
from feature_matrix.coverage import Goals
from feature_matrix.covering import cover, pairwise_rows

MOST_COMBINATIONS = 200_000  # of a powerset, before equal ones are merged


def added_rows(
    solver: Solver, goals: Goals, given: Sequence[Combination], *, strategy: str, depth: int
) -> Iterable[Combination]:
    """The rows of `isolate`, `pairwise`, `each` or `powerset` beside the given ones.

    Raises ActionError for a powerset that is out of hand.
    """
    if strategy in ("each", "powerset"):
        return _powerset(solver, 1 if strategy == "each" else depth)
    if strategy == "pairwise":
        goals = goals.pairs_only()
    if is_independent(solver):
        fewest = _fewest(solver)
        left = goals.copy()
        for one in [*given, *fewest]:
            left.cover(one)
        if left.done():
            return fewest
    return cover(solver, goals, given)


def is_independent(solver: Solver) -> bool:
    """Whether features are all that makes a difference, and each can be on and off whatever the others are."""
    graph = solver.graph
    return (
        solver.rules == Constraints()
        and "default" not in graph.names
        and not graph.idle & graph.chosen
        and all(graph.closure(1 << index) & graph.chosen == 1 << index for index in range(len(graph.names)))
    )


def _fewest(solver: Solver) -> list[Combination]:
    """The fewest rows that show all pairs of independent features; `default` is one of them where it can be."""
    graph = solver.graph
    default = graph.closure(graph.default & graph.everything) & graph.chosen
    masks = pairwise_rows(len(graph.names), default)
    return [Combination(mask, graph.closure(mask)) for mask in masks]


def _powerset(solver: Solver, depth: int) -> Iterator[Combination]:
    names = solver.graph.names
    number = sum(math.comb(len(names), size) for size in range(1, depth + 1))
    if number > MOST_COMBINATIONS:
        raise ActionError(
            f"input 'depth' is '{depth}': {solver.graph.crate.name} has {len(names)} features, "
            f"and {number:,} such combinations",
            hint=f"At most {MOST_COMBINATIONS:,} are planned: lower it, or use strategy isolate",
        )
    for size in range(1, depth + 1):
        for chosen in combinations(range(len(names)), size):
            one = solver.complete(sum(1 << index for index in chosen))
            if one and solver.allows(one):
                yield one
