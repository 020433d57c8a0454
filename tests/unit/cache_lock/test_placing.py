"""Where a restore may write."""

from __future__ import annotations

import pytest

from actionlib.errors import ActionError
from cache_lock.paths import PathSet, Roots
from cache_lock.placing import Destination


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "ws").mkdir()
    return tmp_path / "ws"


def destination(workspace, *lines) -> Destination:
    return Destination(PathSet(lines, Roots(workspace=str(workspace), home="/nonexistent")))


def test_a_file_beside_one_that_is_named_is_refused_whatever_came_before_it(workspace):
    with destination(workspace, "named") as places:
        places.stage_path(f"{workspace}/named")
        with pytest.raises(ActionError, match=r"outside of what input 'path' names \(named\)"):
            places.stage_path(f"{workspace}/beside")


def test_a_directory_that_is_not_there_yet_is_staged_below_the_nearest_one_that_is(workspace):
    with destination(workspace, "a/b") as places:
        staged = places.stage_path(f"{workspace}/a/b/c/file")
        assert staged.endswith("/a/b/c/file")
        assert staged.startswith(f"{workspace}/.coldvox-restore-")
        assert places.stage_path(f"{workspace}/a/b/other") == staged.removesuffix("c/file") + "other"
    assert list(workspace.iterdir()) == []


@pytest.mark.parametrize("below", ["file", "deep/er/file"])
def test_a_link_that_leads_out_is_refused_at_every_depth(workspace, tmp_path, below):
    (tmp_path / "elsewhere/deep/er").mkdir(parents=True)
    (workspace / "out").mkdir()
    (workspace / "out/link").symlink_to(tmp_path / "elsewhere")
    with destination(workspace, "out") as places, pytest.raises(ActionError, match="leads out of"):
        places.stage_path(f"{workspace}/out/link/{below}")


def test_a_link_that_stays_inside_is_followed(workspace):
    (workspace / "out/real").mkdir(parents=True)
    (workspace / "out/link").symlink_to("real")
    with destination(workspace, "out") as places:
        assert places.stage_path(f"{workspace}/out/link/new/file").endswith("/link/new/file")
