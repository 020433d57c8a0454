"""`msrv`: does each crate build with the oldest Rust that it promises, with none, the default and all features?"""

from __future__ import annotations

from dataclasses import replace

from actionlib.entrypoint import Context, Result
from actionlib.errors import ActionError
from feature_matrix.inputs import Settings
from feature_matrix.manifest_lint import lint
from feature_matrix.manifests import idle_rust_versions
from feature_matrix.reports import report
from feature_matrix.resolution import require_cargo
from feature_matrix.rows import standard_rows
from feature_matrix.selection import workspace_named
from feature_matrix.timings import Timings
from feature_matrix.toolchains import toolchain_for
from feature_matrix.validate_mode import run_rows

TITLE = "Minimum Rust version"


def msrv(context: Context, settings: Settings) -> Result:
    """Check the rows of each crate with its own oldest toolchain.

    Raises ActionError where no crate declares a version, or a declared one is not here.
    """
    require_cargo(context)
    workspace = workspace_named(context, settings)
    for one in lint(workspace, ()):
        context.out.warning(one.text, title=TITLE)  # what makes the promise void
    meant = next(iter(idle_rust_versions(workspace).values()), "")
    versions = {crate.name: crate.rust_version or meant for crate in workspace.crates.values()}
    rows = standard_rows(context, settings, workspace)
    for name in dict.fromkeys(row.crate for row in rows if not versions[row.crate]):
        context.out.notice(f"{name} declares no rust-version, and is left out", title=TITLE)
    rows = [row for row in rows if versions[row.crate]]
    if not rows:
        raise ActionError(
            f"no crate of {workspace.root} says which Rust it needs",
            hint='Write rust-version = "1.NN" below [package], or below [workspace.package] and inherit it',
        )
    needed = dict.fromkeys(versions[row.crate] for row in rows)
    toolchains = {
        version: toolchain_for(context, version, folder=workspace.root, install=settings.install)
        for version in needed
    }
    chosen = [
        replace(
            row,
            toolchain=toolchains[versions[row.crate]],
            description=f"{row.description} (Rust {versions[row.crate]})",
        )
        for row in rows
    ]
    run = run_rows(context, settings, workspace, chosen, commands=[("check",)], times=Timings({}))
    return report(context, run.outcomes, root=workspace.root, title=TITLE, interrupted=run.interrupted)
