"""The answer of shrinking fails, and loses its failure with any one of its features; held against all subsets."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.feature_crates import crate
from feature_matrix.constraints import Constraints, Solver
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.shrinking import Shrunk, shrink

NAMES = "abcdefg"
FLAT = dict.fromkeys(NAMES, ())


def find(
    graph: FeatureGraph, fails, *, failing: str = NAMES, passing: str = "", rules: Constraints | None = None
) -> Shrunk:
    solver = Solver(graph, rules or Constraints())
    return shrink(graph, solver, graph.mask(failing), fails, passing=graph.mask(passing))


def names(graph: FeatureGraph, features: int) -> set[str]:
    return set(graph.features_of(features))


@settings(max_examples=150, deadline=None)
@given(clashes=st.lists(st.sets(st.sampled_from(NAMES), min_size=1, max_size=4), min_size=1, max_size=3))
def test_one_of_the_clashes_is_found_exactly(clashes):
    graph = FeatureGraph(crate(FLAT, ()), {})
    found = find(graph, lambda some: any(clash <= names(graph, some) for clash in clashes))
    least = [clash for clash in clashes if not any(other < clash for other in clashes)]
    assert found.exact
    assert names(graph, found.features) in least


@settings(max_examples=150, deadline=None)
@given(
    later=st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES), max_size=3)),
    clash=st.sets(st.sampled_from(NAMES), min_size=1, max_size=3),
)
def test_with_implications_no_feature_of_the_answer_can_be_spared(later, clash):
    # A feature enables later ones only, so that there is no circle.
    features = {name: tuple(sorted(one for one in later.get(name, ()) if one > name)) for name in NAMES}
    graph = FeatureGraph(crate(features, ()), {})
    wanted = graph.mask(clash)

    def fails(some: int) -> bool:
        return graph.closure(some) & wanted == wanted

    found = find(graph, fails)
    chosen = names(graph, found.features)
    assert found.exact
    assert fails(found.features)
    assert not any(fails(graph.mask(fewer)) for fewer in combinations(sorted(chosen), len(chosen) - 1))


def test_what_cures_is_found_from_a_combination_that_passes():
    graph = FeatureGraph(crate(FLAT, ()), {})

    def fails(some: int) -> bool:
        return "b" in names(graph, some) and "e" not in names(graph, some)

    found = find(graph, fails, failing="abcd", passing="abdeg")
    assert (names(graph, found.features), names(graph, found.cure)) == ({"b"}, {"e"})


def test_what_the_constraints_forbid_is_not_tried_and_told_apart_from_what_passes():
    graph = FeatureGraph(crate(FLAT, ()), {})
    requires = Constraints(requires=((graph.mask("a"), graph.mask("b")),))
    tried = []

    def fails(some: int) -> bool:
        tried.append(names(graph, some))
        return "a" in names(graph, some)

    found = find(graph, fails, rules=requires)
    assert found.exact
    assert (names(graph, found.features), names(graph, found.untried)) == ({"a", "b"}, {"b"})
    assert not [some for some in tried if "a" in some and "b" not in some]


def test_a_cure_is_something_that_was_tried():
    graph = FeatureGraph(crate(FLAT, ()), {})
    requires = Constraints(requires=((graph.mask("d"), graph.mask("f")),))

    def fails(some: int) -> bool:
        return "b" in names(graph, some) and "d" not in names(graph, some)

    found = find(graph, fails, failing="abc", passing="abcdfg", rules=requires)
    assert (names(graph, found.features), names(graph, found.cure)) == ({"b"}, {"d", "f"})


def test_a_combination_is_tried_once_and_few_are():
    graph = FeatureGraph(crate({f"f{number:02}": () for number in range(32)}, ()), {})
    tried = []

    def fails(some: int) -> bool:
        tried.append(some)
        return {"f03", "f27"} <= names(graph, some)

    found = find(graph, fails, failing=[f"f{number:02}" for number in range(32)])
    assert names(graph, found.features) == {"f03", "f27"}
    assert len(tried) == len(set(tried)) <= 40  # of 2**32


def test_when_time_is_over_the_answer_still_fails_and_is_not_called_exact():
    graph = FeatureGraph(crate(FLAT, ()), {})
    left = [3]

    def fails(some: int) -> bool | None:
        left[0] -= 1
        return {"a", "g"} <= names(graph, some) if left[0] >= 0 else None

    found = find(graph, fails)
    assert not found.exact
    assert {"a", "g"} <= names(graph, found.features)
