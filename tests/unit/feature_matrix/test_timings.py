"""Times of earlier runs only help: where none can be kept, one line says so."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from actionlib import state
from feature_matrix.timings import HostTimings


@pytest.fixture
def told(monkeypatch, tmp_path):
    """What is said when times are read and added, by its level."""
    found = []
    out = SimpleNamespace(
        say=lambda text: found.append(("line", text)), warning=lambda text: found.append(("warning", text))
    )

    def use(home) -> list[tuple[str, str]]:
        environ = {"COLDVOX_ACTIONS_HOME": str(home), "GITHUB_WORKSPACE": str(tmp_path)}
        store = HostTimings(SimpleNamespace(out=out, environ=environ), "Cargo.toml")
        store.read()
        store.add({"--package a": 1.0})
        return found

    return use


def test_a_container_without_a_folder_of_its_host_says_so_once_and_without_a_word_on_locks(
    told, monkeypatch, tmp_path
):
    def refuse(_environ):
        raise state.NotMountedError("host-wide locks would exclude nobody")

    monkeypatch.setattr("feature_matrix.timings.open_state", refuse)
    ((level, text),) = told(tmp_path)
    assert level == "line"
    assert "'timings-file'" in text
    assert "lock" not in text


def test_a_state_root_that_cannot_be_used_is_one_warning(told, tmp_path):
    (tmp_path / "file").touch()
    ((level, text),) = told(tmp_path / "file")
    assert level == "warning"
    assert "no times of earlier runs: the state root" in text
