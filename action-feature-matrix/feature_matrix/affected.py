"""Which crates a change can touch: those whose files changed, and all that depend on them."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from actionlib.errors import ActionError
from feature_matrix.manifests import Workspace

GIT_SECONDS = 120
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


def changed_since(base: str, folder: Path, *, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Files that differ between the merge base with `base` and the working tree, relative to `folder`.

    Raises ActionError where git does not know the base: a shallow checkout does not have it.
    """
    base_commit = _git(folder, environ, "merge-base", base, "HEAD").strip()
    return tuple(
        filter(
            None, _git(folder, environ, "diff", "--name-only", "--relative", "-z", base_commit).split("\0")
        )
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


def _git(folder: Path, environ: Mapping[str, str], *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=dict(environ),
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ActionError(f"git {arguments[0]} could not be run: {error}") from error
    if done.returncode:
        raise ActionError(
            f"git {' '.join(arguments)} failed: {done.stderr.strip() or 'the two have no commit in common'}",
            hint="Check out with `fetch-depth: 0`, or give the files in 'changed-files'",
        )
    return done.stdout
