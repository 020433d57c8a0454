"""The workspace as Cargo sees it: members, features, dependencies.

Source: "Features" and "Workspaces" in The Cargo Book. `cargo metadata` is the authority for members and inherited
dependencies; it shows implicit and explicit features alike, so the TOML is read besides. Without cargo, TOML alone.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actionlib.errors import ActionError
from feature_matrix.compile_targets import CompileTarget, read_target
from feature_matrix.programs import ask

METADATA_SECONDS = 120
DEPENDENCY_TABLES = {"dependencies": None, "build-dependencies": "build", "dev-dependencies": "dev"}


@dataclass(frozen=True, slots=True)
class Dependency:
    """One dependency by its name in the manifest. `member` is the workspace member that it is, if it is one.

    `absent`: a plan for one target was asked for, and cargo does not build it there.
    """

    key: str
    optional: bool
    member: str
    features: tuple[str, ...]
    default_features: bool
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Crate:
    """A workspace member. `features` are the declared ones; `implicit` those that an optional dependency makes."""

    name: str
    manifest: Path
    features: Mapping[str, tuple[str, ...]]
    implicit: frozenset[str]
    dependencies: tuple[Dependency, ...]
    rust_version: str
    targets: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # with the features that they require

    def names(self) -> list[str]:
        """All features but `default`, in the manifest's order, the implicit ones last."""
        return [name for name in self.features if name != "default"] + sorted(self.implicit)


@dataclass(frozen=True, slots=True)
class Workspace:
    """All members by name. `source` is `cargo metadata` or `Cargo.toml`. `target`: read as cargo builds it there.

    `target_directory` is where cargo, started in the root, puts what it builds.
    """

    root: Path
    crates: Mapping[str, Crate]
    source: str
    target_directory: Path
    target: CompileTarget | None = None


def read_workspace(manifest: Path, *, environ: Mapping[str, str], target_aware: bool = False) -> Workspace:
    """Read the manifest's workspace; `target_aware`: as cargo builds it on this target.

    Raises ActionError for a file that is absent, no TOML, or refused by cargo.
    """
    if not manifest.is_file():
        raise ActionError(
            f"input 'manifest-path' is '{manifest}', where there is no file",
            hint="Check the code out first, or give the path of a Cargo.toml",
        )
    document = read_toml(manifest)
    has_cargo = shutil.which("cargo", path=environ.get("PATH")) is not None
    if has_cargo:
        root, target_directory, packages = _ask_cargo(manifest, environ)
    else:
        root, packages = manifest.parent, list(_read_members(manifest, document))
        target_directory = root / "target"
    target = read_target(environ, root) if target_aware else None
    names = {Path(str(one["manifest_path"])).parent.resolve(): str(one["name"]) for one in packages}
    crates = [_crate(package, names, target) for package in packages]
    source = "cargo metadata" if has_cargo else "Cargo.toml"
    return Workspace(root, {crate.name: crate for crate in crates}, source, target_directory, target)


def misplaced_rust_version(workspace: Workspace) -> str:
    """`rust-version` below [workspace], where cargo ignores it; empty where there is none."""
    manifest = workspace.root / "Cargo.toml"
    document = read_toml(manifest) if manifest.is_file() else {}
    return str((document.get("workspace") or {}).get("rust-version") or "")


def read_toml(path: Path) -> dict[str, Any]:
    """A manifest. Raises ActionError that names the file and, for a mistake in it, the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ActionError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise ActionError(f"{path} cannot be read: {error.strerror}") from error


def _ask_cargo(manifest: Path, environ: Mapping[str, str]) -> tuple[Path, Path, list[dict[str, Any]]]:
    """Root, target directory and members of the manifest's workspace.

    Cargo is asked in the root, where it will build: its configuration and its toolchain depend on the folder.
    """
    command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version=1"]
    answer = ask(
        [*command, f"--manifest-path={manifest}"],
        environ=environ,
        folder=manifest.parent,
        seconds=METADATA_SECONDS,
    )
    if answer.exit_code:
        raise ActionError(f"cargo metadata refuses {manifest}: {answer.why}")
    told = json.loads(answer.text)
    root = Path(told["workspace_root"])
    if root.resolve() != manifest.parent.resolve():
        return _ask_cargo(root / "Cargo.toml", environ)
    members = set(told["workspace_members"])
    packages = [one for one in told["packages"] if one["id"] in members]
    return root, Path(told["target_directory"]), packages


def _read_members(manifest: Path, document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The members in the form of `cargo metadata`, as far as it is used here."""
    workspace = document.get("workspace") or {}
    shared = {key: _as_table(value) for key, value in (workspace.get("dependencies") or {}).items()}
    if "package" in document:
        yield _package(manifest, document, shared)
    excluded = {(manifest.parent / path).resolve() for path in workspace.get("exclude") or ()}
    seen = {manifest.resolve()}
    for pattern in workspace.get("members") or ():
        for folder in sorted(manifest.parent.glob(pattern)):
            path = folder / "Cargo.toml"
            if path.is_file() and path.resolve() not in seen and folder.resolve() not in excluded:
                seen.add(path.resolve())
                yield _package(path, read_toml(path), shared)


