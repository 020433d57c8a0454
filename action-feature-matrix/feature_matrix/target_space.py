"""Room on the disk for what cargo builds, and what may be removed to make some."""

from __future__ import annotations

import shutil
from pathlib import Path

from feature_matrix.manifests import Workspace

# What cargo writes into a target directory that it makes, and into no other (cargo-util's paths.rs,
# create_dir_all_excluded_from_backups_atomic); the signature is that of https://bford.info/cachedir/.
TAG = "CACHEDIR.TAG"
SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
MAKER = b"created by cargo"


def free_bytes(workspace: Workspace) -> int:
    """What is free on the disk of the target directory, which need not exist yet."""
    target = workspace.target_directory
    return shutil.disk_usage(next(path for path in (target, *target.parents) if path.is_dir())).free


def is_expendable(workspace: Workspace, checkout: Path) -> bool:
    """Whether the target directory can be built again and is nobody else's.

    Cargo itself must have made it, it must lie inside the checkout, and no member may lie in it: CARGO_TARGET_DIR can
    name any folder.
    """
    target = workspace.target_directory.resolve()
    tag = target / TAG
    if checkout.resolve() not in target.parents or tag.is_symlink() or not tag.is_file():
        return False
    text = tag.read_bytes()
    sources = [workspace.root, *(crate.manifest for crate in workspace.crates.values())]
    return (
        text.startswith(SIGNATURE)
        and MAKER in text
        and not any(path.resolve().is_relative_to(target) for path in sources)
    )


def empty_target(workspace: Workspace) -> int:
    """Remove what lies in the target directory, but for the tag that says whose it is; returns the bytes gained."""
    before = free_bytes(workspace)
    for path in workspace.target_directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != TAG:
            path.unlink(missing_ok=True)
    return max(0, free_bytes(workspace) - before)
