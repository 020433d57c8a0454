"""Mistakes in manifests that cargo says nothing about, and that cost a team a combination or a morning."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from feature_matrix.feature_uses import is_used
from feature_matrix.manifests import Crate, Workspace, idle_rust_versions
from feature_matrix.sources import source_text
from feature_matrix.toml_files import line_of, read_toml

WARNING, NOTICE = "warning", "notice"
# "Cargo.lock format" in cargo's src/cargo/core/resolver/encode.rs: the first release that reads each version.
LOCK_FILE_NEEDS = {3: (1, 53), 4: (1, 78)}

INHERIT = "`rust-version.workspace = true` in each crate"
# By the table that holds it: the rule's name, and what to do.
IDLE_RUST_VERSIONS = {
    "workspace": (
        "rust-version-misplaced",
        f": write it below [workspace.package], and {INHERIT}",
    ),
    "workspace.package": ("rust-version-not-inherited", f", for no crate inherits it: write {INHERIT}"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake. `level` is `warning`, or `notice` for what may be meant. `line` 0 is the whole file."""

    level: str
    rule: str
    file: Path
    line: int
    text: str


def lint(workspace: Workspace, crates: Iterable[Crate]) -> tuple[Finding, ...]:
    """What is wrong with the workspace and these crates of it, by file and line.

    Raises ActionError for a file that cannot be read.
    """
    found = [*_lint_root(workspace)]
    for crate in crates:
        found += _lint_crate(crate, workspace)
    return tuple(sorted(found, key=lambda one: (str(one.file), one.line, one.rule)))


def _lint_root(workspace: Workspace) -> Iterator[Finding]:
    manifest = workspace.root / "Cargo.toml"
    idle = idle_rust_versions(workspace)
    for table, declared in idle.items():
        rule, why = IDLE_RUST_VERSIONS[table]
        text = f"rust-version = {declared!r} below [{table}] has no effect{why}"
        yield Finding(WARNING, rule, manifest, line_of(manifest, table, "rust-version"), text)
    lock = workspace.root / "Cargo.lock"
    if not lock.is_file():
        return
    version = read_toml(lock).get("version", 1)
    needs = LOCK_FILE_NEEDS.get(version) if isinstance(version, int) else None
    declared_by = [crate.rust_version for crate in workspace.crates.values() if crate.rust_version]
    versions = [_release(one) for one in [*declared_by, *idle.values()]]
    lowest = min((one for one in versions if one), default=None)
    if needs and lowest and lowest < needs:
        yield Finding(
            WARNING,
            "lock-file-too-new",
            lock,
            line_of(lock, "", "version"),
            f"version {version} of Cargo.lock needs Rust {_text(needs)}, and {_text(lowest)} is declared: with "
            "--locked that toolchain cannot build it. Raise rust-version, or write the lock file with that toolchain",
        )


def _lint_crate(crate: Crate, workspace: Workspace) -> Iterator[Finding]:
    source = source_text(crate)
    named = _named_elsewhere(crate, workspace)

    def finding(level: str, rule: str, key: str, text: str, *, table: str = "features") -> Finding:
        return Finding(level, rule, crate.manifest, line_of(crate.manifest, table, key), text)

    for feature, values in crate.features.items():
        if feature == "default" or is_used(feature, source):
            continue
        if not values and feature not in named:
            text = f"feature '{feature}' of {crate.name} is referenced nowhere, in no code, feature or target"
            yield finding(WARNING, "feature-unused", feature, text)
        if len(values) == 1 and values[0] in crate.features:
            text = f"feature '{feature}' of {crate.name} is another name for '{values[0]}'"
            yield finding(NOTICE, "feature-alias", feature, text)
    for feature in sorted(crate.implicit):
        text = (
            f"the optional dependency {feature} of {crate.name} is also a feature; `dep:{feature}` hides it"
        )
        yield finding(NOTICE, "feature-implicit", feature, text, table="")
    for feature, other in _look_alikes(crate):
        text = f"features '{other}' and '{feature}' of {crate.name} differ in - and _ only"
        yield finding(WARNING, "feature-look-alike", feature, text)
    for value in crate.features.get("default", ()):
        if "/" in value or value.startswith("dep:"):
            text = (
                f"default of {crate.name} holds '{value}' itself: to be without it, one gives up all defaults"
            )
            yield finding(NOTICE, "default-not-droppable", "default", text)


def _look_alikes(crate: Crate) -> Iterator[tuple[str, str]]:
    """Features with an earlier one of the same letters."""
    seen: dict[str, str] = {}
    for feature in crate.names():
        other = seen.setdefault(feature.replace("_", "-"), feature)
        if other != feature:
            yield feature, other


def _named_elsewhere(crate: Crate, workspace: Workspace) -> set[str]:
    """Features that this crate's other features or targets name, or other members ask for."""
    named = {value for values in crate.features.values() for value in values} | {
        feature for features in crate.targets.values() for feature in features
    }
    for other in workspace.crates.values():
        asking = [one for one in (*other.dependencies, *other.tested_with) if one.member == crate.name]
        keys = {one.key for one in asking}
        named |= {name for one in asking for name in one.features}
        for value in (value for values in other.features.values() for value in values if "/" in value):
            key, _, feature = value.partition("/")
            named |= {feature} if key.removesuffix("?") in keys else set()
    return named


def _release(text: str) -> tuple[int, int] | None:
    match = re.match(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def _text(release: tuple[int, int]) -> str:
    return f"{release[0]}.{release[1]}"
