"""The rows of one crate: none, default and all, and what the strategy adds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from actionlib.errors import ActionError
from feature_matrix.configuration import CuratedRow
from feature_matrix.constraints import Combination, Constraints, Solver
from feature_matrix.coverage import feasible_goals
from feature_matrix.covering import cover, optimal_pairwise
from feature_matrix.feature_graph import FeatureGraph

MOST_COMBINATIONS = 200_000  # of a powerset, before equal ones are merged


@dataclass(frozen=True, slots=True)
class Row:
    """One combination to test. `also` are the combinations that build the same and are not tested besides."""

    crate: str
    features: tuple[str, ...]
    flags: str
    description: str
    reason: str
    also: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CratePlan:
    """The rows of one crate and what they cover. `optimal` when no fewer rows can cover the pairs."""

    crate: str
    rows: tuple[Row, ...]
    features: int
    pairs: int
    pairs_feasible: int
    edges: int
    edges_feasible: int
    optimal: bool
    each_feature_rows: int
    depth_two_rows: int
    all_subsets: int


def plan_crate(
    graph: FeatureGraph,
    *,
    strategy: str,
    depth: int,
    constraints: Constraints | None = None,
    curated: Sequence[CuratedRow] = (),
) -> CratePlan:
    """Plan one crate, whose constraints allow something, with these curated rows.

    Raises ActionError for a powerset that is out of hand, and for a curated row that the constraints forbid.
    """
    solver = Solver(graph, constraints or Constraints())
    goals = feasible_goals(graph, solver, edges=True)
    chosen = [(_curated(graph, solver, one), f"curated, line {one.line}") for one in curated]
    standard = [*chosen, *(_standard(graph, solver) if strategy != "curated" else ())]
    more: Iterable[tuple[Combination, str]] = ()
    optimal = False
    if strategy == "isolate":
        more = [(one, "pairs and implications") for one in _covering(graph, solver, standard, edges=True)]
    elif strategy == "pairwise" and constraints in (None, Constraints()) and _is_unconstrained(graph):
        masks = optimal_pairwise(len(graph.names), with_all=True)
        more = [(_combination(graph, mask), "pairs") for mask in masks]
        optimal = not chosen
    elif strategy == "pairwise":
        more = [(one, "pairs") for one in _covering(graph, solver, standard, edges=False)]
    elif strategy == "each":
        more = [(one, "each feature") for one in _powerset(graph, solver, 1)]
    elif strategy == "powerset":
        more = [(one, f"powerset, depth {depth}") for one in _powerset(graph, solver, depth)]
    rows, combinations_ = _merge(graph, [*standard, *more])
    left = goals.copy()
    for one in combinations_:
        left.cover(one)
    count = len(graph.names)
    return CratePlan(
        crate=graph.crate.name,
        rows=_with_words(rows, graph, curated),
        features=count,
        pairs=goals.pairs - sum(1 for _ in left.open_pairs()),
        pairs_feasible=goals.pairs,
        edges=(goals.edges & ~left.edges).bit_count(),
        edges_feasible=goals.edges.bit_count(),
        optimal=optimal,
        each_feature_rows=_each_feature_rows(graph),
        depth_two_rows=_depth_two_rows(graph),
        all_subsets=2**count,
    )


def _each_feature_rows(graph: FeatureGraph) -> int:
    """Rows of `cargo hack --each-feature`: none, each feature with `default` among them, all."""
    count = len(graph.names) + ("default" in graph.crate.features)
    return 1 + count + (count > 1)


def _depth_two_rows(graph: FeatureGraph) -> int:
    """Rows of `cargo hack --feature-powerset --depth 2`, which leaves out a pair of which one implies the other."""
    bits = [1 << index for index in range(len(graph.names))]
    bits += [graph.default] if "default" in graph.crate.features else []
    pairs = sum(
        not (graph.closure(one) & other or graph.closure(other) & one) for one, other in combinations(bits, 2)
    )
    return 1 + len(bits) + pairs


def _standard(graph: FeatureGraph, solver: Solver) -> Iterator[tuple[Combination, str]]:
    none = solver.find()
    if none is None:
        raise AssertionError("no combination is allowed: the caller has not looked for contradictions")
    yield none, "least that is allowed" if none.generators else "no features"
    if "default" in graph.crate.features:
        default = solver.complete(graph.default)
        if default and default.generators == graph.default and solver.allows(default):
            yield default, "default features"
    whole = solver.complete(graph.chosen)
    if graph.names and whole and solver.allows(whole):
        yield whole, "all features"
    elif graph.names:
        yield _most(graph, solver, none), "as many as are allowed together"


def _curated(graph: FeatureGraph, solver: Solver, row: CuratedRow) -> Combination:
    default = graph.default if row.default and "default" in graph.crate.features else 0
    wanted = graph.mask(row.features) | default
    found = solver.complete(wanted)
    if found is None or found.generators != wanted or not solver.allows(found):
        raise ActionError(
            f"the row in line {row.line} of the configuration ({', '.join(row.features) or 'no features'}"
            f"{' and the default ones' if default else ''}) is forbidden by the constraints of {row.crate}",
            hint="Change the row or the constraint",
        )
    return found


def _with_words(rows: Iterable[Row], graph: FeatureGraph, curated: Sequence[CuratedRow]) -> tuple[Row, ...]:
    """What people wrote about a row, and all that the job of a row needs."""
    by_reason = {f"curated, line {one.line}": one for one in curated}
    told = []
    for row in rows:
        written = by_reason.get(row.reason)
        enabled = graph.closure(graph.mask(row.features))
        needs = [
            need
            for one in curated
            if one is written or (len(one.features) == 1 and enabled & graph.mask(one.features))
            for need in one.needs
        ]
        description = (
            f"{row.crate}: {written.description}" if written and written.description else row.description
        )
        told.append(replace(row, description=description, needs=tuple(dict.fromkeys(needs))))
    return tuple(told)


def _most(graph: FeatureGraph, solver: Solver, start: Combination) -> Combination:
    """Features added one by one, in the manifest's order, where they are allowed."""
    best = start
    for index in range(len(graph.names)):
        more = solver.find(on=best.generators | 1 << index)
        best = more or best
    return best


