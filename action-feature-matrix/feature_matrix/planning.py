"""The rows of one crate: none, default and all, and what the strategy adds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from actionlib.errors import ActionError
from feature_matrix.configuration import CrateSettings, CuratedRow
from feature_matrix.constraints import Combination, Constraints, Solver
from feature_matrix.coverage import feasible_goals
from feature_matrix.covering import pairwise_rows
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.implications import bits_of
from feature_matrix.merging import merged
from feature_matrix.strategies import added_rows, is_independent

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
    reason: str = ""
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
    """The rows of one crate and what they cover.

    `optimal` when it is proved that no fewer rows, with none and all among them, show all pairs.
    """

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
    solver = Solver(graph, constraints or Constraints())
    goals = feasible_goals(solver)
    wanted = [_curated(solver, one) for one in curated]
    if strategy != "curated":
        wanted += _standard(solver)
        given = [one.combination for one in wanted]
        more = added_rows(solver, goals, given, strategy=strategy, depth=depth)
        wanted += [_Wanted(one, _REASONS[strategy].format(depth=depth)) for one in more]
        wanted += _for_targets(solver, [one.combination for one in wanted])
    rows = _rows(graph, wanted, curated, place or CrateSettings())
    left = goals.copy()
    for asked in wanted:  # what a row builds it shows, whoever asked for it
        left.cover(asked.combination)
    shown = goals.pairs - sum(1 for _ in left.open_pairs())
    count = len(graph.crate.names())
    return CratePlan(
        crate=graph.crate.name,
        rows=rows,
        features=count,
        pairs=shown,
        pairs_feasible=goals.pairs,
        edges=(goals.edges & ~left.edges).bit_count(),
        edges_feasible=goals.edges.bit_count(),
        optimal=is_independent(solver) and shown == goals.pairs and len(rows) == len(pairwise_rows(count, 0)),
        each_feature_rows=_each_feature_rows(graph),
        depth_two_rows=_depth_two_rows(graph),
        all_subsets=2**count,
    )


def plan_standard(
    graph: FeatureGraph, *, constraints: Constraints, place: CrateSettings | None = None
) -> tuple[Row, ...]:
    """None, default and all features, or the nearest that is allowed: for questions that need no more rows."""
    wanted = list(_standard(Solver(graph, constraints)))
    return _rows(graph, wanted, (), place or CrateSettings())


def _each_feature_rows(graph: FeatureGraph) -> int:
    """Rows of `cargo hack --each-feature`: none, each feature with `default` among them, all."""
    count = graph.everything.bit_count()
    return 1 + count + (count > 1)


def _depth_two_rows(graph: FeatureGraph) -> int:
    """Rows of `cargo hack --feature-powerset --depth 2`, which leaves out a pair of which one implies the other."""
    bits = list(bits_of(graph.everything))
    pairs = sum(
        not (graph.closure(one) & other or graph.closure(other) & one) for one, other in combinations(bits, 2)
    )
    return 1 + len(bits) + pairs


def _standard(solver: Solver) -> Iterator[_Wanted]:
    graph = solver.graph
    none = solver.find()
    if none is None:
        raise AssertionError("no combination is allowed: the caller has not looked for contradictions")
    yield _Wanted(none, "least that is allowed" if none.generators else "no features")
    if graph.everything & graph.default:
        default = solver.complete(graph.default)
        if default and default.generators == graph.default and solver.allows(default):
            yield _Wanted(default, "default features")
    whole = solver.complete(graph.everything)
    if graph.everything & ~graph.default and whole and solver.allows(whole):
        yield _Wanted(whole, "all features")
    elif graph.everything & ~graph.default:
        yield _Wanted(_most(solver, none), "as many as are allowed together")


def _for_targets(solver: Solver, rows: Sequence[Combination]) -> Iterator[_Wanted]:
    """A row for each target whose required-features no row enables: cargo passes it over in silence."""
    graph = solver.graph
    closures = [one.closure for one in rows]
    for name, required in graph.crate.targets.items():
        wanted = graph.mask(feature for feature in required if graph.has(feature))
        enabled = graph.closure(wanted) & ~graph.asked
        if all(enabled & ~closure for closure in closures) and (found := solver.find(on=wanted)):
            closures.append(found.closure)
            yield _Wanted(found, f"builds {name}")


def _curated(solver: Solver, row: CuratedRow) -> _Wanted:
    graph = solver.graph
    default = graph.default & graph.everything if row.default else 0
    wanted = graph.mask(row.features) | default
    found = solver.complete(wanted)
    if found is None or found.generators != wanted or not solver.allows(found):
        raise ActionError(
            f"{row.file}:{row.line}: the row ({', '.join(row.features) or 'no features'}"
            f"{' and the default ones' if default else ''}) is forbidden by the constraints of {row.crate}",
            hint="Change the row or the constraint",
        )
    return _Wanted(found, f"curated, line {row.line}", row)


def _most(solver: Solver, start: Combination) -> Combination:
    """Features added one by one, in the manifest's order, where they are allowed."""
    best = start
    for index in range(len(solver.graph.names)):
        more = solver.find(on=best.generators | 1 << index)
        best = more or best
    return best


