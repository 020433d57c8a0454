"""The configuration file: what it says, and every mistake with its line."""

from __future__ import annotations

import pytest

from actionlib.errors import ActionError
from feature_matrix.configuration import Configuration, read_configuration

FEATURES = {"app": ["fast", "small", "tls"], "lib": ["tls"]}


def read(tmp_path, text: str) -> Configuration:
    path = tmp_path / "feature-matrix.yml"
    path.write_text(text)
    return read_configuration(path, FEATURES)


def test_all_that_can_be_said_is_read(tmp_path):
    found = read(
        tmp_path,
        """
crates:
  app:
    exclusive: [[fast, small]]
    at-least-one-of:
      - [fast, small]
    requires: {tls: fast}
    group: [[fast, tls]]
    skip: small
    skip-set: [[fast]]
rows:
  - {crate: app, features: "fast,tls", description: Both, deps: [gui, libvosk], default: false}
  - {crate: lib, features: [tls], deprecated: true, dev: true}
""",
    )
    assert [(rule.kind, rule.features) for rule in found.rules["app"]] == [
        ("exclusive", ("fast", "small")),
        ("at-least-one-of", ("fast", "small")),
        ("requires", ("tls", "fast")),
        ("group", ("fast", "tls")),
        ("skip", ("small",)),
        ("skip-set", ("fast",)),
    ]
    first, second = found.rows
    assert (first.crate, first.features, first.needs) == ("app", ("fast", "tls"), ("gui", "libvosk"))
    assert (first.default, first.deprecated, first.dev, first.line) == (False, False, False, 12)
    assert (second.default, second.deprecated, second.dev, second.line) == (True, True, True, 13)


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}\n"])
def test_an_empty_file_says_nothing(tmp_path, text):
    found = read(tmp_path, text)
    assert not found.rules
    assert not found.rows


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (
            "crates:\n  app:\n    exclusive: [[fast, smal]]\n",
            3,
            "'smal' is no feature of app. Did you mean 'small'?",
        ),
        ("crates:\n  ap:\n    skip: fast\n", 2, "'ap' is not known here. Did you mean 'app'?"),
        ("crates:\n  app:\n    exclusiv: []\n", 3, "'exclusiv' is not known here. Did you mean 'exclusive'?"),
        ("crates:\n  app:\n    exclusive: fast\n", 3, "a list belongs here"),
        (
            "crates:\n  app:\n    exclusive: [fast, small]\n",
            3,
            "'exclusive' holds 'fast'. Allowed: lists, as in exclusive: [[a, b], [c, d]]",
        ),
        (
            "crates:\n  app:\n    at-least-one-of:\n      - fast, small\n",
            4,
            "'at-least-one-of' holds 'fast, small'",
        ),
        ("crates:\n  app:\n    group: [[fast]]\n", 3, "[fast] has too few features. Allowed: 2 or more"),
        ("crates:\n  app:\n    exclusive: [[fast, fast]]\n", 3, "[fast] has too few features"),
        ("crates:\n  app:\n    at-least-one-of: [[]]\n", 3, "[] has too few features. Allowed: 1 or more"),
        ("crates:\n  app:\n    requires: {tls: []}\n", 3, "[] has too few features. Allowed: 1 or more"),
        ("crates:\n  app: [fast]\n", 2, "a mapping belongs here"),
        (
            "crates:\n  app:\n    requires: [[fast, small]]\n",
            3,
            "a mapping belongs here, as in requires: {a: [b]}",
        ),
        ("crates: {}\nrows:\n", 2, "a list belongs here, as in rows: [{crate: NAME, features: [a, b]}]"),
        ('rows:\n  - crate: app\n    deps: ["$(x)"]\n', 3, "'$(x)' is no name of letters, digits, "),
        ('rows:\n  - crate: app\n    deps: "a, b;c"\n', 3, "'b;c' is no name of letters, digits, "),
        (
            'rows:\n  - crate: app\n    description: "one\\ntwo"\n',
            3,
            "'one\\ntwo' holds a control character. Allowed: one line of text",
        ),
        ('rows:\n  - {crate: app, description: "\\e[31m"}\n', 2, "holds a control character"),
        ("rows:\n  - features: fast\n", 2, "this row needs 'crate'. Allowed: app, lib"),
        ("rows:\n  - crate: app\n    dev: yes\n", 3, "'yes' is neither true nor false. Allowed: true, false"),
        ("rows:\n  - crate: app\n    crate: lib\n", 3, "'crate' stands here twice"),
        ("rows:\n  - crate: [app]\n", 2, "a text belongs here"),
        ("crates:\n  app: [\n", 3, "not valid YAML"),
        ("a: !!python/object:os.system {}\n", 1, "'a' is not known here"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, text, line, said):
    with pytest.raises(ActionError) as caught:
        read(tmp_path, text)
    assert f"feature-matrix.yml:{line}: " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["crates:\n  app:\n", "crates:\n", "crates:\n  app: ~\nrows: []\n"])
def test_a_section_that_says_nothing_means_nothing(tmp_path, text):
    found = read(tmp_path, text)
    assert not any(found.rules.values())
    assert not found.rows


def test_texts_and_needs_of_a_row_are_taken_as_they_are(tmp_path):
    (row,) = read(
        tmp_path, "rows: [{crate: app, deps: [libvosk-0.3, g++], description: 'Ünï (one)\\u00a0→'}]"
    ).rows
    assert row.needs == ("libvosk-0.3", "g++")
    assert row.description == "Ünï (one)\\u00a0→"


def test_a_file_that_is_nested_too_deeply_is_told(tmp_path):
    with pytest.raises(ActionError, match=r"feature-matrix\.yml is nested too deeply"):
        read(tmp_path, "[" * 200_000)


def test_a_skip_set_may_be_empty_and_means_no_features(tmp_path):
    found = read(tmp_path, "crates:\n  app:\n    skip-set: [[]]\n")
    assert [rule.features for rule in found.rules["app"]] == [()]


def test_bytes_that_are_no_text_are_told(tmp_path):
    path = tmp_path / "feature-matrix.yml"
    path.write_bytes(b"\xff\xfe\x00rows")
    with pytest.raises(ActionError, match="is not valid YAML"):
        read_configuration(path, FEATURES)
