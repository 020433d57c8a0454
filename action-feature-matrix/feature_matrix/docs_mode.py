"""`docs`: the documentation for none, the default and all features: warnings are errors, and links are followed."""

from __future__ import annotations

from pathlib import Path

from actionlib.entrypoint import EXIT_USER_ERROR, Context, Result
from actionlib.summary import code, escape_cell
from feature_matrix.cargo_runs import require_cargo
from feature_matrix.inputs import Settings
from feature_matrix.links import check_links, check_pages, links_in
from feature_matrix.outcomes import PASSED
from feature_matrix.rows import standard_rows
from feature_matrix.selection import workspace_named
from feature_matrix.timings import Timings
from feature_matrix.validate_mode import report, run_rows

TITLE = "Documentation"


def docs(context: Context, settings: Settings) -> Result:
    """Document each row; then, with `check-links`, ask for every address on the pages.

    Links between pages are rustdoc's own to check, and cargo-deadlinks' where that is installed.
    """
    require_cargo(context)
    workspace = workspace_named(context, settings)
    rows = standard_rows(context, settings, workspace)
    flags = f"{context.environ.get('RUSTDOCFLAGS', '')} --deny warnings".strip()
    outcomes, interrupted = run_rows(
        context,
        settings,
        workspace,
        rows,
        commands=[("doc", "--no-deps")],
        times=Timings({}),
        environ={"RUSTDOCFLAGS": flags},
    )
    result = report(context, outcomes, root=workspace.root, title=TITLE, interrupted=interrupted)
    if not settings.check_links or interrupted or not any(one.state == PASSED for one in outcomes):
        return result
    folder = Path(context.environ.get("CARGO_TARGET_DIR") or workspace.root / "target") / "doc"
    names = {row.crate.replace("-", "_") for row in rows}
    links = links_in(folder, names)
    dead = check_links(links)
    context.out.say(f"{len(links)} links to other sites, {len(dead)} of them dead")
    for link, why in dead.items():
        context.out.error(f"{link} on {links[link].relative_to(folder)}: {why}", title=TITLE)
    if dead:
        rows_shown = [
            (code(link), code(links[link].relative_to(folder)), escape_cell(why))
            for link, why in dead.items()
        ]
        context.summary.table(("dead link", "page", "why"), rows_shown)
    pages = check_pages(folder, names, context.environ)
    for name, said in pages.items():
        context.out.error(f"cargo-deadlinks finds dead links between pages of {name}", title=TITLE)
        context.out.quote(said)
        context.summary.details(f"cargo-deadlinks: {escape_cell(name)}", said)
    facts = {**result.facts, "links": len(links), "dead-links": dead, "dead-pages": pages}
    outputs = {**result.outputs, "findings": str(len(dead) + len(pages))}
    return Result(outputs, EXIT_USER_ERROR if dead or pages else result.exit_code, facts)
