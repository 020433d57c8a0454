"""What the input `path` names, what `clean` removes, and what a restore must never write."""

from __future__ import annotations

import os

import pytest

from fakes import trees

TREE = {
    "target/debug/app": "app",
    "target/debug/build/x/output": "output",
    "target/debug/app.rlib": "rlib",
    "target/release/app": "release",
    "target/tmp/scratch": "scratch",
    "with space/a b.txt": "space",
    ".hidden/file": "hidden",
    "[brackets]/file": "brackets",
    "top.txt": "top",
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (["target/debug/app"], ["target/debug/app"]),
        (["target/*/app"], ["target/debug/app", "target/release/app"]),
        (["target/**/*.rlib"], ["target/debug/app.rlib"]),
        (["target/**"], [name for name in TREE if name.startswith("target/")]),
        (["target/[dr]*/app"], ["target/debug/app", "target/release/app"]),
        (["target/??bug/app"], ["target/debug/app"]),
        (["target", "!target/debug"], ["target/release/app", "target/tmp/scratch"]),
        (["target", "!target/debug/"], ["target/release/app", "target/tmp/scratch"]),
        (["target", "!target/debug/**"], ["target/release/app", "target/tmp/scratch"]),
        (["target", "!**/*.rlib", "!**/tmp"], [
            "target/debug/app", "target/debug/build/x/output", "target/release/app",
        ]),
        (["target/**/app", "!target/debug"], ["target/release/app"]),
        (["!target/release", "target/*/app"], ["target/debug/app"]),
        (["target/debug", "target/debug/build", "target"], [name for name in TREE if name.startswith("target/")]),
        (["with space/a b.txt"], ["with space/a b.txt"]),
        (["with space"], ["with space/a b.txt"]),
        ([".hidden"], [".hidden/file"]),
        (["./target/../top.txt"], ["top.txt"]),
        (["[[]brackets]/file"], ["[brackets]/file"]),
        (["*.txt"], ["top.txt"]),
        (["."], list(TREE)),
        (["**"], list(TREE)),
        (["~/cache", "top.txt"], ["home:cache/x", "top.txt"]),
        (["~/cache/*", "!~/cache/y*"], ["home:cache/x"]),
        (["$ABSOLUTE/deep"], ["absolute:deep/z"]),
        (["$ABSOLUTE/*/z"], ["absolute:deep/z"]),
    ],
    ids=lambda value: ";".join(value)[:40],
)  # fmt: skip
def test_paths_name_files_as_documented(action, workspace, home, tmp_path, path, expected):
    trees.build(workspace, TREE)
    trees.build(home, {"cache/x": "at home"} | ({"cache/yes": "y"} if "!~/cache/y*" in path else {}))
    absolute = trees.build(tmp_path / "abs olute", {"deep/z": "absolute"})
    path = [line.replace("$ABSOLUTE", str(absolute)) for line in path]
    saved = action(mode="save", key="k", path=path)
    assert saved.exit_code == 0, saved.log
    for folder in (workspace, home, absolute):
        trees.remove(folder)
        folder.mkdir()
    restored = action(mode="restore", key="k", path=path)
    assert restored.outputs["cache-hit"] == "true", restored.log
    found = set(trees.contents(workspace))
    found |= {f"home:{name}" for name in trees.contents(home)}
    found |= {f"absolute:{name}" for name in trees.contents(absolute)}
    assert found == set(expected)


def test_a_recursive_glob_does_not_run_in_circles_of_links(action, workspace, state_home):
    trees.build(workspace, {"out/a/x.txt": "x"})
    (workspace / "out/a/circle").symlink_to("..")
    action(mode="save", key="k", path="out/**/*.txt")
    data = trees.entry_folder(state_home) / "data"
    assert set(trees.contents(data)) == {"workspace/out/a/x.txt"}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (["!only"], "names nothing to include"),
        (["out", "!"], "empty exclusion"),
        (["/"], "reaches all of /"),
        (["~"], "reaches all of"),
        (["~someone/x"], "'~someone/x'"),
    ],
)
@pytest.mark.parametrize("mode", ["save", "restore"])
def test_a_path_that_makes_no_sense_is_an_error(action, state_home, mode, path, message):
    step = action(mode=mode, key="k", path=path)
    assert message in step.error()
    assert not list(state_home.rglob("*"))


def test_nothing_at_path_is_an_error_that_names_it(action, state_home):
    step = action(mode="save", key="k", path=["missing", "glob/*.none"])
    assert "nothing to save: no file matches input 'path' (missing, glob/*.none)" in step.error()
    assert trees.leftovers(state_home) == []


# --- clean -------------------------------------------------------------------------------------------------


def test_clean_empties_the_paths_and_spares_what_is_excluded_or_elsewhere(action, workspace):
    trees.build(workspace, {"out/a": "saved", "elsewhere/x": "stays"})
    action(mode="save", key="k", path="out")
    trees.build(workspace, {"out/stale/deep": "", "out/keep/me": "stays", "out/stale2": ""})
    step = action(mode="restore", key="k", path=["out", "!out/keep"], clean=True)
    assert step.exit_code == 0, step.log
    assert trees.contents(workspace) == {"out/a": b"saved", "elsewhere/x": b"stays", "out/keep/me": b"stays"}
    assert not (workspace / "out/stale").exists()


