"""The workspace as Cargo sees it: members, features, dependencies.

Source: "Features" and "Workspaces" in The Cargo Book. `cargo metadata` is the authority for members and inherited
dependencies; it shows implicit and explicit features alike, so the TOML is read besides. Without cargo, TOML alone.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actionlib.errors import ActionError
from actionlib.programs import ask
from feature_matrix.compile_targets import CompileTarget, read_target
from feature_matrix.toml_files import read_toml
from feature_matrix.toml_members import read_members

METADATA_SECONDS = 120


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
    """A workspace member. `features` are the declared ones; `implicit` those that an optional dependency makes.

    `dependencies` are what it is built from, `tested_with` what only its tests and examples use. `spec` is what tells
    it from another package of its name.
    """

    name: str
    manifest: Path
    features: Mapping[str, tuple[str, ...]]
    implicit: frozenset[str]
    dependencies: tuple[Dependency, ...]
    rust_version: str
    # With the features that they require.
    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tested_with: tuple[Dependency, ...] = ()
    spec: str = ""

    @property
    def package(self) -> str:
        """What cargo's `--package` takes for it."""
        return self.spec or self.name

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
    read_toml(manifest)  # what is no TOML is told in the same words with cargo and without
    has_cargo = shutil.which("cargo", path=environ.get("PATH")) is not None
    if has_cargo:
        root, target_directory, packages = _ask_cargo(manifest, environ)
    else:
        root, packages = read_members(manifest)
        target_directory = root / "target"
    target = read_target(environ, root) if target_aware else None
    names = {Path(str(one["manifest_path"])).parent.resolve(): str(one["name"]) for one in packages}
    known = _known_packages(root, packages)
    crates = [_crate(package, names, target, known=known) for package in packages]
    source = "cargo metadata" if has_cargo else "Cargo.toml"
    return Workspace(root, {crate.name: crate for crate in crates}, source, target_directory, target)


def idle_rust_versions(workspace: Workspace) -> dict[str, str]:
    """What declares a `rust-version` to no effect, by its table in the workspace's manifest.

    Cargo ignores one below [workspace], and one below [workspace.package] is for members to inherit.
    """
    manifest = workspace.root / "Cargo.toml"
    document = read_toml(manifest) if manifest.is_file() else {}
    table = document.get("workspace") or {}
    found = {"workspace": table.get("rust-version"), "workspace.package": None}
    if not any(map(_inherits_rust_version, workspace.crates.values())):
        found["workspace.package"] = (table.get("package") or {}).get("rust-version")
    return {name: version for name, version in found.items() if isinstance(version, str) and version}


def _inherits_rust_version(crate: Crate) -> bool:
    return isinstance((read_toml(crate.manifest).get("package") or {}).get("rust-version"), Mapping)


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


def _known_packages(root: Path, packages: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """How many packages there are of each name, by the lock file, and by what members ask for from elsewhere."""
    lock = root / "Cargo.lock"
    listed = read_toml(lock).get("package") if lock.is_file() else None
    locked = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    members = {Path(str(one["manifest_path"])).parent.resolve() for one in packages}
    elsewhere = {
        str(one["name"])
        for package in packages
        for one in package["dependencies"]
        if not one.get("path") or Path(str(one["path"])).resolve() not in members
    }
    return Counter(str(one.get("name")) for one in locked) | Counter(
        [*elsewhere, *(str(one["name"]) for one in packages)]
    )


def _crate(
    package: Mapping[str, Any],
    names: Mapping[Path, str],
    target: CompileTarget | None,
    *,
    known: Counter[str],
) -> Crate:
    path = Path(str(package["manifest_path"]))
    document = read_toml(path)
    features = {name: tuple(map(str, values)) for name, values in (document.get("features") or {}).items()}
    built: dict[str, list[Mapping[str, Any]]] = {}
    tested: dict[str, list[Mapping[str, Any]]] = {}
    for one in package["dependencies"]:
        declared = tested if one.get("kind") == "dev" else built
        declared.setdefault(str(one.get("rename") or one["name"]), []).append(one)
    dependencies = tuple(_united(key, some, names, target) for key, some in built.items())
    name = str(package["name"])
    # `dep:x` anywhere takes the implicit feature x away.
    every = [value for values in features.values() for value in values]
    hidden = {value.removeprefix("dep:") for value in every if value.startswith("dep:")}
    implicit = {one.key for one in dependencies if one.optional} - hidden - set(features)
    return Crate(
        name=name,
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
        tested_with=tuple(_united(key, some, names, target) for key, some in tested.items()),
        spec=f"{name}@{package['version']}" if known[name] > 1 and package.get("version") else "",
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
