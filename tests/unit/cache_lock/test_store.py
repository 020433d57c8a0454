from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_lock.entries import entry_folder_name
from cache_lock.store import SEPARATORS, prefix_matches

KEYS = st.text("ab-/_.", max_size=8)


@pytest.mark.parametrize(
    ("key", "prefix", "matches"),
    [
        ("vosk-model-2", "vosk-model", True),
        ("vosk-models-2", "vosk-model", False),
        ("vosk-models-2", "vosk-", True),
        ("vosk", "vosk", True),
        ("vos", "vosk", False),
        ("a/b", "a", True),
        ("a.b", "a", True),
        ("ab", "a", False),
        ("a", "", False),
        ("-a", "", True),
    ],
)
def test_a_restore_key_matches_up_to_a_separator(key: str, prefix: str, matches: bool) -> None:
    assert prefix_matches(key, prefix) == matches


@given(KEYS, KEYS)
def test_it_matches_less_than_a_bare_prefix_and_always_whole_segments(key: str, prefix: str) -> None:
    if prefix_matches(key, prefix):
        assert key.startswith(prefix)
        rest = key[len(prefix) :]
        assert not rest or rest[0] in SEPARATORS or prefix[-1] in SEPARATORS


@given(st.text(max_size=512), st.text(max_size=512))
def test_two_keys_never_share_a_folder(one: str, two: str) -> None:
    try:
        names = entry_folder_name(one), entry_folder_name(two)
    except UnicodeEncodeError:
        return  # a lone surrogate: no environment variable holds one
    assert (names[0] == names[1]) == (one == two)
    assert all(len(name) <= 255 and "/" not in name for name in names)