def test_clean_empties_also_on_a_miss_but_the_named_directory_stays(action, workspace):
    trees.build(workspace, {"out/a": "stale", "elsewhere/x": "stays"})
    inode = (workspace / "out").stat().st_ino
    step = action(mode="restore", key="missing", path="out", clean=True)
    assert step.exit_code == 0
    assert trees.contents(workspace) == {"elsewhere/x": b"stays"}
    assert (workspace / "out").stat().st_ino == inode


def test_clean_with_lookup_only_changes_nothing(action, workspace):
    trees.build(workspace, {"out/a": "stays"})
    for key in ("missing", "k"):
        action(mode="restore", key=key, path="out", clean=True, lookup_only=True)
        action(mode="save", key="k", path="out")
    assert trees.contents(workspace) == {"out/a": b"stays"}


@pytest.mark.parametrize("path", ["*", "**", "."])
def test_clean_does_not_take_the_restore_s_own_stage_for_old_files(action, workspace, path):
    trees.build(workspace, {"out/a": "saved", "b": "saved"})
    action(mode="save", key="k", path=path)
    trees.build(workspace, {"stale/x": ""})
    step = action(mode="restore", key="k", path=path, clean=True)
    assert step.exit_code == 0, step.log
    assert trees.contents(workspace) == {"out/a": b"saved", "b": b"saved"}
    assert not list(workspace.glob(".coldvox-restore-*"))


def test_clean_keeps_a_named_directory_that_is_a_link_to_a_bigger_disk(action, workspace, tmp_path):
    big = trees.build(tmp_path / "big", {"a": "saved"})
    (workspace / "target").symlink_to(big)
    assert action(mode="save", key="k", path="target").exit_code == 0
    trees.build(big, {"stale": ""})
    assert action(mode="restore", key="k", path="target", clean=True).exit_code == 0
    assert (workspace / "target").is_symlink()
    assert trees.contents(big) == {"a": b"saved"}


def test_clean_removes_links_and_not_what_they_lead_to(action, workspace, tmp_path):
    elsewhere = trees.build(tmp_path / "elsewhere", {"precious": "stays"})
    trees.build(workspace, {"out/a": ""})
    (workspace / "out/link").symlink_to(elsewhere)
    action(mode="restore", key="missing", path="out", clean=True)
    assert not os.path.lexists(workspace / "out/link")
    assert trees.contents(elsewhere) == {"precious": b"stays"}


# --- what a restore must not do ----------------------------------------------------------------------------


def test_a_link_on_disk_that_leads_out_is_an_error_and_nothing_is_written_through_it(
    action, workspace, tmp_path
):
    trees.build(workspace, {"out/deep/a": "saved", "out/b": "saved"})
    action(mode="save", key="k", path="out")
    trees.remove(workspace / "out/deep")
    trees.build(workspace, {"out/b": "before"})
    victim = trees.build(tmp_path / "victim", {"a": "precious"})
    (workspace / "out/deep").symlink_to(victim)
    step = action(mode="restore", key="k", path="out")
    assert f"would write through the link {workspace}/out/deep -> {victim}" in step.error()
    assert trees.contents(victim) == {"a": b"precious"}
    assert (workspace / "out/b").read_text() == "before"
    assert not list((workspace / "out").glob(".coldvox*"))


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(action, workspace, tmp_path):
    trees.build(workspace, {"out/a": "saved"})
    action(mode="save", key="k", path="out")
    victim = trees.build(tmp_path / "victim", {"a": "precious"})
    (workspace / "out/a").unlink()
    (workspace / "out/a").symlink_to(victim / "a")
    assert action(mode="restore", key="k", path="out").exit_code == 0
    assert (victim / "a").read_text() == "precious"
    assert not (workspace / "out/a").is_symlink()


def test_a_link_that_stays_inside_is_written_through(action, workspace):
    trees.build(workspace, {"out/deep/a": "saved"})
    action(mode="save", key="k", path="out")
    trees.remove(workspace / "out/deep")
    trees.build(workspace, {"out/real/": ""})
    (workspace / "out/deep").symlink_to("real")
    assert action(mode="restore", key="k", path="out").exit_code == 0
    assert (workspace / "out/real/a").read_text() == "saved"


def test_an_entry_with_more_than_path_names_is_an_error_and_nothing_changes(action, workspace):
    trees.build(workspace, {"one/a": "saved", "two/b": "saved"})
    action(mode="save", key="k", path=["one", "two"])
    trees.build(workspace, {"one/a": "before", "two/b": "before"})
    step = action(mode="restore", key="k", path="one")
    assert f"the entry holds {workspace}/two" in step.error()
    assert "outside of what input 'path' names (one)" in step.error()
    assert trees.contents(workspace) == {"one/a": b"before", "two/b": b"before"}


def test_a_destination_that_cannot_be_written_is_an_error_and_nothing_changes(action, workspace):
    trees.build(workspace, {"out/a": "saved"})
    action(mode="save", key="k", path="out")
    if os.geteuid() == 0:
        os.chown(workspace / "out", 12345, 12345)
        (workspace / "out").chmod(0o555)
        step = action(mode="restore", key="k", path="out", ordinary=True)
        assert f"nothing can be restored into {workspace}/out" in step.error()
    trees.remove(workspace / "out")
    (workspace / "out").symlink_to("/proc/1")
    step = action(mode="restore", key="k", path="out")
    assert "nothing can be restored into" in step.error()
