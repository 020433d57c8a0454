"""`plan`: which combinations to test, as a matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from actionlib.entrypoint import Context, Result
from feature_matrix.affected import Affected, affected_crates
from feature_matrix.changed_files import changed_files
from feature_matrix.configuration import Configuration, CuratedRow
from feature_matrix.inputs import Settings
from feature_matrix.manifests import Crate, Workspace
from feature_matrix.matrix_size import as_output
from feature_matrix.plan_report import TITLE, in_words, summarise, told_of_strangers
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


def plan(context: Context, settings: Settings) -> Result:
    """Plan the rows of all chosen crates."""
    workspace = workspace_named(context, settings)
    plans, affected = _plans(context, settings, workspace)
    rows = [row for one in plans for row in one.rows]
    times = timings_of(context, settings)
    shards = into_shards(rows, most=min(settings.max_jobs, settings.shards or len(rows)), times=times)
    matrix = as_matrix(shards)
    summarise(context.summary, plans, jobs=len(shards), workspace=workspace, affected=affected)
    outputs = {}
    if context.out.at_prompt:  # people get a table, and all the rest with --json
        for line in in_words(plans):
            context.out.say(line)
    else:
        outputs = {
            "matrix": as_output(matrix),
            "count": str(len(rows)),
            "has-jobs": "true" if shards else "false",
        }
    context.out.say(f"{len(rows)} rows for {len(plans)} crates in {len(shards)} jobs")
    facts = {
        "source": workspace.source,
        "target": workspace.target.triple if workspace.target else "",
        "crates": [asdict(one) for one in plans],
        "jobs": len(shards),
        "matrix": matrix,
    }
    return Result(outputs, facts=facts)


def plan_rows(context: Context, settings: Settings, workspace: Workspace) -> list[Row]:
    """All rows, for a job that runs what it plans."""
    return [row for one in _plans(context, settings, workspace)[0] for row in one.rows]


def crates_to_plan(
    context: Context, settings: Settings, workspace: Workspace, configuration: Configuration
) -> tuple[Mapping[str, Crate], Affected | None]:
    """The chosen crates; where it is told what changed, only those that the change can touch, and why."""
    crates = chosen_crates(workspace, settings)
    changed = changed_files(context, settings, workspace)
    if changed is None:
        return crates, None
    affected = affected_crates(workspace, changed, config=configuration.path)
    crates = {name: crate for name, crate in crates.items() if name in affected.crates}
    context.out.say(f"{len(crates)} crates to plan: {affected.reason}")
    if affected.strangers:
        context.out.notice(told_of_strangers(affected.strangers), title=TITLE)
    return crates, affected


def _plans(
    context: Context, settings: Settings, workspace: Workspace
) -> tuple[list[CratePlan], Affected | None]:
    configuration = configuration_of(context, settings, workspace)
    crates, affected = crates_to_plan(context, settings, workspace, configuration)
    curated = [row for row in configuration.rows if row.crate in crates and _is_wanted(row, context)]
    plans = [_plan_one(crate, workspace, configuration, curated, settings) for crate in crates.values()]
    if workspace.source == "Cargo.toml":
        context.out.notice("there is no cargo on PATH: planned from Cargo.toml alone", title=TITLE)
    return plans, affected


def _is_wanted(row: CuratedRow, context: Context) -> bool:
    """Rows for development are for people who ask; deprecated ones come with a warning."""
    name = f"{row.crate}: {row.description or ', '.join(row.features)} (line {row.line})"
    by_hand = context.out.at_prompt or context.environ.get("GITHUB_EVENT_NAME") == "workflow_dispatch"
    if row.dev and not by_hand:
        context.out.say(
            f"Left out, for development rows are for runs started by hand (workflow_dispatch): {name}"
        )
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
