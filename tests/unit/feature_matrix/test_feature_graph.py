"""What features enable, against rules written down a second time, and the loss of an edge."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.feature_crates import crate, edges_noticed, enabled, small_crates, synthetic
from feature_matrix.feature_graph import FeatureGraph


def graph_of(features, optional=()) -> FeatureGraph:
    return FeatureGraph(crate(features, optional), {})


def features_enabled(graph: FeatureGraph, wanted) -> set[str]:
    return set(graph.features_of(graph.closure(graph.mask(wanted)))) - {"default"}


def edges_of(graph: FeatureGraph, wanted) -> set[tuple[str, str]]:
    generators = graph.mask(wanted)
    found = graph.noticed(generators, graph.closure(generators))
    return {edge for number, edge in enumerate(graph.edges) if found >> number & 1}


@given(st.integers(0, 10_000), st.data())
@settings(max_examples=150, deadline=None)
def test_the_closure_is_what_cargos_rules_give(seed, data):
    features, optional = synthetic(seed)
    wanted = data.draw(st.sets(st.sampled_from(sorted(features)), max_size=6))
    graph = graph_of(features, optional)
    assert features_enabled(graph, wanted) == enabled(features, optional, wanted) & set(features)


@given(st.integers(0, 10_000), st.data())
@settings(max_examples=100, deadline=None)
def test_an_edge_is_noticed_exactly_when_its_loss_enables_less(seed, data):
    features, optional = synthetic(seed)
    wanted = data.draw(st.sets(st.sampled_from(sorted(features)), min_size=1, max_size=4))
    graph = graph_of(features, optional)
    assert edges_of(graph, wanted) == edges_noticed(features, optional, [wanted])


@given(small_crates(), st.data())
@settings(max_examples=300, deadline=None)
def test_an_edge_is_noticed_in_circles_and_below_default_too(made, data):
    features, optional = made
    wanted = data.draw(st.sets(st.sampled_from(sorted(features))))
    graph = graph_of(features, optional)
    assert features_enabled(graph, wanted) == enabled(features, optional, wanted) & set(features)
    assert edges_of(graph, wanted) == edges_noticed(features, optional, [wanted])


def test_an_edge_to_a_feature_that_changes_nothing_is_missed_for_what_that_enables():
    graph = FeatureGraph(
        crate({"a": ("win", "odd"), "win": ("b",), "b": (), "odd": ()}), {}, idle=["win", "odd"]
    )
    assert edges_of(graph, ["a"]) == {("a", "win"), ("win", "b")}


@given(st.integers(0, 10_000), st.data())
@settings(max_examples=60, deadline=None)
def test_a_closure_is_its_own_closure_and_grows_with_its_generators(seed, data):
    features, optional = synthetic(seed)
    graph = graph_of(features, optional)
    some = st.sets(st.sampled_from(sorted(features)), max_size=5)
    one, more = (graph.mask(data.draw(some)) for _ in range(2))
    closure = graph.closure(one)
    assert graph.closure(closure) == closure
    assert closure & ~graph.closure(one | more) == 0


@pytest.mark.parametrize(
    ("features", "optional", "wanted", "expected"),
    [
        ({"a": ["b"], "b": ["c"], "c": []}, [], {"a"}, {"a", "b", "c"}),
        ({"a": ["b"], "b": ["a"]}, [], {"b"}, {"a", "b"}),
        # An implicit feature comes with `x/f`, and not with the weak form.
        ({"a": ["x/f"]}, ["x"], {"a"}, {"a", "x"}),
        ({"a": ["x?/f"]}, ["x"], {"a"}, {"a"}),
        # `dep:` hides it; a declared feature of that name is enabled all the same.
        ({"a": ["x/f"], "b": ["dep:x"]}, ["x"], {"a"}, {"a"}),
        ({"a": ["x/f"], "x": ["dep:x", "c"], "c": []}, ["x"], {"a"}, {"a", "x", "c"}),
    ],
)
def test_special_forms_enable_what_cargo_says(features, optional, wanted, expected):
    assert features_enabled(graph_of(features, optional), wanted) == expected


def test_a_weak_edge_counts_only_while_its_dependency_is_on():
    graph = graph_of({"fast": ["dep:x"], "quiet": ["x?/quiet"]}, ["x"])
    assert edges_of(graph, ["quiet"]) == set()
    assert ("quiet", "x?/quiet") in edges_of(graph, ["quiet", "fast"])


def test_members_features_make_equal_what_builds_the_same():
    from dataclasses import replace

    from feature_matrix.manifests import Dependency

    member = crate({"fast": ["simd"], "simd": []}, name="engine")
    app = crate({"fast": ["engine/fast"], "both": ["engine/fast", "engine/simd"]}, name="app")
    engine = Dependency(key="engine", optional=False, member="engine", features=(), default_features=False)
    graph = FeatureGraph(replace(app, dependencies=(engine,)), {"engine": member})
    fast, both = (graph.closure(graph.mask([name])) for name in ("fast", "both"))
    assert (fast ^ both) & ~graph.chosen == 0


def test_a_name_that_is_no_feature_is_refused():
    with pytest.raises(KeyError):
        graph_of({"a": []}).mask(["b"])
