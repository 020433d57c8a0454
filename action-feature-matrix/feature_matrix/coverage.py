"""What rows cover: every pair of features on and off in each feasible way, and every declared edge that can be missed.

The tally is kept as bit masks, one for each feature, so that the worth of a row is counted in a few operations.
"""

from __future__ import annotations

from collections.abc import Iterator

from feature_matrix.constraints import Combination, Solver
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.implications import bits_of


class Goals:
    """What is still to be covered.

    `both[i]`: the j that are not yet on together with i; `only[i]`: the j not yet off while i is on; `neither[i]`: the
    j not yet off together with i.
    """

    def __init__(self, graph: FeatureGraph) -> None:
        self._graph = graph
        count = len(graph.names)
        self.both, self.only, self.neither = [0] * count, [0] * count, [0] * count
        self.edges = 0  # bit i is the graph's edge i
        self.pairs = 0
        self._open: list[tuple[int, int, int, int]] | None = None  # features with pairs left, and these pairs

    def copy(self) -> Goals:
        """Another tally with the same goals."""
        other = Goals(self._graph)
        other.both, other.only, other.neither = list(self.both), list(self.only), list(self.neither)
        other.edges, other.pairs = self.edges, self.pairs
        return other

    def pairs_only(self) -> Goals:
        """The same without the edges."""
        other = self.copy()
        other.edges = 0
        return other

    def worth(self, one: Combination, *, edge_weight: int) -> int:
        """How much of what is left this row covers: 2 for a pair, `edge_weight` for an edge."""
        on = one.closure & self._graph.chosen
        off = self._graph.chosen & ~on
        score = 0
        if self._open is None:
            tables = zip(self.both, self.only, self.neither, strict=True)
            self._open = [(1 << index, *left) for index, left in enumerate(tables) if any(left)]
        for bit, both, only, neither in self._open:
            if on & bit:
                score += (both & on).bit_count() + 2 * (only & off).bit_count()
            else:
                score += (neither & off).bit_count()
        if self.edges:
            score += edge_weight * (self.edges & self._graph.noticed(one.generators, one.closure)).bit_count()
        return score

    def cover(self, one: Combination) -> None:
        """Strike off what this row covers."""
        self._open = None
        on = one.closure & self._graph.chosen
        off = self._graph.chosen & ~on
        for index in range(len(self._graph.names)):
            if on >> index & 1:
                self.both[index] &= ~on
                self.only[index] &= ~off
            else:
                self.neither[index] &= ~off
        self.edges &= ~self._graph.noticed(one.generators, one.closure)

    def open_pairs(self) -> Iterator[tuple[int, int]]:
        """Pairs left, each as (all that must be on, all that must be off)."""
        for index in range(len(self._graph.names)):
            bit = 1 << index
            for other in bits_of(self.both[index] >> index + 1 << index + 1):
                yield bit | other, 0
            for other in bits_of(self.only[index]):
                yield bit, other
            for other in bits_of(self.neither[index] >> index + 1 << index + 1):
                yield 0, bit | other

    def done(self) -> bool:
        """Whether nothing is left."""
        return not (self.edges or any(self.both) or any(self.only) or any(self.neither))


def feasible_goals(solver: Solver) -> Goals:
    """All pairs that some allowed combination shows, and all edges that one notices; idle features are left out."""
    graph = solver.graph
    goals = Goals(graph)
    busy = [index for index in range(len(graph.names)) if not graph.idle >> index & 1]
    for one in busy:
        for other in busy:
            if other == one:
                continue
            if solver.find(on=1 << one, off=1 << other):
                goals.only[one] |= 1 << other
                goals.pairs += 1
            if other < one:
                continue
            both = 1 << one | 1 << other
            for off, table in ((0, goals.both), (both, goals.neither)):
                if solver.find(on=both & ~off, off=off):
                    table[one] |= 1 << other
                    table[other] |= 1 << one
                    goals.pairs += 1
    for number in range(len(graph.edges)):
        if edge_row(solver, number):
            goals.edges |= 1 << number
    return goals


def edge_row(solver: Solver, number: int) -> Combination | None:
    """The least allowed row that notices the loss of the graph's edge of this number, if one does.

    More features only add supports, except for a weak edge, which also needs its dependency on, and for what a
    constraint adds: one more feature, whichever it is, may bring that; and what enables the same is kept off.
    """
    graph = solver.graph
    source, _ = graph.edges[number]
    feature = graph.mask([source])
    for start in [feature, *(feature | 1 << index for index in range(len(graph.names)))]:
        for off in (0, *graph.rivals(number, start)):
            found = solver.find(on=start, off=off)
            if found and graph.noticed(found.generators, found.closure) >> number & 1:
                return found
    return None
