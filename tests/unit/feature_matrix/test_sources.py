"""What belongs to a crate's source: all that may be compiled into it, wherever it lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fakes.feature_crates import crate
from feature_matrix.sources import read_sources, source_text


def text_of(folder: Path, files: dict[str, str], manifest: str = "[package]\n") -> str:
    for name, text in {"Cargo.toml": manifest, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return source_text(replace(crate({}), manifest=folder / "Cargo.toml"))


@pytest.mark.parametrize(
    "files",
    [
        {"src/target/mod.rs": "MARK"},
        {"src/lib.rs": '#[path = "../../y.rs"] mod y;', "../y.rs": "MARK"},
        {"src/lib.rs": '#[cfg_attr(unix, path = "../../y.rs")] mod y;', "../y.rs": "MARK"},
        {"src/lib.rs": '#[path = "../../y.rs"] mod y;', "../y.rs": "mod z;", "../z.rs": "MARK"},
        {"src/lib.rs": '#[path = "../../y.rs"] mod y;', "../y.rs": "mod z;", "../y/z/mod.rs": "MARK"},
        {"src/lib.rs": 'include!("../../y.inc");', "../y.inc": "MARK"},
        {"src/lib.rs": 'include!(concat!(env!("CARGO_MANIFEST_DIR"), "/../y.rs"));', "../y.rs": "MARK"},
    ],
)
def test_what_is_compiled_into_the_crate_is_source(tmp_path, files):
    assert "MARK" in text_of(tmp_path / "crate", files)


def test_targets_and_build_script_elsewhere_are_source(tmp_path):
    manifest = (
        '[package]\nbuild = "../make.rs"\n[lib]\npath = "../lib/root.rs"\n[[bin]]\npath = "../bin.rs"\n'
    )
    files = {
        "../make.rs": "ONE",
        "../lib/root.rs": "mod part;",
        "../lib/part.rs": "TWO",
        "../bin.rs": "THREE",
    }
    assert set(text_of(tmp_path / "crate", files, manifest).split()) == {
        "ONE",
        "TWO",
        "THREE",
        "mod",
        "part;",
    }


@pytest.mark.parametrize(
    "files",
    [
        {"target/CACHEDIR.TAG": "", "target/debug/build/x/out/made.rs": "MARK"},
        {"member/Cargo.toml": "", "member/src/lib.rs": "MARK"},
        {"src/notes.txt": "MARK"},
        {"../other.rs": "MARK"},
    ],
)
def test_what_was_built_and_other_packages_are_not(tmp_path, files):
    assert "MARK" not in text_of(tmp_path / "crate", files)


def test_links_to_nowhere_and_folders_with_the_name_of_a_file_are_passed_over(tmp_path):
    source = tmp_path / "src"
    (source / "folder.rs").mkdir(parents=True)
    (source / ".#lib.rs").symlink_to("nobody@host.1234")
    (source / "circle.rs").symlink_to("circle.rs")
    assert text_of(tmp_path, {"src/lib.rs": f'MARK "{"x" * 300}.rs"'}).startswith("MARK")


def test_bytes_that_are_no_text_do_no_harm(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/odd.rs").write_bytes(b"\xff\xfe MARK")
    assert "MARK" in text_of(tmp_path, {})


def outside(folder: Path, files: dict[str, str], manifest: str = "[package]\n") -> set[str]:
    """What the package in `folder` may read elsewhere, relative to the folder above it."""
    text_of(folder, files, manifest)
    found = read_sources(folder).outside
    return {str(path.relative_to(folder.parent)) for path in found if path.is_relative_to(folder.parent)}


@pytest.mark.parametrize(
    ("files", "manifest", "expected"),
    [
        ({"src/lib.rs": 'include_str!("../../t.txt")'}, "[package]\n", "t.txt"),
        ({"src/lib.rs": 'include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../t"))'}, "[package]\n", "t"),
        ({"build.rs": 'compile(&["../proto/a.proto"])'}, "[package]\n", "proto/a.proto"),
        ({"src/lib.rs": 'include_dir!("$CARGO_MANIFEST_DIR/../assets")'}, "[package]\n", "assets"),
        ({"src/lib.rs": '\'"\'; include_str!("../../t.txt")'}, "[package]\n", "t.txt"),
        ({"src/lib.rs": 'include!("../../x.inc");', "../x.inc": 'include_str!("y")'}, "[package]\n", "y"),
        ({}, '[package]\nreadme = "../README.md"\n', "README.md"),
        ({}, '[package]\nbuild = "../make.rs"\n', "make.rs"),
        ({"../root.rs": "mod gone;"}, '[lib]\npath = "../root.rs"\n', "gone.rs"),
    ],
)
def test_what_is_read_from_elsewhere_is_known_be_it_there_or_not(tmp_path, files, manifest, expected):
    assert expected in outside(tmp_path / "crate", files, manifest)


def test_links_to_elsewhere_are_followed(tmp_path):
    (tmp_path / "crate/src").mkdir(parents=True)
    (tmp_path / "crate/src/x.rs").symlink_to("../../common/x.rs")
    (tmp_path / "crate/data").symlink_to("../data")
    assert outside(tmp_path / "crate", {}) == {"common/x.rs", "data"}


def test_the_package_itself_and_what_it_lies_in_are_not_elsewhere(tmp_path):
    assert outside(tmp_path / "crate", {"src/lib.rs": '"../.." ".." "../" "../../crate"'}) == set()
