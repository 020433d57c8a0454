"""Stamps: what was verified is not read again, and nothing else is taken for verified."""

from __future__ import annotations

import hashlib

import pytest

from cache_lock import models
from cache_lock.models import Model, Stamps, verify

GOOD = b"good" * 1000
MODEL = Model("m", hashlib.sha256(GOOD).hexdigest())


@pytest.fixture
def stamps(tmp_path):
    (tmp_path / "stamps").mkdir()
    return Stamps(tmp_path / "stamps")


@pytest.fixture
def reads(monkeypatch):
    """Paths that were hashed."""
    seen = []
    digest_of = models.digest_of
    monkeypatch.setattr(models, "digest_of", lambda path: (seen.append(path), digest_of(path))[1])
    return seen


def test_an_unchanged_model_is_hashed_once_however_often_it_is_verified(tmp_path, stamps, reads):
    (tmp_path / "m").write_bytes(GOOD)
    assert [verify(MODEL, tmp_path, stamps).state for _ in range(3)] == ["verified", "unchanged", "unchanged"]
    assert reads == [tmp_path / "m"]


def test_a_change_while_a_model_is_hashed_is_seen_the_next_time(tmp_path, stamps, monkeypatch):
    (tmp_path / "m").write_bytes(GOOD)
    digest_of = models.digest_of

    def hash_and_then_lose_a_race(path):
        found = digest_of(path)
        path.write_bytes(b"evil" * 1000)
        return found

    monkeypatch.setattr(models, "digest_of", hash_and_then_lose_a_race)
    verify(MODEL, tmp_path, stamps)
    monkeypatch.undo()
    assert verify(MODEL, tmp_path, stamps).state == "mismatch"


def test_a_stamp_is_worth_nothing_for_another_digest_another_path_or_when_damaged(tmp_path, stamps, reads):
    (tmp_path / "m").write_bytes(GOOD)
    verify(MODEL, tmp_path, stamps)
    assert verify(Model("m", "0" * 64), tmp_path, stamps).state == "mismatch"
    assert verify(MODEL, tmp_path, stamps).state == "unchanged"
    for path in (tmp_path / "stamps").iterdir():
        path.write_text("[")
    assert verify(MODEL, tmp_path, stamps).state == "verified"
    (tmp_path / "m").rename(tmp_path / "n")
    assert verify(Model("n", MODEL.sha256), tmp_path, stamps).state == "verified"
    assert len(reads) == 4
