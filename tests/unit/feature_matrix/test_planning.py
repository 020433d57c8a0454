"""A plan covers what it says, in as few rows as it says; checked by code that shares nothing with it."""

from __future__ import annotations

import pytest

from actionlib.errors import ActionError
from fakes.feature_crates import COLDVOX, crate, edges_noticed, enabled, pairs_shown, synthetic
from feature_matrix.constraints import Constraints
from feature_matrix.covering import optimal_pairwise
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.planning import CratePlan, plan_crate

# Fewest rows for all pairs of k unconstrained features: smallest N with C(N-1, ceil(N/2)) >= k.
OPTIMUM = {4: 5, **dict.fromkeys(range(5, 11), 6), **dict.fromkeys(range(11, 16), 7)}
OPTIMUM |= {**dict.fromkeys(range(16, 36), 8), **dict.fromkeys(range(36, 57), 9)}


def plan(features, optional=(), *, strategy="isolate", depth=2) -> CratePlan:
    return plan_crate(FeatureGraph(crate(features, optional), {}), strategy=strategy, depth=depth)


def rows_of(one: CratePlan) -> list[frozenset[str]]:
    return [frozenset(row.features) for row in one.rows]


def each_feature(features) -> list[frozenset[str]]:
    return [frozenset(), *(frozenset([name]) for name in features), frozenset(features) - {"default"}]


def feasible_pairs(features, optional) -> set[tuple[str, bool, str, bool]]:
    """Without constraints, none, each feature, each two and all show every pair that is feasible."""
    names = [name for name in features if name != "default"]
    rows = [frozenset(), *(frozenset([one, other]) for one in names for other in names), frozenset(names)]
    return pairs_shown([enabled(features, optional, row) for row in rows], names)


@pytest.mark.parametrize("name", [*range(12), *COLDVOX])
def test_isolate_shows_every_pair_and_misses_what_each_feature_would(name):
    features, optional = COLDVOX[name] if name in COLDVOX else synthetic(name)
    names = set(features) - {"default"}
    planned = plan(features, optional)
    rows = rows_of(planned)
    shown = pairs_shown([enabled(features, optional, row) for row in rows], names)
    assert shown == feasible_pairs(features, optional)
    assert planned.pairs == planned.pairs_feasible == len(shown)
    noticed = edges_noticed(features, optional, rows)
    assert noticed >= edges_noticed(features, optional, each_feature(features))
    assert planned.edges == planned.edges_feasible == len(noticed)


def test_isolate_needs_at_most_half_the_rows_of_each_feature():
    planned = [plan(*synthetic(seed)) for seed in range(12)]
    assert sum(len(one.rows) for one in planned) <= 0.5 * sum(one.each_feature_rows for one in planned)


@pytest.mark.parametrize(
    ("name", "most", "each"),
    zip(COLDVOX, (13, 8), (17, 14), strict=True),
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


@pytest.mark.parametrize("count", range(4, 41))
def test_the_pairwise_construction_reaches_the_optimum(count):
    names = [f"f{index}" for index in range(count)]
    for with_all, most in ((False, OPTIMUM[count]), (True, OPTIMUM[count] + 1)):
        masks = optimal_pairwise(count, with_all=with_all)
        rows = [frozenset(name for index, name in enumerate(names) if mask >> index & 1) for mask in masks]
        assert len(masks) <= most
        assert len(pairs_shown(rows, names)) == 2 * count * (count - 1)


@pytest.mark.parametrize("count", [4, 9, 40])
def test_a_plan_of_independent_features_says_that_it_is_optimal(count):
    planned = plan({f"f{index}": () for index in range(count)}, strategy="pairwise")
    assert planned.optimal
    assert len(planned.rows) <= OPTIMUM[count] + 1
    assert planned.pairs == 2 * count * (count - 1)


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
    assert planned.rows[1].also == ("all",)


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
