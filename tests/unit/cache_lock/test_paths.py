from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionlib.errors import ActionError
from cache_lock.paths import PathSet, Roots, glob_to_regex


def fail(error: OSError) -> None:
    raise error


@pytest.fixture
def roots(tmp_path) -> Roots:
    for name in ("work space [1]", "home"):
        (tmp_path / name).mkdir()
    return Roots(workspace=str(tmp_path / "work space [1]"), home=str(tmp_path / "home"))


def make(roots: Roots, *names: str) -> None:
    for name in names:
        path = Path(roots.workspace, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def found(roots: Roots, *lines: str) -> list[str]:
    items = PathSet(lines, roots).walk(fail)
    return sorted(os.path.relpath(item.path, roots.workspace) for item in items if item.kind == "f")


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (["target"], ["target/a.o", "target/deps/.hidden", "target/deps/b.o"]),
        (["target/"], ["target/a.o", "target/deps/.hidden", "target/deps/b.o"]),
        (["target", "!target/deps"], ["target/a.o"]),
        (["target", "!**/*.o"], ["target/deps/.hidden"]),
        (["**/*.o"], ["target/a.o", "target/deps/b.o"]),
        (["target/*.o"], ["target/a.o"]),
        (["target/[ab].o"], ["target/a.o"]),
        (["target/dep?"], ["target/deps/.hidden", "target/deps/b.o"]),
        (["target/deps", "target", "target/a.o"], ["target/a.o", "target/deps/.hidden", "target/deps/b.o"]),
        (["target-2", "target"], ["target-2/c", "target/a.o", "target/deps/.hidden", "target/deps/b.o"]),
        (["absent"], []),
        (["target/a.o/below"], []),
    ],
)
def test_lines_name_files_directories_and_globs_in_a_workspace_with_odd_name(roots, lines, names) -> None:
    make(roots, "target/a.o", "target/deps/b.o", "target/deps/.hidden", "target-2/c", "src/x.rs")
    assert found(roots, *lines) == names


def test_a_file_named_twice_is_found_once(roots) -> None:
    make(roots, "a/b", "a-b/c")
    assert found(roots, "a", "a-b", "a/b", "**/b") == ["a-b/c", "a/b"]


def test_the_tilde_is_home_and_absolute_paths_keep_their_place(roots, tmp_path) -> None:
    (tmp_path / "home/.cargo").mkdir()
    (tmp_path / "elsewhere").mkdir()
    paths = PathSet(["~/.cargo", str(tmp_path / "elsewhere")], roots)
    located = [roots.locate(item.path) for item in paths.walk(fail)]
    assert ("home", ".cargo") in located
    assert ("root", str(tmp_path / "elsewhere").lstrip("/")) in located


def test_a_path_comes_back_from_its_place(roots, tmp_path) -> None:
    for path in (f"{roots.workspace}/a/b", f"{roots.home}/c", "/opt/models", roots.workspace):
        assert roots.absolute(*roots.locate(path)) == path


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["!a"], "names nothing to include"),
        (["/"], "reaches all of /"),
        (["~"], "reaches all of"),
        (["/*"], "reaches all of /"),
        (["~other/x"], "allowed: '~/…'"),
        (["a", "!"], "empty exclusion"),
    ],
)
def test_lines_that_name_nothing_or_everything_are_refused(roots, lines, message) -> None:
    with pytest.raises(ActionError, match=re.escape(message)):
        PathSet(lines, roots)


def test_links_are_stored_as_links_and_never_followed_below_the_named_path(roots) -> None:
    make(roots, "real/x")
    os.symlink("../real", Path(roots.workspace, "real/loop"))
    kinds = {os.path.basename(item.path): item.kind for item in PathSet(["real"], roots).walk(fail)}
    assert kinds == {"real": "d", "x": "f", "loop": "l"}


NAMES = st.text("ab.", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_a_double_star_spans_any_depth_and_a_star_one_name(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    assert re.fullmatch(glob_to_regex(f"/**/{parts[-1]}"), path)
    assert re.fullmatch(glob_to_regex("/**"), path)
    assert bool(re.fullmatch(glob_to_regex("/*"), path)) == (len(parts) == 1)
    assert re.fullmatch(glob_to_regex("/" + "/".join("?" * len(part) for part in parts)), path)
