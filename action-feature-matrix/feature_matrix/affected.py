"""Which crates a change can touch: those that are built from what changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from actionlib.entrypoint import Context
from actionlib.git import run_git, split_names
from actionlib.scoped_runs import workspace_of
from feature_matrix.inputs import Settings
from feature_matrix.manifests import Workspace
from feature_matrix.path_dependencies import users_of_folders
from feature_matrix.selection import text_of

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
    """The crates to test, and in one phrase why."""

    crates: frozenset[str]
    reason: str


def changed_files(context: Context, settings: Settings) -> tuple[str, ...] | None:
    """What the inputs say that has changed, relative to the workspace; None where they do not, and all is tested.

    Raises ActionError for a file that cannot be read, and a base that git does not know.
    """
    if settings.base_ref:
        return changed_since(settings.base_ref, workspace_of(context.environ))
    if settings.changed_files_file:
        text = text_of(context, "changed-files-file", settings.changed_files_file)
        return tuple(filter(None, map(str.strip, text.splitlines())))
    return settings.changed_files


def changed_since(base: str, folder: Path) -> tuple[str, ...]:
    """Files that differ between the merge base with `base` and the working tree, relative to `folder`.

    A file that was moved is told at both places. Raises ActionError where git does not know the base: a shallow
    checkout does not have it.
    """
    why, hint = (
        f"input 'base-ref' ('{base}')",
        "Check out with `fetch-depth: 0`, or give the files in 'changed-files'",
    )
    begin = run_git(folder, "merge-base", base, "HEAD", why=why, hint=hint).decode().strip()
    command = ("diff", "--name-only", "--no-renames", "--relative", "-z", begin)
    return tuple(split_names(run_git(folder, *command, why=why, hint=hint)))


def affected_crates(workspace: Workspace, changed: Iterable[str], *, folder: Path, config: Path) -> Affected:
    """`changed` are paths relative to `folder`."""
    root = workspace.root.resolve()
    whole = {root / name for name in OF_THE_WORKSPACE} | {config.resolve()}
    whole |= {place / name for place in (root, *root.parents) for name in OF_FOLDERS_ABOVE}
    users = users_of_folders(workspace)
    touched: set[str] = set()
    for name in changed:
        path = (folder / name).resolve()
        if path in whole:
            return Affected(frozenset(workspace.crates), f"{name} changed, which can change every build")
        owner = next((one for one in (path, *path.parents) if one in users), path)
        # A submodule is told as one path, which may hold several packages.
        below = [one for one in users if path in one.parents] if path.is_dir() else []
        touched |= {crate for one in (owner, *below) for crate in users.get(one, ())}
    return Affected(frozenset(touched), "those that are built from what changed")
