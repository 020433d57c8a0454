"""`plan`: which combinations to test, as a matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from actionlib.entrypoint import Context, Result
from actionlib.scoped_runs import workspace_of
from actionlib.summary import code
from feature_matrix.affected import affected_crates, changed_files
from feature_matrix.configuration import Configuration, CuratedRow
from feature_matrix.inputs import Settings
from feature_matrix.manifests import Crate, Workspace
from feature_matrix.matrix_size import as_output
from feature_matrix.planning import CratePlan, Row, plan_crate
from feature_matrix.selection import (
    chosen_crates,
    configuration_of,
    constraints_for,
    graph_of,
    workspace_named,
)
from feature_matrix.shards import as_matrix, into_shards
from feature_matrix.timings import timings_of

TITLE = "Feature matrix"
ROWS_SHOWN = 300


def plan(context: Context, settings: Settings) -> Result:
    """Plan the rows of all chosen crates."""
    workspace = workspace_named(context, settings)
    plans = _plans(context, settings, workspace)
    rows = [row for one in plans for row in one.rows]
    times = timings_of(context, settings)
    shards = into_shards(rows, most=min(settings.max_jobs, settings.shards or len(rows)), times=times)
    _summarise(context, plans, jobs=len(shards), workspace=workspace)
    context.out.say(f"{len(rows)} rows for {len(plans)} crates in {len(shards)} jobs")
    outputs = {
        "matrix": as_output(as_matrix(shards)),
        "count": str(len(rows)),
        "has-jobs": "true" if shards else "false",
    }
    facts = {
        "source": workspace.source,
        "target": workspace.target.triple if workspace.target else "",
        "crates": [asdict(one) for one in plans],
        "jobs": len(shards),
    }
    return Result(outputs, facts=facts)


def plan_rows(context: Context, settings: Settings, workspace: Workspace) -> list[Row]:
    """All rows, for a job that runs what it plans."""
    return [row for one in _plans(context, settings, workspace) for row in one.rows]


def crates_to_plan(
    context: Context, settings: Settings, workspace: Workspace, configuration: Configuration
) -> Mapping[str, Crate]:
    """The chosen crates, and of these, where it is told what changed, those that the change can touch."""
    crates = chosen_crates(workspace, settings)
    changed = changed_files(context, settings)
    if changed is None:
        return crates
    affected = affected_crates(
        workspace, changed, folder=workspace_of(context.environ), config=configuration.path
    )
    crates = {name: crate for name, crate in crates.items() if name in affected.crates}
    context.out.say(f"{len(crates)} crates to plan: {affected.reason}")
    return crates


def _plans(context: Context, settings: Settings, workspace: Workspace) -> list[CratePlan]:
    configuration = configuration_of(context, settings, workspace)
    crates = crates_to_plan(context, settings, workspace, configuration)
    curated = [row for row in configuration.rows if row.crate in crates and _is_wanted(row, context)]
    plans = [_plan_one(crate, workspace, configuration, curated, settings) for crate in crates.values()]
    if workspace.source == "Cargo.toml":
        context.out.notice("there is no cargo on PATH: planned from Cargo.toml alone", title=TITLE)
    return plans


def _is_wanted(row: CuratedRow, context: Context) -> bool:
    """Rows for development are for people who ask; deprecated ones come with a warning."""
    name = f"{row.crate}: {row.description or ', '.join(row.features)} (line {row.line})"
    if row.dev and context.environ.get("GITHUB_EVENT_NAME") != "workflow_dispatch":
        context.out.say(f"Left out, for it is a development row and nobody started this run by hand: {name}")
        return False
    if row.deprecated:
        context.out.warning(f"a deprecated combination is tested: {name}", title=TITLE)
    return True


def _plan_one(
    crate: Crate,
    workspace: Workspace,
    configuration: Configuration,
    curated: Sequence[CuratedRow],
    settings: Settings,
) -> CratePlan:
    graph = graph_of(crate, workspace)
    return plan_crate(
        graph,
        strategy=settings.strategy,
        depth=settings.depth,
        constraints=constraints_for(graph, configuration),
        curated=[row for row in curated if row.crate == crate.name],
        place=configuration.settings.get(crate.name),
    )


def _summarise(context: Context, plans: Sequence[CratePlan], *, jobs: int, workspace: Workspace) -> None:
    summary = context.summary
    rows = sum(len(one.rows) for one in plans)
    each = sum(one.each_feature_rows for one in plans)
    summary.heading(f"{TITLE}: {rows} combinations in {jobs} job{'' if jobs == 1 else 's'}")
    summary.table(
        ("crate", "features", "rows", "pairs", "implications", "each feature", "depth 2", "all subsets"),
        [
            (
                code(one.crate),
                one.features,
                f"{len(one.rows)}{' (optimal)' if one.optimal else ''}",
                f"{one.pairs} of {one.pairs_feasible}",
                f"{one.edges} of {one.edges_feasible}",
                one.each_feature_rows,
                one.depth_two_rows,
                _large(one.all_subsets),
            )
            for one in plans
        ],
    )
    where = f" What builds the same for `{workspace.target.triple}` is one row." if workspace.target else ""
    summary.paragraph(
        f"`cargo hack --each-feature` would test {each} combinations. Read from `{workspace.source}`.{where}"
    )
    shown = [row for one in plans for row in one.rows][:ROWS_SHOWN]
    summary.table(
        ("combination", "why", "builds the same"),
        [(code(row.description), row.reason, ", ".join(map(code, row.also[:5]))) for row in shown],
    )
    if rows > len(shown):
        summary.paragraph(f"{rows - len(shown)} more rows are in the JSON file.")


def _large(number: int) -> str:
    return f"{number:,}" if number < 10**7 else f"{number:.1e}"
