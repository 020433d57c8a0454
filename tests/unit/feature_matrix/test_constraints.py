"""Constraints hold in every row of every strategy, and what cannot be satisfied is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionlib.errors import ActionError
from fakes.feature_crates import crate, edges_noticed, enabled, pairs_shown, subsets, with_default
from feature_matrix.configuration import CuratedRow, Rule
from feature_matrix.constraints import constraints_of, contradiction
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.planning import CratePlan, plan_crate

NAMES = tuple("abcdef")
STRATEGIES = ("isolate", "pairwise", "each", "powerset")


def rule(kind: str, *features: str, line: int = 1) -> Rule:
    return Rule(kind, features, line)


def graph_of(features) -> FeatureGraph:
    return FeatureGraph(crate(features), {})


def plan(features, rules, *, strategy="isolate", curated=()) -> CratePlan:
    graph = graph_of(features)
    assert contradiction(graph, rules) is None
    return plan_crate(
        graph, strategy=strategy, depth=2, constraints=constraints_of(graph, rules), curated=curated
    )


def breaks(rules, features, row) -> list[str]:
    """The rules that a row breaks, by their definition."""
    on = with_default(features, (), row)
    found = []
    for one in rules:
        inside = set(one.features) & on
        broken = {
            "exclusive": len(inside) > 1,
            "at-least-one-of": not inside,
            "group": 0 < len(inside) < len(set(one.features)),
            "requires": one.features[0] in on and not set(one.features[1:]) <= on,
            "skip": one.features[0] in row,
            "skip-set": on - {"default"} == enabled(features, (), one.features),
        }
        found += [str(one)] if broken[one.kind] else []
    return found


def allowed_rows(features, rules) -> list[frozenset[str]]:
    """By trying all subsets."""
    return [some for some in subsets(features) if not breaks(rules, features, some)]


@st.composite
def acyclic(draw) -> dict[str, tuple[str, ...]]:
    """Features that imply earlier ones, and a `default` that may hold more than features."""
    features = {
        name: tuple(draw(st.lists(st.sampled_from(NAMES[:index]), max_size=1))) if index else ()
        for index, name in enumerate(NAMES)
    }
    held = st.lists(st.sampled_from((*NAMES, "x/fast")), max_size=3, unique=True)
    return {"default": tuple(draw(held)), **features} if draw(st.booleans()) else features


@st.composite
def crates_with_rules(draw) -> tuple[dict[str, tuple[str, ...]], list[Rule]]:
    features = draw(acyclic())
    kinds = st.sampled_from(("exclusive", "at-least-one-of", "requires", "group", "skip-set"))
    named = st.lists(st.sampled_from(sorted(features)), min_size=2, max_size=3, unique=True)
    rules = draw(st.lists(st.tuples(kinds, named), max_size=3))
    return features, [rule(kind, *names) for kind, names in rules]


@given(crates_with_rules(), st.sampled_from(STRATEGIES))
@settings(max_examples=150, deadline=None)
def test_every_row_is_allowed_and_every_feasible_pair_and_implication_shown(made, strategy):
    features, rules = made
    allowed = allowed_rows(features, rules)
    if found := contradiction(graph_of(features), rules):
        possible = set().union(*(with_default(features, (), row) for row in allowed))
        assert "circle" in found.why or possible != set(features)
        return
    planned = plan(features, rules, strategy=strategy)
    rows = [row.features for row in planned.rows]
    assert [breaks(rules, features, row) for row in rows] == [[] for _ in rows]
    if strategy in ("isolate", "pairwise"):
        assert pairs_shown(features, (), rows) == pairs_shown(features, (), allowed)
    if strategy == "isolate":
        assert edges_noticed(features, (), rows) == edges_noticed(features, (), allowed)


@pytest.mark.parametrize(
    ("kind", "features", "left_out"),
    [
        ("exclusive", ("default", "b"), "--all-features"),
        ("skip-set", ("default",), "--package sample"),
        ("at-least-one-of", ("default",), "--package sample --no-default-features"),
    ],
)
def test_the_default_features_can_be_named_in_a_constraint(kind, features, left_out):
    planned = plan({"default": ("a",), "a": (), "b": (), "c": ()}, [rule(kind, *features)])
    flags = [row.flags for row in planned.rows]
    assert planned.rows
    assert left_out not in [one.removeprefix("--package sample ") for one in flags] + flags


@pytest.mark.parametrize(
    ("rules", "said", "hint"),
    [
        (
            [rule("requires", "a", "b", line=3), rule("exclusive", "a", "b", line=4)],
            "feature 'a' of sample can never be enabled: "
            "requires a: [b] (line 3) and exclusive [a, b] (line 4) contradict",
            "Drop or change one of them, or say `skip: [a]`",
        ),
        (
            [rule("at-least-one-of", "a", line=2), rule("skip", "a", line=5)],
            "no combination of sample's features is allowed: "
            "at-least-one-of [a] (line 2) and skip [a] (line 5) contradict",
            "Drop or change one of them",
        ),
        (
            [rule("exclusive", "c", "d", line=7)],
            "feature 'd' of sample can never be enabled: exclusive [c, d] (line 7) contradicts Cargo.toml",
            "Drop it, or say `skip: [d]`",
        ),
        (
            [
                rule("exclusive", "b", "c", line=1),
                rule("at-least-one-of", "a", line=2),
                rule("group", "a", "b", line=3),
                rule("requires", "a", "c", line=4),
                rule("skip", "d", line=5),
            ],
            "no combination of sample's features is allowed: exclusive [b, c] (line 1), at-least-one-of [a] (line 2), "
            "group [a, b] (line 3) and requires a: [c] (line 4) contradict together",
            "Drop or change one of them",
        ),
        (
            [rule("requires", "a", "b", line=1), rule("requires", "b", "a", line=2)],
            "requires a: [b] (line 1) goes in a circle",
            "Write 'group' for features that are chosen together",
        ),
    ],
)
def test_a_contradiction_names_what_contradicts_and_what_to_do(rules, said, hint):
    found = contradiction(graph_of({"a": (), "b": (), "c": (), "d": ("c",)}), rules)
    assert (found.why, found.hint) == (said, hint)


def curated(*features: str, **more) -> CuratedRow:
    given = {"description": "", "needs": (), "default": False, "deprecated": False, "dev": False, "line": 9}
    return CuratedRow(crate="sample", features=features, **{**given, **more})


def test_a_curated_row_stands_on_the_default_features_if_it_says_so():
    features = {"default": ("a",), "a": (), "b": ()}
    rows = [curated("b", default=True), curated("b", default=False)]
    planned = plan(features, [], strategy="curated", curated=rows)
    assert [row.flags for row in planned.rows] == [
        "--package sample --features b",
        "--package sample --no-default-features --features b",
    ]


def test_what_a_feature_needs_goes_with_every_row_that_enables_it():
    planned = plan(
        {"a": ("b",), "b": (), "c": ()},
        [],
        curated=[curated("b", needs=("gui",), description="With a window")],
    )
    for row in planned.rows:
        assert row.needs == (("gui",) if "b" in enabled({"a": ("b",)}, (), row.features) else ())
    assert planned.rows[0].description == "sample: With a window"


def test_a_curated_row_that_the_constraints_forbid_is_an_error():
    with pytest.raises(ActionError, match=r":9: the row \(a, b\) is forbidden by the constraints of sample"):
        plan({"a": (), "b": ()}, [rule("exclusive", "a", "b")], curated=[curated("a", "b")])
