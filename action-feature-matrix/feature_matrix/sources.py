"""The Rust source of a crate, as text to search. Source: "Modules" in The Rust Reference."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from actionlib.errors import ActionError
from feature_matrix.manifests import Crate
from feature_matrix.toml_files import read_toml

# Cargo marks its target directory with this, as all caches should be: https://bford.info/cachedir/
CACHE_MARK = "CACHEDIR.TAG"
_MODULE = re.compile(r"\bmod\s+(?:r#)?(\w+)\s*;")
_FILE = re.compile(r'(?:\bpath\s*=\s*|\binclude!\s*\(\s*)"([^"\n]+)"|"([^"\n]+\.rs)"')


def source_text(crate: Crate) -> str:
    """All Rust below the crate's folder but that of other packages and what was built, and all that it names elsewhere.

    Raises ActionError for a file that cannot be read.
    """
    folder = crate.manifest.parent
    waiting = [*_below(folder), *_named_targets(folder, read_toml(crate.manifest))]
    seen: dict[Path, str] = {}
    while waiting:
        path = Path(os.path.realpath(waiting.pop()))
        if path in seen or not os.path.isfile(
            path
        ):  # an editor leaves links to nowhere; any text may be in quotes
            continue
        try:
            seen[path] = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise ActionError(f"{path} cannot be read: {error.strerror}") from error
        waiting += _named_files(path, seen[path], folder)
    return "\n".join(seen[path] for path in sorted(seen))


def _below(folder: Path) -> Iterator[Path]:
    for name, folders, files in os.walk(folder):
        here = Path(name)
        if here != folder and ("Cargo.toml" in files or CACHE_MARK in files):
            folders.clear()
            continue
        yield from (here / file for file in files if file.endswith(".rs"))


def _named_targets(folder: Path, document: Mapping[str, object]) -> Iterator[Path]:
    """The files that the manifest gives for targets and build script, which may lie anywhere."""
    for kind in ("package", "lib", "bin", "example", "test", "bench"):
        tables = document.get(kind)
        for table in tables if isinstance(tables, list) else [tables]:
            path = table.get("build" if kind == "package" else "path") if isinstance(table, dict) else None
            if isinstance(path, str):
                yield folder / path


def _named_files(path: Path, text: str, folder: Path) -> Iterator[Path]:
    """Where the modules of a file, and what it includes, may lie."""
    for module in _MODULE.findall(text):
        for place in (path.parent, path.with_suffix("")):
            yield from (place / f"{module}.rs", place / module / "mod.rs")
    for pair in _FILE.findall(text):
        name = "".join(pair)
        yield from (path.parent / name, folder / name.lstrip("/"))
