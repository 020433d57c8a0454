"""Which crates a change can touch: those whose files changed, and all that depend on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from actionlib.git import run_git, split_names
from feature_matrix.manifests import Workspace

# A change to one of these can change any build.
FOR_ALL = (
    "Cargo.lock",
    "Cargo.toml",
    "rust-toolchain",
    "rust-toolchain.toml",
    ".cargo/config",
    ".cargo/config.toml",
)


@dataclass(frozen=True, slots=True)
class Affected:
    """The crates to test, and in one phrase why."""

    crates: frozenset[str]
    reason: str


def changed_since(base: str, folder: Path) -> tuple[str, ...]:
    """Files that differ between the merge base with `base` and the working tree, relative to `folder`.

    Raises ActionError where git does not know the base: a shallow checkout does not have it.
    """
    why, hint = (
        f"input 'base-ref' ('{base}')",
        "Check out with `fetch-depth: 0`, or give the files in 'changed-files'",
    )
    begin = run_git(folder, "merge-base", base, "HEAD", why=why, hint=hint).decode().strip()
    return tuple(
        split_names(run_git(folder, "diff", "--name-only", "--relative", "-z", begin, why=why, hint=hint))
    )


def affected_crates(workspace: Workspace, changed: Iterable[str], *, folder: Path, config: Path) -> Affected:
    """`changed` are paths relative to `folder`."""
    root = workspace.root.resolve()
    folders = {crate.manifest.parent.resolve(): name for name, crate in workspace.crates.items()}
    every = frozenset(workspace.crates)
    whole = {root / name for name in FOR_ALL} | {config.resolve()}
    touched = set()
    for name in changed:
        path = (folder / name).resolve()
        if path in whole:
            return Affected(every, f"{name} changed, which can change every build")
        owner = next((folders[one] for one in [path, *path.parents] if one in folders), None)
        if owner:
            touched.add(owner)
    crates = _with_dependents(workspace, touched)
    return Affected(crates, f"{len(touched)} crates changed, and what depends on them")


def _with_dependents(workspace: Workspace, touched: Collection[str]) -> frozenset[str]:
    reached = set(touched)
    while True:
        more = {
            name
            for name, crate in workspace.crates.items()
            if any(one.member in reached for one in crate.dependencies) or set(crate.development) & reached
        }
        if more <= reached:
            return frozenset(reached)
        reached |= more
