"""The members of a workspace by their manifests alone, for hosts without cargo, in the form of `cargo metadata`.

Source: "Workspaces" and "The Manifest Format" in The Cargo Book. What cargo would refuse is refused here too, where a
plan depends on it.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from feature_matrix.toml_files import Table, read_table

MANIFEST = "Cargo.toml"
DEPENDENCY_TABLES = {"dependencies": None, "dev-dependencies": "dev", "build-dependencies": "build"}
_PACKAGE_NAME = r"[^\W\d][\w-]*"
_FEATURE_NAME = r"\w[\w+.-]*"
_WITH_REQUIREMENTS = ("bin", "example", "test", "bench")


def read_members(manifest: Path) -> tuple[Path, list[dict[str, Any]]]:
    """The root of the manifest's workspace, and the members. Raises ActionError with file and line of a mistake."""
    root = _root_of(Path(os.path.abspath(manifest)))
    found = _Members(root)
    if Path(os.path.abspath(manifest)) not in found.seen:
        read_table(manifest).fail(
            "", f"no member of the workspace {root}", "its members, and what it excludes"
        )
    return root.parent, found.packages


def _root_of(manifest: Path) -> Path:
    """The manifest of the workspace: this one, the one that it names, or the nearest above that does not exclude it."""
    document = read_table(manifest)
    if "workspace" in document:
        return manifest
    if named := document.table("package").text("workspace"):
        return Path(os.path.normpath(manifest.parent / named / MANIFEST))
    for folder in manifest.parent.parents:
        above = folder / MANIFEST
        if above.is_file() and "workspace" in read_table(above):
            return manifest if _is_excluded(manifest, above) else above
    return manifest


def _is_excluded(manifest: Path, root: Path) -> bool:
    """What is below a folder of `exclude`, and not of `members`, for which patterns do not count."""
    workspace = read_table(root).table("workspace")

    def below(names: list[str]) -> bool:
        folders = [Path(os.path.normpath(root.parent / name)) for name in names]
        return any(manifest.is_relative_to(folder) for folder in folders)

    return below(workspace.texts("exclude")) and not below(workspace.texts("members"))


class _Members:
    """The walk from a workspace's root to all members: those that it names, and what they take by path below it."""

    def __init__(self, root: Path) -> None:
        self._root, document = root, read_table(root)
        self._is_workspace = "workspace" in document
        if "package" not in document and not self._is_workspace:
            document.fail("", "no manifest", "one with a table [package] or [workspace]")
        self._workspace = document.table("workspace")
        self.packages: list[dict[str, Any]] = []
        self.seen: set[Path] = set()
        for pattern in self._workspace.texts("members"):
            for path in self._named(pattern):
                self._visit(path, f"'{pattern}'", self._workspace, "members")
        self._visit(root, "", document, "")

    def _named(self, pattern: str) -> list[Path]:
        found = glob.glob(str(self._root.parent / pattern), recursive=True, include_hidden=True)
        folders = [one for one in sorted(found) if os.path.isdir(one)]
        return [
            Path(os.path.normpath(one)) / MANIFEST for one in folders or [str(self._root.parent / pattern)]
        ]

    def _visit(self, manifest: Path, what: str, table: Table, key: str) -> None:
        if manifest in self.seen or _is_excluded(manifest, self._root):
            return
        if not manifest.is_file():
            table.fail(key, f"names {what}, and there is no {manifest}", "folders with a Cargo.toml")
        self.seen.add(manifest)
        document = read_table(manifest)
        if "package" not in document:
            return
        dependencies = list(_dependencies(document, self._workspace, self._root))
        self.packages.append(_package(document, self._workspace, dependencies))
        for one in dependencies if self._is_workspace else ():
            if one["path"] and Path(one["path"]).is_relative_to(self._root.parent):
                key = one["rename"] or one["name"]
                self._visit(Path(one["path"]) / MANIFEST, f"'{key}'", document, key)


def _package(document: Table, workspace: Table, dependencies: list[dict[str, Any]]) -> dict[str, Any]:
    package = document.table("package")
    _check_features(document.table("features"), dependencies)
    for kind in _WITH_REQUIREMENTS:
        for target in document.tables(kind):
            target.texts("required-features")
    inherited = workspace.table("package")
    version, rust_version = (
        inherited.get(key) if isinstance(package.get(key), Mapping) else package.get(key)
        for key in ("version", "rust-version")
    )
    return {
        "name": package.name("name", _PACKAGE_NAME),
        "manifest_path": str(document.path),
        "dependencies": dependencies,
        "version": version if isinstance(version, str) else None,
        "rust_version": rust_version if isinstance(rust_version, str) else None,
    }


def _check_features(features: Table, dependencies: list[dict[str, Any]]) -> None:
    """Refuse what cargo would, for what names nothing would be planned for all the same ("Features" in its book)."""
    keys = {one["rename"] or one["name"] for one in dependencies}
    optional = {one["rename"] or one["name"] for one in dependencies if one["optional"]}
    hidden = {value[4:] for name in features for value in features.texts(name) if value.startswith("dep:")}
    known = {*features, *(optional - hidden)}
    for name in features:
        features.check_name(name, _FEATURE_NAME)
        for value in features.texts(name):
            key, slash, _ = value.partition("/")
            if value.startswith("dep:"):
                if value[4:] in optional:
                    continue
                why, allowed = "no optional dependency", optional
            elif slash:
                among = optional if key.endswith("?") else keys
                if key.removesuffix("?") in among:
                    continue
                why, allowed = (
                    f"no feature of {'an optional' if key.endswith('?') else 'a'} dependency",
                    among,
                )
            elif value in known:
                continue
            elif value in optional:
                features.fail(name, f"holds '{value}', which is hidden by 'dep:{value}'", f"'dep:{value}'")
            else:
                why, allowed = "no feature and no optional dependency", known
            shown = ", ".join(sorted(allowed - {name, "default"})) or "none, as there is none here"
            features.fail(name, f"holds '{value}', which is {why}", shown)


def _dependencies(document: Table, workspace: Table, root: Path) -> Iterator[dict[str, Any]]:
    shared = workspace.table("dependencies")
    targets = document.table("target")
    for target, table in [(None, document), *((name, targets.table(name)) for name in targets)]:
        for kind_table, kind in DEPENDENCY_TABLES.items():
            declared = table.table(kind_table)
            for key in sorted(declared):  # as cargo does
                one = _dependency(key, declared, shared, root)
                yield {**one, "kind": kind, "target": target}


def _dependency(key: str, declared: Table, shared: Table, root: Path) -> dict[str, Any]:
    own = declared.table_or_text(key, "version")
    inherits = own.get("workspace") is True
    origin = shared.table_or_text(key, "version") if inherits else own
    path, package = origin.text("path"), origin.text("package")
    default = origin.get("default-features", True) or (inherits and own.get("default-features", False))
    folder = root.parent if inherits else declared.path.parent
    return {
        "name": package or key,
        "rename": key if package else None,
        "optional": own.get("optional") is True,
        "features": [*(origin.texts("features") if inherits else ()), *own.texts("features")],
        "uses_default_features": bool(default),
        "path": os.path.normpath(folder / path) if path else None,
    }
