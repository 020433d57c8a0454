"""What a crate is built from: its own folder, those of the packages that it takes by path, members or not, and the
files elsewhere that their sources name.

Source: "Specifying Dependencies", "Overriding Dependencies" and "Workspaces" in The Cargo Book.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feature_matrix.manifests import Workspace
from feature_matrix.sources import read_sources
from feature_matrix.toml_files import read_toml

BUILT = ("dependencies", "build-dependencies")
TESTED = ("dev-dependencies",)


@dataclass(frozen=True, slots=True)
class Users:
    """The members that are built from each package's folder, and those that may read each file or folder elsewhere."""

    packages: Mapping[Path, set[str]]
    elsewhere: Mapping[Path, set[str]]

    def of(self, path: Path) -> set[str]:
        """Those that a change of this file touches; of a folder, which a submodule is told as, all that lies in it."""
        above = (path, *path.parents)
        packages = [one for one in above if one in self.packages][:1]
        elsewhere = [one for one in above if one in self.elsewhere]
        if path.is_dir():
            packages += [one for one in self.packages if path in one.parents]
            elsewhere += [one for one in self.elsewhere if path in one.parents]
        return {
            *(crate for one in packages for crate in self.packages[one]),
            *(crate for one in elsewhere for crate in self.elsewhere[one]),
        }


def users_of(workspace: Workspace) -> Users:
    """Who is built from what. Raises ActionError for a manifest that is no TOML, and a source that cannot be read."""
    packages = _users_of_folders(workspace)
    elsewhere: dict[Path, set[str]] = {}
    for folder, crates in packages.items():
        for path in read_sources(folder).outside if (folder / "Cargo.toml").is_file() else ():
            elsewhere.setdefault(path, set()).update(crates)
    return Users(packages, elsewhere)


def _users_of_folders(workspace: Workspace) -> dict[Path, set[str]]:
    users: dict[Path, set[str]] = {}
    for name, crate in workspace.crates.items():
        own = crate.manifest.parent.resolve()
        found = {own, *_taken(own, (*BUILT, *TESTED)), *_patched(workspace.root)}
        waiting = list(found - {own})
        while waiting:
            more = set(_taken(waiting.pop(), BUILT)) - found
            found |= more
            waiting += more
        for folder in found:
            users.setdefault(folder, set()).add(name)
    return users


def _taken(folder: Path, kinds: Iterable[str]) -> Iterator[Path]:
    """What the package in this folder takes by path; nothing where there is none."""
    document = _manifest(folder)
    for table in (document, *(document.get("target") or {}).values()):
        for kind in kinds:
            for key, value in (table.get(kind) or {}).items():
                if not isinstance(value, Mapping):
                    continue
                if value.get("workspace"):
                    root, inherited = _workspace_of(folder, document)
                    yield from _paths(root, [inherited.get(key)])
                else:
                    yield from _paths(folder, [value])


def _patched(root: Path) -> Iterator[Path]:
    """What the workspace puts in the place of packages from elsewhere, wherever they are used."""
    document = _manifest(root)
    for table in (*(document.get("patch") or {}).values(), document.get("replace") or {}):
        yield from _paths(root, table.values())


def _workspace_of(folder: Path, document: Mapping[str, Any]) -> tuple[Path, Mapping[str, Any]]:
    """The root of the workspace that a package belongs to, and the dependencies that it inherits from there."""
    named = (document.get("package") or {}).get("workspace")
    for root in [folder / named] if named else [folder, *folder.parents]:
        if (workspace := _manifest(root).get("workspace")) is not None:
            return root, workspace.get("dependencies") or {}
    return folder, {}


def _paths(folder: Path, values: Iterable[object]) -> Iterator[Path]:
    for value in values:
        if isinstance(value, Mapping) and isinstance(value.get("path"), str):
            yield (folder / value["path"]).resolve()


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / "Cargo.toml"
    return read_toml(path) if path.is_file() else {}
