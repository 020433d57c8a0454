"""What a package is built from: its Rust source as text to search, and the files elsewhere that it names.

Source: "Modules" in The Rust Reference, "The Manifest Format" in The Cargo Book.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from actionlib.errors import ActionError
from feature_matrix.manifests import Crate
from feature_matrix.toml_files import read_toml

# Cargo marks its target directory with this, as all caches should be: https://bford.info/cachedir/
CACHE_MARK = "CACHEDIR.TAG"
_MODULE = re.compile(r"\bmod\s+(?:r#)?(\w+)\s*;")
_FILE = re.compile(r'(?:\bpath\s*=\s*|\binclude!\s*\(\s*)"([^"\n]+)"|"([^"\n]+\.rs)"')
# Between any two quotes, for a quote alone (the character '"') would turn all that follow inside out.
_ANY_TEXT = re.compile(r'(?<=")[^"\n\0]{1,300}(?=")')
_UPWARD = "../"


@dataclass(frozen=True, slots=True)
class Sources:
    """The text of each Rust file, and all that may be read from outside the package's folder, be it there or not.

    `outside` holds too much rather than too little: of any text that could be the path of a file.
    """

    texts: Mapping[Path, str]
    outside: frozenset[Path]


def source_text(crate: Crate) -> str:
    """All Rust of the crate. Raises ActionError for a file that cannot be read."""
    texts = read_sources(crate.manifest.parent).texts
    return "\n".join(texts[path] for path in sorted(texts))


def read_sources(folder: Path) -> Sources:
    """All Rust below the package's folder but that of other packages and what was built, and all that it names.

    Raises ActionError for a file that cannot be read.
    """
    root = _real(folder)
    document = read_toml(folder / "Cargo.toml")
    found = list(_below(folder))
    targets = list(_named_targets(folder, document))
    waiting = [path for path in found if path.suffix == ".rs"] + targets
    elsewhere = {_real(path) for path in (*found, *targets, *_named_readme(folder, document))}
    seen: dict[Path, str] = {}
    while waiting:
        path = _real(waiting.pop())
        # An editor leaves links to nowhere, and any text may be in quotes.
        if path in seen or not os.path.isfile(path):
            continue
        try:
            seen[path] = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise ActionError(f"{path} cannot be read: {error.strerror}") from error
        files = list(_named_files(path, seen[path], folder))
        waiting += files
        elsewhere |= {path, *map(_real, (*files, *_named_upward(path, seen[path], root)))}
    return Sources(
        seen,
        frozenset(one for one in elsewhere if root not in (one, *one.parents) and one not in root.parents),
    )


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _below(folder: Path) -> Iterator[Path]:
    """Rust files, and what is linked to from elsewhere."""
    for name, folders, files in os.walk(folder):
        here = Path(name)
        if here != folder and ("Cargo.toml" in files or CACHE_MARK in files):
            folders.clear()
            continue
        for one in (*files, *folders):
            if one.endswith(".rs") or os.path.islink(here / one):
                yield here / one


def _named_targets(folder: Path, document: Mapping[str, object]) -> Iterator[Path]:
    """The files that the manifest gives for targets and build script, which may lie anywhere."""
    for kind in ("package", "lib", "bin", "example", "test", "bench"):
        tables = document.get(kind)
        for table in tables if isinstance(tables, list) else [tables]:
            path = table.get("build" if kind == "package" else "path") if isinstance(table, dict) else None
            if isinstance(path, str):
                yield folder / path


def _named_readme(folder: Path, document: Mapping[str, object]) -> Iterator[Path]:
    package = document.get("package")
    readme = package.get("readme") if isinstance(package, dict) else None
    if isinstance(readme, str):
        yield folder / readme


def _named_files(path: Path, text: str, folder: Path) -> Iterator[Path]:
    """Where the modules of a file, and what it includes, may lie."""
    for module in _MODULE.findall(text):
        for place in (path.parent, path.with_suffix("")):
            yield from (place / f"{module}.rs", place / module / "mod.rs")
    for pair in _FILE.findall(text):
        name = "".join(pair)
        yield from (path.parent / name, folder / name.lstrip("/"))


def _named_upward(path: Path, text: str, folder: Path) -> Iterator[Path]:
    """What texts in a file may name outside the package's folder, for any macro or build script to read.

    From there any name leads elsewhere, and from inside one that leads up, maybe after `$CARGO_MANIFEST_DIR`.
    """
    inside = folder in path.parents
    for name in _ANY_TEXT.findall(text):
        if not inside:
            yield path.parent / name
        if _UPWARD in name:
            upward = name[name.index(_UPWARD) :]
            yield from (place / one for one in {name.lstrip("/"), upward} for place in (path.parent, folder))
