"""Legs: what fromJSON would take, and nothing else."""

from __future__ import annotations

import pytest

from actionlib.errors import ActionError
from smart_dispatch.matrix_legs import parse_legs


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ("",)), ("2", ("1", "2")), ('["a", {"b": [1.5, null]}]', ("a", {"b": [1.5, None]}))],
)
def test_an_array_or_a_number(text, expected):
    assert parse_legs(text) == expected


@pytest.mark.parametrize(
    "text",
    ["0", "257", "[]", "true", "2.0", "a,b", '["a",NaN]', "[1e999]", "[-Infinity]", '[{"a": [Infinity]}]',
     f"[1{'0' * 400}]", "[" * 100_000],
)  # fmt: skip
def test_what_fromjson_or_a_matrix_would_refuse_is_refused_by_name(text):
    with pytest.raises(ActionError) as caught:
        parse_legs(text)
    assert f"input 'legs' is '{text[:100]}" in str(caught.value)
    assert len(str(caught.value)) < 300
