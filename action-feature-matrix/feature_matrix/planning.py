"""The rows of one crate: none, default and all, and what the strategy adds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from actionlib.errors import ActionError
from feature_matrix.configuration import CrateSettings, CuratedRow
from feature_matrix.constraints import Combination, Constraints, Solver
from feature_matrix.coverage import feasible_goals
from feature_matrix.covering import cover, optimal_pairwise
from feature_matrix.feature_graph import FeatureGraph

MOST_COMBINATIONS = 200_000  # of a powerset, before equal ones are merged
_REASONS = {
    "isolate": "pairs and implications",
    "pairwise": "pairs",
    "each": "each feature",
    "powerset": "powerset, depth {depth}",
}


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
    toolchain: str = ""
    platform: str = ""
    signature: tuple[str, str] = ("", "")  # crate, and what the row enables in its dependencies


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A combination that somebody asks for. `written`: the row of the configuration, if one does."""

    combination: Combination
    reason: str
    written: CuratedRow | None = None


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
    place: CrateSettings | None = None,
) -> CratePlan:
    """Plan one crate, whose constraints allow something, with these curated rows.

    Raises ActionError for a powerset that is out of hand, and for a curated row that the constraints forbid.
    """
    place = place or CrateSettings()
    solver = Solver(graph, constraints or Constraints())
    goals = feasible_goals(graph, solver)
    standard = [_curated(graph, solver, one) for one in curated]
    if strategy != "curated":
        standard += _standard(graph, solver)
    given = [one.combination for one in standard]
    more: Iterable[Combination] = ()
    optimal = False
    if strategy == "isolate":
        more = cover(graph, solver, goals, given)
    elif strategy == "pairwise" and constraints in (None, Constraints()) and _is_unconstrained(graph):
        masks = optimal_pairwise(len(graph.names), with_all=True)
        more, optimal = [_combination(graph, mask) for mask in masks], not curated
    elif strategy == "pairwise":
        more = cover(graph, solver, goals.pairs_only(), given)
    elif strategy == "each":
        more = _powerset(graph, solver, 1)
    elif strategy == "powerset":
        more = _powerset(graph, solver, depth)
    reason = _REASONS.get(strategy, "").format(depth=depth)
    wanted = [*standard, *(_Wanted(one, reason) for one in more)]
    if strategy != "curated":
        wanted += _for_targets(graph, solver, [one.combination for one in wanted])
    first = _merge(graph, wanted)
    left = goals.copy()
    for one, _ in first:
        left.cover(one.combination)
    count = len(graph.names)
    return CratePlan(
        crate=graph.crate.name,
        rows=tuple(_row(graph, one, also, curated, place) for one, also in first),
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


def plan_standard(
    graph: FeatureGraph, *, constraints: Constraints, place: CrateSettings | None = None
) -> tuple[Row, ...]:
    """None, default and all features, or the nearest that is allowed: for questions that need no more rows."""
    wanted = _standard(graph, Solver(graph, constraints))
    return tuple(_row(graph, one, also, (), place or CrateSettings()) for one, also in _merge(graph, wanted))


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


def _standard(graph: FeatureGraph, solver: Solver) -> Iterator[_Wanted]:
    none = solver.find()
    if none is None:
        raise AssertionError("no combination is allowed: the caller has not looked for contradictions")
    yield _Wanted(none, "least that is allowed" if none.generators else "no features")
    if "default" in graph.crate.features:
        default = solver.complete(graph.default)
        if default and default.generators == graph.default and solver.allows(default):
            yield _Wanted(default, "default features")
    whole = solver.complete(graph.chosen)
    if graph.names and whole and solver.allows(whole):
        yield _Wanted(whole, "all features")
    elif graph.names:
        yield _Wanted(_most(graph, solver, none), "as many as are allowed together")


def _for_targets(graph: FeatureGraph, solver: Solver, rows: Sequence[Combination]) -> Iterator[_Wanted]:
    """A row for each target whose required-features no row enables: cargo passes it over in silence."""
    closures = [one.closure for one in rows]
    for name, required in graph.crate.targets.items():
        wanted = graph.mask(feature for feature in required if feature in graph.names)
        if all(wanted & ~closure for closure in closures) and (found := solver.find(on=wanted)):
            closures.append(found.closure)
            yield _Wanted(found, f"builds {name}")


def _curated(graph: FeatureGraph, solver: Solver, row: CuratedRow) -> _Wanted:
    default = graph.default if row.default and "default" in graph.crate.features else 0
    wanted = graph.mask(row.features) | default
    found = solver.complete(wanted)
    if found is None or found.generators != wanted or not solver.allows(found):
        raise ActionError(
            f"the row in line {row.line} of the configuration ({', '.join(row.features) or 'no features'}"
            f"{' and the default ones' if default else ''}) is forbidden by the constraints of {row.crate}",
            hint="Change the row or the constraint",
        )
    return _Wanted(found, f"curated, line {row.line}", row)


def _most(graph: FeatureGraph, solver: Solver, start: Combination) -> Combination:
    """Features added one by one, in the manifest's order, where they are allowed."""
    best = start
    for index in range(len(graph.names)):
        more = solver.find(on=best.generators | 1 << index)
        best = more or best
    return best


def _combination(graph: FeatureGraph, generators: int) -> Combination:
    return Combination(generators, graph.closure(generators))


def _is_unconstrained(graph: FeatureGraph) -> bool:
    """No feature implies another one, and none is idle. (The construction starts at four features.)"""
    return (
        len(graph.names) >= 4
        and not graph.idle & graph.chosen
        and all(graph.closure(1 << index) & graph.chosen == 1 << index for index in range(len(graph.names)))
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


def _merge(graph: FeatureGraph, wanted: Iterable[_Wanted]) -> list[tuple[_Wanted, tuple[str, ...]]]:
    """One for each build, the first that asks for it, with the names of the others."""
    first: dict[int, tuple[_Wanted, dict[str, None]]] = {}
    for one in wanted:
        known, others = first.setdefault(graph.identity(one.combination.closure), (one, {}))
        name = _named(graph, one.combination)
        if name != _named(graph, known.combination):
            others[name] = None
    return [(known, tuple(others)) for known, others in first.values()]


def _row(
    graph: FeatureGraph,
    wanted: _Wanted,
    also: tuple[str, ...],
    curated: Sequence[CuratedRow],
    place: CrateSettings,
) -> Row:
    """What a row of one feature needs goes with every row that enables it."""
    one, written = wanted.combination, wanted.written
    needs = [
        need
        for row in curated
        if row is written or (len(row.features) == 1 and one.closure & graph.mask(row.features))
        for need in row.needs
    ]
    name = written.description if written and written.description else _named(graph, one)
    return Row(
        crate=graph.crate.name,
        features=graph.features_of(one.generators),
        flags=flags_of(graph, one.generators),
        description=f"{graph.crate.name}: {name}",
        reason=wanted.reason,
        also=also,
        needs=tuple(dict.fromkeys(needs)),
        toolchain=place.toolchain,
        platform=written.platform if written and written.platform else place.platform,
        signature=(graph.crate.name, f"{one.closure & ~graph.chosen & ~graph.default:x}"),
    )


def flags_of(graph: FeatureGraph, generators: int) -> str:
    """What tells cargo to build this combination."""
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
