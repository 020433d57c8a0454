"""The Rust source of a crate, as text to search."""

from __future__ import annotations

from feature_matrix.manifests import Crate, Workspace


def source_text(crate: Crate, workspace: Workspace) -> str:
    """All Rust of the crate, without other members that lie below it and what was built."""
    folder = crate.manifest.parent
    others = {one.manifest.parent for one in workspace.crates.values()} - {folder}
    parts = []
    for path in sorted(folder.rglob("*.rs")):
        if "target" not in path.relative_to(folder).parts and not others & set(path.parents):
            parts.append(path.read_text(encoding="utf-8", errors="replace"))
    return "\n".join(parts)
