"""Which crates a change can touch: those that are built from what changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from feature_matrix.changed_files import ChangedFiles
from feature_matrix.manifests import Workspace
from feature_matrix.path_dependencies import users_of

# A change to one of these can change any build: beside the workspace's manifest, and in any folder above, too.
OF_THE_WORKSPACE = ("Cargo.lock", "Cargo.toml", ".config/nextest.toml")
OF_FOLDERS_ABOVE = (
    "rust-toolchain",
    "rust-toolchain.toml",
    ".cargo/config",
    ".cargo/config.toml",
    "clippy.toml",
    ".clippy.toml",
)


@dataclass(frozen=True, slots=True)
class Affected:
    """The crates to test, and in one phrase why. `strangers` are the changed files that no crate is built from."""

    crates: frozenset[str]
    reason: str
    strangers: tuple[str, ...] = ()


def affected_crates(workspace: Workspace, changed: ChangedFiles, *, config: Path) -> Affected:
    """Who is to be tested after such a change."""
    root = workspace.root.resolve()
    whole = {root / name for name in OF_THE_WORKSPACE} | {config.resolve()}
    whole |= {place / name for place in (root, *root.parents) for name in OF_FOLDERS_ABOVE}
    users = users_of(workspace)
    touched: set[str] = set()
    strangers = []
    for name in changed.names:
        path = changed.folder / name
        # What is a link belongs to those who have the link, and to those who have what it leads to.
        places = {path.resolve(), path.parent.resolve() / path.name}
        if places & whole:
            return Affected(frozenset(workspace.crates), f"{name} changed, which can change every build")
        crates = {crate for place in places for crate in users.of(place)}
        touched |= crates
        strangers += [] if crates else [name]
    return Affected(frozenset(touched), "those that are built from what changed", tuple(strangers))