def _package(
    path: Path, document: Mapping[str, Any], shared: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    tables = {None: document, **(document.get("target") or {})}
    dependencies = []
    for target, table in tables.items():
        for name, kind in DEPENDENCY_TABLES.items():
            for key, value in (table.get(name) or {}).items():
                one = _dependency(path, key, _as_table(value), shared)
                dependencies.append({**one, "kind": kind, "target": target})
    package = document.get("package") or {}
    rust_version = package.get("rust-version")
    return {
        "name": package.get("name", path.parent.name),
        "manifest_path": str(path),
        "dependencies": dependencies,
        "rust_version": rust_version if isinstance(rust_version, str) else None,
    }


def _dependency(
    path: Path, key: str, value: Mapping[str, Any], shared: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    inherited = shared.get(key, {}) if value.get("workspace") else {}
    whole = {**inherited, **value}
    local = whole.get("path")
    return {
        "name": whole.get("package", key),
        "rename": key if "package" in whole else None,
        "optional": bool(whole.get("optional", False)),
        "features": [*inherited.get("features", ()), *value.get("features", ())],
        "uses_default_features": bool(whole.get("default-features", True)),
        "path": str((path.parent / local).resolve()) if local else None,
    }


def _as_table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {"version": value}


def _crate(package: Mapping[str, Any], names: Mapping[Path, str], target: CompileTarget | None) -> Crate:
    path = Path(str(package["manifest_path"]))
    document = read_toml(path)
    features = {name: tuple(map(str, values)) for name, values in (document.get("features") or {}).items()}
    declared: dict[str, list[Mapping[str, Any]]] = {}
    for one in package["dependencies"]:
        if one.get("kind") != "dev":
            declared.setdefault(str(one.get("rename") or one["name"]), []).append(one)
    dependencies = tuple(_united(key, some, names, target) for key, some in declared.items())
    # `dep:x` anywhere takes the implicit feature x away.
    every = [value for values in features.values() for value in values]
    hidden = {value.removeprefix("dep:") for value in every if value.startswith("dep:")}
    implicit = {one.key for one in dependencies if one.optional} - hidden - set(features)
    return Crate(
        name=str(package["name"]),
        manifest=path,
        features=features,
        implicit=frozenset(implicit),
        dependencies=dependencies,
        rust_version=str(package.get("rust_version") or ""),
        targets={
            f"{kind} {target.get('name', '')}": tuple(target["required-features"])
            for kind in ("bin", "example", "test", "bench")
            for target in document.get(kind) or ()
            if target.get("required-features")
        },
    )


def _united(
    key: str, declared: Sequence[Mapping[str, Any]], names: Mapping[Path, str], target: CompileTarget | None
) -> Dependency:
    """One dependency that a manifest may declare several times, for targets and for build scripts.

    What only some of the declarations ask for counts as not asked for: a feature that asks for it makes a difference.
    On one target, cargo unites what the declarations for it ask for.
    """
    here = [one for one in declared if target is None or target.is_meant_by(one.get("target"))]
    some = here or declared
    kinds = [[one] for one in some]
    if target:
        kinds = [
            [one for one in some if one.get("kind") == kind] for kind in {one.get("kind") for one in some}
        ]
    asked = [{name for one in kind for name in one["features"]} for kind in kinds]
    return Dependency(
        key=key,
        optional=any(all(one["optional"] for one in kind) for kind in kinds),
        member=next((member for one in some if (member := _member(one, names))), ""),
        features=tuple(sorted(set.intersection(*asked))),
        default_features=all(any(one["uses_default_features"] for one in kind) for kind in kinds),
        absent=not here,
    )


def _member(dependency: Mapping[str, Any], names: Mapping[Path, str]) -> str:
    """The member that a dependency is; empty for one from elsewhere."""
    path = dependency.get("path")
    return names.get(Path(str(path)).resolve(), "") if path else ""