def _combination(graph: FeatureGraph, generators: int) -> Combination:
    return Combination(generators, graph.closure(generators))


def _covering(
    graph: FeatureGraph, solver: Solver, standard: Iterable[tuple[Combination, str]], *, edges: bool
) -> list[Combination]:
    goals = feasible_goals(graph, solver, edges=edges)
    return cover(graph, solver, goals, [one for one, _ in standard])


def _is_unconstrained(graph: FeatureGraph) -> bool:
    """No feature implies another one. (The construction starts at four features.)"""
    return len(graph.names) >= 4 and all(
        graph.closure(1 << index) & graph.chosen == 1 << index for index in range(len(graph.names))
    )


def _powerset(graph: FeatureGraph, solver: Solver, depth: int) -> Iterator[Combination]:
    count = len(graph.names)
    number = sum(math.comb(count, size) for size in range(1, depth + 1))
    if number > MOST_COMBINATIONS:
        raise ActionError(
            f"input 'depth' is '{depth}': {graph.crate.name} has {count} features, and {number:,} such combinations",
            hint=f"At most {MOST_COMBINATIONS:,} are planned: lower it, or use strategy isolate",
        )
    for size in range(1, depth + 1):
        for chosen in combinations(range(count), size):
            one = solver.complete(sum(1 << index for index in chosen))
            if one and solver.allows(one):
                yield one


def _merge(
    graph: FeatureGraph, wanted: Iterable[tuple[Combination, str]]
) -> tuple[tuple[Row, ...], list[Combination]]:
    """One row for each build; the first one to ask for it names it."""
    first: dict[int, tuple[Combination, str, list[str]]] = {}
    for one, reason in wanted:
        known = first.setdefault(graph.identity(one.closure), (one, reason, []))
        name = _named(graph, one)
        if known[0] is not one and name != _named(graph, known[0]):
            known[2].append(name)
    rows = tuple(_row(graph, one, reason, also) for one, reason, also in first.values())
    return rows, [one for one, _, _ in first.values()]


def _row(graph: FeatureGraph, one: Combination, reason: str, also: list[str]) -> Row:
    features = graph.features_of(one.generators)
    return Row(
        crate=graph.crate.name,
        features=features,
        flags=_flags(graph, one.generators),
        description=f"{graph.crate.name}: {_named(graph, one)}",
        reason=reason,
        also=tuple(dict.fromkeys(also)),
    )


def _flags(graph: FeatureGraph, generators: int) -> str:
    package = f"--package {graph.crate.name}"
    if graph.names and generators == graph.chosen:
        return f"{package} --all-features"
    features = ",".join(name for name in graph.features_of(generators) if name != "default")
    base = package if generators & graph.default else f"{package} --no-default-features"
    return f"{base} --features {features}" if features else base


def _named(graph: FeatureGraph, one: Combination) -> str:
    if one.generators == 0:
        return "none"
    if graph.names and one.generators == graph.chosen:
        return "all"
    return ",".join(graph.features_of(one.generators))
