"""What a target decides in `cfg(…)`, and which features make no difference there."""

from __future__ import annotations

import pytest

from fakes.feature_crates import crate
from feature_matrix.compile_targets import CompileTarget
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.feature_uses import idle_features, is_used
from feature_matrix.planning import plan_crate

LINUX = CompileTarget(
    "x86_64-unknown-linux-gnu",
    frozenset({"unix", "debug_assertions"}),
    frozenset({("target_os", "linux"), ("target_arch", "x86_64"), ("target_feature", "sse2")}),
)


@pytest.mark.parametrize(
    ("wanted", "built"),
    [
        (None, True),
        ("x86_64-unknown-linux-gnu", True),
        ("x86_64-pc-windows-msvc", False),
        ("cfg(unix)", True),
        ("cfg(windows)", False),
        ('cfg(target_os = "linux")', True),
        ('cfg(not(target_os = "linux"))', False),
        ('cfg(all(unix, target_arch = "aarch64"))', False),
        ('cfg(any(windows, all(unix, target_arch = "x86_64")))', True),
        ("cfg(all())", True),
        ("cfg(any())", False),
        ("cfg(some_flag)", False),  # cargo knows what rustc sets, and nothing else
        ("cfg(true)", True),
    ],
)
def test_a_dependency_is_built_for_the_targets_that_its_table_names(wanted, built):
    assert LINUX.is_meant_by(wanted) is built


@pytest.mark.parametrize(
    ("predicate", "value"),
    [
        ("windows", False),
        ('feature = "a"', None),
        ('all(windows, feature = "a")', False),
        ('any(unix, feature = "a")', True),
        ('all(unix, feature = "a")', None),
        ('not(all(windows, feature = "a"))', True),
        ("test", None),
        ("debug_assertions", None),  # another profile has none
        ('target_feature = "sse2"', None),  # RUSTFLAGS may say otherwise
        ("", None),
        ("all(#", None),
    ],
)
def test_a_predicate_is_decided_where_features_cannot_change_it(predicate, value):
    assert LINUX.decides(predicate) is value


SOURCE = """
#[cfg(all(target_os = "windows", feature = "win"))]
mod keys {}
#[cfg(feature = "used")]
mod used {}
#[cfg_attr(all(windows, feature = "attribute"), derive(Debug))]
struct S;
fn f() -> bool { cfg!(any(unix, feature = "macro")) || cfg!(feature = "both") }
#[cfg(all(windows, feature = "both"))]
mod both {}
"""


@pytest.mark.parametrize(
    ("more", "idle"),
    [
        ("", {"win", "attribute", "macro", "nowhere"}),
        ('std::env::var("CARGO_FEATURE_WIN")', {"attribute", "macro", "nowhere"}),
        ('std::env::var("CARGO_CFG_FEATURE")', set()),
        ('std::env::var(format!("CARGO_FEATURE_{name}"))', set()),
        ('/* feature = "nowhere" */', {"win", "attribute", "macro"}),  # rather a row too many
    ],
)
def test_features_that_no_code_here_can_depend_on_are_idle(more, idle):
    names = ["win", "used", "attribute", "macro", "both", "nowhere"]
    assert idle_features(names, SOURCE + more, LINUX) == idle


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ('#[cfg(feature = "a")]', True),
        ('#[cfg(feature="a")]', True),
        ('#[cfg(feature = r#"a"#)]', True),
        ('const TEXT: &str = "a";', False),
        ('#[cfg(feature = "ab")]', False),
        ('fn main() { std::env::var("CARGO_FEATURE_A"); }', True),
        ('fn main() { std::env::var("CARGO_FEATURE_AB"); }', False),
        ('fn main() { std::env::var(format!("CARGO_FEATURE_{x}")); }', True),
        (r'fn main() { write(path, "#[cfg(feature = \"a\")]"); }', True),
        ('macro_rules! on { ($f:literal) => { #[cfg(feature = $f)] } }\non!("a");', True),
        ('macro_rules! on { ($f:literal) => { #[cfg(feature = $f)] } }\non!("b");', False),
    ],
)
def test_a_feature_is_used_where_code_asks_for_it_and_not_where_a_text_is_the_same(source, used):
    assert is_used("a", source) is used
    assert idle_features(["a"], source, LINUX) == (set() if used else {"a"})


def test_what_builds_the_same_on_the_target_is_one_row_and_its_pairs_are_no_goals():
    features = {"a": (), "b": (), "win": ("dep:winapi",)}
    plain = plan_crate(FeatureGraph(crate(features, ["winapi"]), {}), strategy="each", depth=2)
    absent = crate(features, ["winapi"], absent=["winapi"])
    aware = plan_crate(FeatureGraph(absent, {}, idle=["win"]), strategy="each", depth=2)
    assert [row.features for row in plain.rows] == [(), ("a", "b", "win"), ("a",), ("b",), ("win",)]
    assert [row.features for row in aware.rows] == [(), ("a", "b", "win"), ("a",), ("b",)]
    assert aware.rows[0].also == ("win",)
    assert (plain.pairs_feasible, aware.pairs_feasible) == (12, 4)
    assert (plain.edges_feasible, aware.edges_feasible) == (1, 0)
