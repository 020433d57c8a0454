"""Rows for all goals: a greedy cover, tried many times from a fixed seed; the proved optimum where one is known."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import combinations
from typing import TypeVar

from feature_matrix.constraints import Combination, Solver
from feature_matrix.coverage import Goals, edge_row
from feature_matrix.merging import merged

T = TypeVar("T")

SEED = 20250901
WORK = 60_000_000  # how much is tried, in rough operations: a count, not a clock, so that a plan is the same everywhere
STARTS_PER_ROW = 12
MOST_TRIES = 40
MOST_TRIES_OF_PAIRS = 80  # without edges a try takes half the time
# An edge is noticed by few rows, a pair by many; which weight is best differs by crate.
EDGE_WEIGHTS = (2, 4, 8, 16, 40)


def cover(solver: Solver, goals: Goals, given: Sequence[Combination]) -> list[Combination]:
    """Rows that, with the given ones, cover all goals: the best of several tries, the same on every machine."""
    graph = solver.graph
    left = goals.copy()
    for one in given:
        left.cover(one)
    count = max(1, len(graph.names))
    most = MOST_TRIES if goals.edges else MOST_TRIES_OF_PAIRS
    tries = max(1, min(most, WORK // (count * count * (count + len(graph.rules)) * 40)))
    found = []
    for number in range(tries):
        chance = random.Random(SEED + number)  # noqa: S311  (no secret: the plan must be the same everywhere)
        search = _Search(solver, chance, EDGE_WEIGHTS[number % len(EDGE_WEIGHTS)])
        found.append(_without_spare(search.rows(left.copy()), left))
    return min(found, key=lambda rows: len(merged(graph, [*given, *rows])))


def pairwise_rows(count: int, fixed: int) -> list[int]:
    """The fewest rows, as masks, that have none and all among them and show all pairs of `count` independent features.

    Between none and all, the sets of rows in which each feature is on must be an antichain: none is part of another.
    The largest antichain over n rows is all sets of half of them (Sperner 1928), so n is the least with so many sets,
    and n + 2 rows are the fewest. `fixed` is one of the rows where the sets can be dealt out like that.
    """
    between = 0
    while math.comb(between, between // 2) < count:
        between += 1
    wanted = [bool(fixed >> index & 1) for index in range(count)]
    halves = [list(combinations(range(between), size)) for size in (between // 2, between - between // 2)]
    dealt = _dealt(wanted, halves[0]) or _dealt(wanted, halves[1]) or halves[0][:count]
    masks = [sum(1 << index for index, some in enumerate(dealt) if row in some) for row in range(between)]
    return [0, *masks, (1 << count) - 1]


def _dealt(wanted: Sequence[bool], sets: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """A set for each feature, with row 0 in it exactly where wanted; empty where there are too few."""
    kinds = {kind: [one for one in sets if (0 in one) is kind] for kind in (True, False)}
    if any(wanted.count(kind) > len(some) for kind, some in kinds.items()):
        return []
    return [kinds[kind].pop(0) for kind in wanted]


class _Search:
    """One greedy try: row after row, each the best that climbing from several starts finds."""

    def __init__(self, solver: Solver, chance: random.Random, edge_weight: int) -> None:
        self._graph, self._solver, self._chance, self._edge_weight = solver.graph, solver, chance, edge_weight

    def rows(self, left: Goals) -> list[Combination]:
        """Rows until nothing is left; `left` is used up."""
        rows = []
        while not left.done():
            found = [self._climb(left, seed) for seed in self._seeds(left)]
            row, worth = max(found, key=lambda one: one[1])
            if worth == 0:
                raise AssertionError("a goal that was found feasible has no row")
            left.cover(row)
            rows.append(row)
        return rows

    def _worth(self, left: Goals, row: Combination) -> int:
        return left.worth(row, edge_weight=self._edge_weight)

    def _seeds(self, left: Goals) -> list[Combination]:
        """Rows that each cover something that is left."""
        pairs = list(left.open_pairs())
        edges = [number for number in range(len(self._graph.edges)) if left.edges >> number & 1]
        chosen = [self._solver.find(on=on, off=off) for on, off in self._some(pairs)]
        chosen += [edge_row(self._solver, edge) for edge in self._some(edges)]
        return self._some([one for one in chosen if one])

    def _some(self, of: list[T]) -> list[T]:
        return self._chance.sample(of, min(len(of), STARTS_PER_ROW))

    def _climb(self, left: Goals, row: Combination) -> tuple[Combination, int]:
        """Switch single features as long as the row's worth grows."""
        worth = self._worth(left, row)
        order = list(range(len(self._graph.names)))
        improved = True
        while improved:
            improved = False
            self._chance.shuffle(order)
            for index in order:
                other = self._solver.complete(row.generators ^ 1 << index)
                if other is None or other.generators == row.generators or not self._solver.allows(other):
                    continue
                gain = self._worth(left, other)
                if gain > worth:
                    row, worth, improved = other, gain, True
        return self._minimal(left, row, worth)

    def _minimal(self, left: Goals, row: Combination, worth: int) -> tuple[Combination, int]:
        """The same closure from fewer features: what is implied is not named, or a lost implication would hide."""
        for index in range(len(self._graph.names)):
            if row.generators >> index & 1:
                other = self._solver.complete(row.generators ^ 1 << index)
                if other and other.closure == row.closure and other.generators != row.generators:
                    gain = self._worth(left, other)
                    if gain >= worth:
                        row, worth = other, gain
        return row, worth


def _without_spare(rows: list[Combination], goals: Goals) -> list[Combination]:
    """Drop rows whose goals the others cover."""
    kept = list(rows)
    for row in rows:
        others = [one for one in kept if one is not row]
        left = goals.copy()
        for one in others:
            left.cover(one)
        if left.done():
            kept = others
    return kept
