"""A plan covers what it says, in as few rows as it says; checked by code that shares nothing with it."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings

from actionlib.errors import ActionError
from fakes.feature_crates import (
    COLDVOX,
    chosen_names,
    crate,
    edges_noticed,
    enabled,
    pairs_shown,
    small_crates,
    subsets,
    synthetic,
)
from feature_matrix.configuration import CuratedRow
from feature_matrix.constraints import Constraints
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.planning import CratePlan, plan_crate, plan_standard

# Fewest rows for all pairs of k independent features: the smallest N with C(N-1, ceil(N/2)) >= k; and with none and all
# among the rows, the smallest N with C(N-2, (N-2) // 2) >= k.
FEWEST = {4: 5, **dict.fromkeys(range(5, 11), 6), **dict.fromkeys(range(11, 16), 7)}
FEWEST |= {**dict.fromkeys(range(16, 36), 8), **dict.fromkeys(range(36, 57), 9)}
WITH_ALL = {1: 2, 2: 4, 3: 5, **dict.fromkeys((4, 5, 6), 6), **dict.fromkeys(range(7, 11), 7)}
WITH_ALL |= {
    **dict.fromkeys(range(11, 21), 8),
    **dict.fromkeys(range(21, 36), 9),
    **dict.fromkeys(range(36, 71), 10),
}


def plan(features, optional=(), *, strategy="isolate", depth=2, curated=()) -> CratePlan:
    graph = FeatureGraph(crate(features, optional), {})
    return plan_crate(graph, strategy=strategy, depth=depth, curated=curated)


def rows_of(one: CratePlan) -> list[frozenset[str]]:
    return [frozenset(row.features) for row in one.rows]


def each_feature(features) -> list[frozenset[str]]:
    return [frozenset(), *(frozenset([name]) for name in features), frozenset(features)]


def feasible_pairs(features, optional) -> set[tuple[str, bool, str, bool]]:
    """Without constraints, none, each feature, each two and all show every pair that is feasible."""
    names = chosen_names(features)
    rows = [frozenset(), *(frozenset([one, other]) for one in names for other in names), frozenset(names)]
    return pairs_shown(features, optional, rows)


@pytest.mark.parametrize("name", [*range(12), *COLDVOX])
def test_isolate_shows_every_pair_and_notices_what_each_feature_would(name):
    features, optional = COLDVOX[name] if name in COLDVOX else synthetic(name)
    planned = plan(features, optional)
    rows = rows_of(planned)
    shown = pairs_shown(features, optional, rows)
    assert shown == feasible_pairs(features, optional)
    assert planned.pairs == planned.pairs_feasible == len(shown)
    noticed = edges_noticed(features, optional, rows)
    assert noticed >= edges_noticed(features, optional, each_feature(features))
    assert planned.edges == planned.edges_feasible == len(noticed)


@given(small_crates())
@settings(max_examples=150, deadline=None)
def test_isolate_shows_and_notices_all_that_any_combination_does(made):
    features, optional = made
    planned = plan(features, optional)
    rows = rows_of(planned)
    every = subsets(features)
    assert pairs_shown(features, optional, rows) == pairs_shown(features, optional, every)
    assert edges_noticed(features, optional, rows) == edges_noticed(features, optional, every)
    assert planned.pairs == planned.pairs_feasible == len(pairs_shown(features, optional, rows))
    assert planned.edges == planned.edges_feasible == len(edges_noticed(features, optional, rows))


@given(small_crates())
@settings(max_examples=100, deadline=None)
def test_each_builds_and_notices_what_each_feature_would_and_nothing_twice_for_that(made):
    features, optional = made
    rows = rows_of(plan(features, optional, strategy="each"))
    theirs = each_feature(features)
    builds = [enabled(features, optional, row) for row in rows]
    assert set(builds) == {enabled(features, optional, row) for row in theirs}
    assert edges_noticed(features, optional, rows) == edges_noticed(features, optional, theirs)
    for row in rows:
        others = [one for one in rows if one is not row]
        twice = builds.count(enabled(features, optional, row)) > 1
        assert not twice or edges_noticed(features, optional, others) != edges_noticed(
            features, optional, rows
        )


def test_a_feature_above_all_others_is_built_by_its_own_name():
    planned = plan({"a": (), "b": (), "c": (), "full": ("a", "b", "c")}, strategy="each")
    assert (planned.edges, planned.edges_feasible) == (3, 3)
    assert [row.features for row in planned.rows] == [(), ("full",), ("a",), ("b",), ("c",)]
    assert planned.rows[1].reason == "all features"
    assert planned.rows[1].also == ("all",)


def test_a_feature_is_tried_without_what_only_the_default_features_bring():
    planned = plan({"default": ("dep:x",), "a": ()}, ("x",))
    flags = [row.flags for row in planned.rows]
    assert "--package sample --no-default-features --features a" in flags
    assert "--package sample --all-features" in flags


def test_a_curated_row_that_the_default_features_build_too_keeps_its_words_and_notices_what_they_hold():
    written = CuratedRow(
        "sample", ("a", "b"), "By hand", ("gui",), default=False, deprecated=False, dev=False, line=3
    )
    planned = plan({"default": ("a", "b"), "a": (), "b": (), "c": ()}, curated=[written])
    (row,) = [row for row in planned.rows if row.description == "sample: By hand"]
    assert (row.flags, row.needs, row.reason) == ("--package sample", ("gui",), "curated, line 3")
    assert planned.edges == 2
    assert edges_noticed({"default": ("a", "b"), "a": (), "b": (), "c": ()}, (), rows_of(planned)) == {
        ("default", "a"),
        ("default", "b"),
    }


def test_a_row_for_another_platform_does_not_stand_for_one_here():
    elsewhere = CuratedRow(
        "sample", (), "", (), default=False, deprecated=False, dev=False, line=3, platform="windows"
    )
    rows = plan({"a": ()}, curated=[elsewhere]).rows
    assert [(row.features, row.platform) for row in rows] == [((), "windows"), ((), ""), (("a",), "")]


def test_the_standard_rows_are_none_default_and_all():
    graph = FeatureGraph(crate({"default": ("a",), "a": (), "b": (), "c": ()}), {})
    flags = [row.flags for row in plan_standard(graph, constraints=Constraints())]
    assert flags == [
        "--package sample --no-default-features",
        "--package sample",
        "--package sample --all-features",
    ]


def test_isolate_needs_at_most_half_the_rows_of_each_feature():
    planned = [plan(*synthetic(seed)) for seed in range(12)]
    assert sum(len(one.rows) for one in planned) <= 0.5 * sum(one.each_feature_rows for one in planned)


@pytest.mark.parametrize(
    ("name", "most", "each"),
    list(zip(COLDVOX, (13, 8), (17, 14), strict=True)),
    ids=("voice app", "text injection"),
)
def test_coldvox_needs_few_rows(name, most, each):
    planned = plan(*COLDVOX[name])
    assert len(planned.rows) <= most
    assert planned.each_feature_rows == each


@pytest.mark.parametrize("name", COLDVOX)
def test_pairwise_never_needs_more_rows_than_pairs_and_implications(name):
    assert len(plan(*COLDVOX[name], strategy="pairwise").rows) <= len(plan(*COLDVOX[name]).rows)


def test_a_target_that_needs_three_features_is_built_by_some_row():
    features = {"a": (), "b": (), "c": (), "d": ()}
    one = crate(features, targets={"bin probe": ("a", "b", "c"), "example two": ("b", "c")})
    exclusive = Constraints(exclusive=(0b1001,))  # a and d: no row has all features
    planned = plan_crate(FeatureGraph(one, {}), strategy="each", depth=1, constraints=exclusive)
    assert {row.reason: row.features for row in planned.rows}["as many as are allowed together"] == (
        "a",
        "b",
        "c",
    )
    apart = Constraints(exclusive=(0b1001,), skip_sets=(0b0111,))
    planned = plan_crate(FeatureGraph(one, {}), strategy="each", depth=1, constraints=apart)
    assert all(not {"a", "b", "c"} <= set(row.features) for row in planned.rows)
    assert {row.reason: row.features for row in planned.rows}["builds example two"] == ("b", "c")


def independent(count: int) -> dict[str, tuple[str, ...]]:
    return {f"f{index}": () for index in range(count)}


@pytest.mark.parametrize("strategy", ["pairwise", "isolate"])
@pytest.mark.parametrize("count", [*range(1, 41), 70])
def test_independent_features_need_the_fewest_rows_that_have_none_and_all_among_them(count, strategy):
    planned = plan(independent(count), strategy=strategy)
    assert len(planned.rows) == WITH_ALL[count] <= FEWEST.get(count, WITH_ALL[count]) + 1
    assert planned.optimal
    assert planned.pairs == planned.pairs_feasible == 2 * count * (count - 1)


def fewest_by_trial(count: int, default: int) -> int:
    """The fewest rows with none, all and the default features among them that show all pairs, of all sets of rows."""
    names = sorted(independent(count))
    rows = {frozenset(), frozenset(names), frozenset(names[:default])}
    rest = [one for one in subsets(names) if one not in rows]
    for more in range(len(rest) + 1):
        for some in combinations(rest, more):
            if len(pairs_shown(independent(count), (), [*rows, *some])) == 2 * count * (count - 1):
                return len(rows) + more
    raise AssertionError("all subsets show all pairs")


@pytest.mark.parametrize(
    ("count", "default"), [(2, 1), (3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (4, 2), (4, 3), (4, 4)]
)
def test_a_plan_is_called_optimal_only_if_no_fewer_rows_show_all_pairs(count, default):
    features = {"default": tuple(sorted(independent(count))[:default]), **independent(count)}
    planned = plan(features, strategy="pairwise")
    fewest = fewest_by_trial(count, default)
    assert planned.pairs == planned.pairs_feasible
    assert len(planned.rows) == fewest if planned.optimal else len(planned.rows) >= fewest
    assert planned.optimal


def test_pairwise_with_implications_makes_no_claim():
    planned = plan({"a": ("b",), "b": (), "c": (), "d": ()}, strategy="pairwise")
    assert not planned.optimal
    assert planned.pairs == planned.pairs_feasible


def test_rows_name_only_what_is_not_implied():
    planned = plan({"a": ("b",), "b": ("c",), "c": (), "d": ()})
    for row in planned.rows:
        if "--all-features" not in row.flags:
            assert not {"a", "b"} <= set(row.features)
            assert not {"b", "c"} <= set(row.features)


def test_equal_builds_are_one_row_that_names_the_others():
    planned = plan({"default": ("a",), "a": ()}, strategy="each")
    assert [row.description for row in planned.rows] == ["sample: none", "sample: default"]
    assert planned.rows[1].also == ("all", "a")


def test_none_default_and_all_are_always_rows():
    flags = [row.flags for row in plan({"default": ("a",), "a": (), "b": ()}, strategy="each").rows]
    assert flags[:3] == [
        "--package sample --no-default-features",
        "--package sample",
        "--package sample --all-features",
    ]


def test_a_powerset_out_of_hand_is_refused():
    with pytest.raises(ActionError, match="'depth' is '6': sample has 60 features"):
        plan({f"f{index}": () for index in range(60)}, strategy="powerset", depth=6)


def test_the_same_manifest_gives_the_same_plan():
    assert plan(*synthetic(5)) == plan(*synthetic(5))
