"""`docs`: the documentation for none, the default and all features: warnings are errors, and links are followed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from actionlib.entrypoint import EXIT_USER_ERROR, Context, Result
from actionlib.errors import ActionError
from actionlib.summary import code, escape_cell
from feature_matrix.inputs import Settings
from feature_matrix.links import check_links, check_pages, links_in
from feature_matrix.outcomes import PASSED
from feature_matrix.reports import report
from feature_matrix.resolution import require_cargo
from feature_matrix.rows import standard_rows
from feature_matrix.selection import workspace_named
from feature_matrix.timings import Timings
from feature_matrix.validate_mode import run_rows

TITLE = "Documentation"


def docs(context: Context, settings: Settings) -> Result:
    """Document each row; then, with `check-links`, ask for every address on the pages.

    Links between pages are rustdoc's own to check, and cargo-deadlinks' where that is installed.
    """
    require_cargo(context)
    workspace = workspace_named(context, settings)
    flags = f"{context.environ.get('RUSTDOCFLAGS', '')} --deny warnings".strip()
    run = run_rows(
        context,
        settings,
        workspace,
        standard_rows(context, settings, workspace),
        commands=[("doc", "--no-deps")],
        times=Timings({}),
        environ={"RUSTDOCFLAGS": flags},
    )
    result = report(context, run.outcomes, root=workspace.root, title=TITLE, interrupted=run.interrupted)
    if not settings.check_links or run.interrupted or not any(one.state == PASSED for one in run.outcomes):
        return result
    return _with_links(context, result, run.pages)


def _with_links(context: Context, result: Result, pages: Collection[Path]) -> Result:
    """The result, and which links on these crates' pages are dead."""
    if not pages:
        raise ActionError(
            "input 'check-links' is 'true', and cargo names no page of documentation that it made",
            hint="Look whether the crates have `doc = false`, and whether cargo is older than 1.60",
            outputs=result.outputs,
        )
    links = links_in(pages)
    dead = check_links(links)
    context.out.say(f"{len(links)} links to other sites, {len(dead)} of them dead")
    for link, why in dead.items():
        context.out.error(f"{link} on {links[link]}: {why}", title=TITLE)
    if dead:
        context.summary.table(
            ("dead link", "page", "why"),
            [(code(link), code(links[link]), escape_cell(why)) for link, why in dead.items()],
        )
    broken = check_pages(pages, context.environ)
    for name, said in broken.items():
        context.out.error(f"cargo-deadlinks finds dead links between pages of {name}", title=TITLE)
        context.out.quote(said)
        context.summary.details(f"cargo-deadlinks: {escape_cell(name)}", said)
    facts = {**result.facts, "links": len(links), "dead-links": dead, "dead-pages": broken}
    outputs = {**result.outputs, "findings": str(len(dead) + len(broken))}
    return Result(outputs, EXIT_USER_ERROR if dead or broken else result.exit_code, facts)
