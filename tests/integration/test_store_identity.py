"""What comes out of the store is what went in."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from fakes import trees


def there_and_back(action, folder, **inputs):
    """Save a folder of the workspace, remove it, restore it; returns both photos."""
    before = trees.photo(folder)
    saved = action(mode="save", key="k", path=folder.name, **inputs)
    assert saved.exit_code == 0, saved.log
    trees.remove(folder)
    restored = action(mode="restore", key="k", path=folder.name)
    assert restored.exit_code == 0, restored.log
    assert restored.outputs["cache-hit"] == "true"
    return before, trees.photo(folder)


def test_modes_times_and_contents_come_back_exactly(action, workspace):
    out = trees.build(
        workspace / "out", {"a": "one", "deep/er/b": "two" * 100_000, "empty": "", "hollow/": ""}
    )
    (out / "a").chmod(0o755)
    (out / "empty").chmod(0o400)
    (out / "deep").chmod(0o711)
    trees.age(out)
    before, after = there_and_back(action, out)
    assert after == before


def test_symlinks_come_back_as_they_are_dangling_ones_and_those_to_elsewhere_too(action, workspace):
    out = trees.build(workspace / "out", {"a": "one", "d/b": "two"})
    for name, target in {
        "to-a": "a",
        "to-d": "d",
        "nowhere": "../missing",
        "far": "/etc/hostname",
        "d/up": "../a",
    }.items():
        (out / name).symlink_to(target)
    before, after = there_and_back(action, out)
    assert after.keys() == before.keys()
    assert {name: one for name, one in after.items() if one[0] == "link"} == {
        name: one for name, one in before.items() if one[0] == "link"
    }


def test_hard_links_are_stored_once_and_are_hard_links_again(action, workspace, state_home):
    out = trees.build(workspace / "out", {"debug/deps/app-1": "x" * 5000, "debug/other": "y"})
    os.link(out / "debug/deps/app-1", out / "debug/app")
    os.link(out / "debug/deps/app-1", out / "app")
    trees.age(out)
    before, after = there_and_back(action, out)
    assert after == before
    stored = [path for path in (trees.entry_folder(state_home) / "data").rglob("*") if path.is_file()]
    assert sorted(path.stat().st_size for path in stored) == [1, 5000]


def test_a_hard_link_to_a_file_outside_is_a_file_of_its_own(action, workspace):
    trees.build(workspace, {"elsewhere": "x", "out/": ""})
    os.link(workspace / "elsewhere", workspace / "out/inside")
    there_and_back(action, workspace / "out")
    assert (workspace / "out/inside").read_text() == "x"
    assert (workspace / "out/inside").stat().st_nlink == 1


@pytest.mark.parametrize(
    "name",
    [
        b"not-utf8-\xff\xfe",
        b"two\nlines",
        b"tab\tand \x01 control",
        b" leading and trailing ",
        b"%41%",
        b'quote"\\back',
        b"*?[a]",
        b"-rf",
        b"!not",
        b"~",
        "größe-日本".encode(),
        b"n" * 255,
    ],
    ids=repr,
)
def test_every_name_that_linux_allows_comes_back(action, workspace, name):
    out = trees.build(workspace / "out", {})
    path = os.path.join(os.fsencode(out), name)
    os.mkdir(path)
    Path(os.fsdecode(path), os.fsdecode(name)).write_bytes(name)
    os.symlink(name, os.path.join(path, b"link"))
    trees.age(out)
    before, after = there_and_back(action, out)
    assert after == before


def test_directories_without_write_permission_come_back(action, workspace):
    out = trees.build(workspace / "out", {"sealed/deep/a": "one", "sealed/b": "two"})
    trees.age(out)
    (out / "sealed/deep").chmod(0o555)
    (out / "sealed").chmod(0o555)
    before, after = there_and_back(action, out, ordinary=True)
    assert after == before


@pytest.mark.parametrize("clean", [False, True])
def test_an_ordinary_user_restores_over_directories_without_write_permission(action, workspace, clean):
    out = trees.build(workspace / "out", {"sealed/deep/a": "one", "sealed/b": "two"})
    trees.age(out)
    (out / "sealed/deep").chmod(0o555)
    (out / "sealed").chmod(0o555)
    before = trees.photo(out)
    assert action(mode="save", key="k", path="out").exit_code == 0
    restored = action(mode="restore", key="k", path="out", clean=clean, ordinary=True)
    assert restored.exit_code == 0, restored.log
    assert trees.photo(out) == before


def test_sockets_and_pipes_are_left_out_with_a_warning(action, workspace):
    out = trees.build(workspace / "out", {"a": "one"})
    os.mkfifo(out / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(out / "socket"))
    saved = action(mode="save", key="k", path="out")
    assert saved.exit_code == 0
    (warning,) = saved.warnings
    assert warning.startswith("2 sockets, pipes or devices were not saved")
    trees.remove(out)
    action(mode="restore", key="k", path="out")
    assert trees.contents(workspace) == {"out/a": b"one"}


@pytest.mark.parametrize("what", ["file", "folder"])
def test_something_unreadable_is_an_error_that_names_it_and_nothing_is_saved(
    action, workspace, state_home, what
):
    out = trees.build(workspace / "out", {"a": "one", "secret-file": "x", "secret-folder/b": "y"})
    (out / f"secret-{what}").chmod(0)
    step = action(mode="save", key="k", path="out", ordinary=True)
    assert f"{out}/secret-{what} cannot be read: Permission denied" in step.error()
    assert "Exclude it" in step.error()
    assert trees.entry_keys(state_home) == set()
    assert trees.leftovers(state_home) == []
    excluded = action(mode="save", key="k", path=["out", f"!out/secret-{what}"], ordinary=True)
    assert excluded.exit_code == 0
    (out / f"secret-{what}").chmod(0o700)


def test_a_file_that_changes_while_it_is_saved_is_an_error_and_nothing_is_saved(
    action, workspace, state_home
):
    out = trees.build(workspace / "out", {"a": "one"})
    (out / "log").touch()
    with (out / "big").open("wb") as file:
        file.truncate(256 << 20)
    writer = subprocess.Popen(["sh", "-c", 'while :; do echo line >> "$1"; done', "sh", str(out / "big")])
    try:
        step = action(mode="save", key="k", path="out")
    finally:
        writer.kill()
        writer.wait()
        (out / "big").unlink()
    assert f"{out}/big changed while it was being saved" in step.error()
    assert trees.entry_keys(state_home) == set()
    assert trees.leftovers(state_home) == []


def test_several_roots_lie_where_the_next_runner_has_them(action, workspace, home, tmp_path):
    trees.build(workspace / "out", {"a": "in the workspace"})
    trees.build(home / ".cargo/registry", {"b": "at home"})
    trees.build(tmp_path / "abs", {"c": "elsewhere"})
    paths = ["out", "~/.cargo/registry", str(tmp_path / "abs")]
    assert action(mode="save", key="k", path=paths).exit_code == 0
    trees.remove(tmp_path / "abs")
    other = {"GITHUB_WORKSPACE": str(tmp_path / "r2/work"), "HOME": str(tmp_path / "r2/home")}
    for folder in other.values():
        trees.build(tmp_path / folder, {})
    step = action(mode="restore", key="k", path=paths, environ=other)
    assert step.outputs["cache-hit"] == "true", step.log
    assert trees.contents(tmp_path / "r2") == {
        "home/.cargo/registry/b": b"at home",
        "work/out/a": b"in the workspace",
    }
    assert trees.contents(tmp_path / "abs") == {"c": b"elsewhere"}


def test_files_that_are_not_of_the_entry_stay(action, workspace):
    out = trees.build(workspace / "out", {"a": "saved", "d/b": "saved"})
    action(mode="save", key="k", path="out")
    trees.build(out, {"a": "changed", "d/mine": "stays", "mine": "stays"})
    action(mode="restore", key="k", path="out")
    assert trees.contents(out) == {"a": b"saved", "d/b": b"saved", "d/mine": b"stays", "mine": b"stays"}


def test_a_directory_in_the_place_of_a_file_is_replaced_and_the_other_way_round(action, workspace):
    out = trees.build(workspace / "out", {"was-file": "f", "was-folder/x": "d", "was-link/y": "l"})
    action(mode="save", key="k", path="out")
    trees.remove(out)
    trees.build(out, {"was-file/inner": "", "was-folder": "", "target/": ""})
    (out / "was-link").symlink_to("missing")
    step = action(mode="restore", key="k", path="out")
    assert step.exit_code == 0, step.log
    assert trees.contents(out) == {"was-file": b"f", "was-folder/x": b"d", "was-link/y": b"l"}
    assert not (out / "was-link").is_symlink()


def test_an_entry_of_one_file_and_one_of_an_empty_directory(action, workspace):
    trees.build(workspace, {"model.bin": "x", "hollow/": ""})
    for name in ("model.bin", "hollow"):
        assert action(mode="save", key=name, path=name).exit_code == 0
    (workspace / "model.bin").unlink()
    (workspace / "hollow").rmdir()
    for name in ("model.bin", "hollow"):
        assert action(mode="restore", key=name, path=name).outputs["cache-hit"] == "true"
    assert (workspace / "model.bin").read_text() == "x"
    assert (workspace / "hollow").is_dir()