def _rows(
    graph: FeatureGraph, wanted: Sequence[_Wanted], curated: Sequence[CuratedRow], place: CrateSettings
) -> tuple[Row, ...]:
    """A row for each build, with the names of what else builds the same; who asked first says why."""
    places = [(one.written.platform if one.written else "") or place.platform for one in wanted]
    rows = []
    for stay, group in merged(graph, [one.combination for one in wanted], places):
        names = {number: name_of(graph, wanted[number].combination.generators) for number in group}
        shown = [names[number] for number in stay]
        also = tuple(name for name in dict.fromkeys(names.values()) if name not in shown)
        for number in stay:
            written = [asked for one in (number, *group) if (asked := wanted[one].written)]
            row = _row(graph, wanted[number].combination, written, curated, place)
            rows.append(replace(row, reason=wanted[group[0]].reason, also=also))
    return tuple(rows)


def _row(
    graph: FeatureGraph,
    one: Combination,
    written: Sequence[CuratedRow],
    curated: Sequence[CuratedRow],
    place: CrateSettings,
) -> Row:
    """`written`: the curated rows that this one stands for. What a row of one feature needs goes with the feature."""
    needs = [
        need
        for row in curated
        if row in written or (len(row.features) == 1 and one.closure & graph.mask(row.features))
        for need in row.needs
    ]
    name = next((row.description for row in written if row.description), name_of(graph, one.generators))
    return Row(
        crate=graph.crate.name,
        features=graph.features_of(one.generators),
        flags=flags_of(graph, one.generators),
        description=f"{graph.crate.name}: {name}",
        needs=tuple(dict.fromkeys(needs)),
        toolchain=place.toolchain,
        platform=next((row.platform for row in written if row.platform), place.platform),
        signature=(graph.crate.name, f"{one.closure & ~graph.chosen & ~graph.default:x}"),
    )


def flags_of(graph: FeatureGraph, generators: int) -> str:
    """What tells cargo to build this combination."""
    package = f"--package {graph.crate.package}"
    if _is_all(graph, generators):
        return f"{package} --all-features"
    features = ",".join(name for name in graph.features_of(generators) if name != "default")
    base = package if generators & graph.default else f"{package} --no-default-features"
    return f"{base} --features {features}" if features else base


def name_of(graph: FeatureGraph, generators: int) -> str:
    """The features in words; `none` and `all`, unless these are names of features themselves."""
    short = not {"none", "all"} & set(graph.names)
    if generators == 0:
        return "none" if short else "no features"
    if _is_all(graph, generators):
        return "all" if short else "all features"
    return ",".join(graph.features_of(generators))


def _is_all(graph: FeatureGraph, generators: int) -> bool:
    """Whether these are all features, and there are any but `default`."""
    return generators == graph.everything and bool(generators & ~graph.default)
