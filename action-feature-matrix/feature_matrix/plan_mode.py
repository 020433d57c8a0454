"""`plan`: which combinations to test, as a matrix."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from actionlib.entrypoint import Context, Result
from actionlib.errors import ActionError
from actionlib.scoped_runs import workspace_of
from actionlib.summary import code
from feature_matrix.affected import Affected, affected_crates, changed_since
from feature_matrix.configuration import Configuration, CuratedRow, read_configuration
from feature_matrix.constraints import constraints_of, contradiction
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.inputs import DEFAULT_CONFIG, Settings
from feature_matrix.manifests import Crate, Workspace, read_workspace
from feature_matrix.planning import CratePlan, Row, plan_crate
from feature_matrix.shards import as_matrix, into_shards
from feature_matrix.timings import timings_of

TITLE = "Feature matrix"
ROWS_SHOWN = 300


def plan(context: Context, settings: Settings) -> Result:
    """Plan the rows of all chosen crates."""
    workspace = read_workspace(
        workspace_of(context.environ) / settings.manifest_path, environ=context.environ
    )
    plans = _plans(context, settings, workspace)
    rows = [row for one in plans for row in one.rows]
    times = timings_of(context, settings)
    shards = into_shards(rows, most=min(settings.max_jobs, settings.shards or len(rows)), times=times)
    _summarise(context, plans, jobs=len(shards), source=workspace.source)
    context.out.say(f"{len(rows)} rows for {len(plans)} crates in {len(shards)} jobs")
    outputs = {
        "matrix": json.dumps(as_matrix(shards)),
        "count": str(len(rows)),
        "has-jobs": "true" if shards else "false",
    }
    facts = {"source": workspace.source, "crates": [asdict(one) for one in plans], "jobs": len(shards)}
    return Result(outputs, facts=facts)


def plan_rows(context: Context, settings: Settings, workspace: Workspace) -> list[Row]:
    """All rows, for a job that runs what it plans."""
    return [row for one in _plans(context, settings, workspace) for row in one.rows]


def _plans(context: Context, settings: Settings, workspace: Workspace) -> list[CratePlan]:
    crates = chosen_crates(workspace, settings)
    configuration = configuration_of(context, settings, workspace)
    if affected := _affected(context, settings, workspace, configuration):
        crates = {name: crate for name, crate in crates.items() if name in affected.crates}
        context.out.say(f"{len(crates)} crates to plan: {affected.reason}")
    curated = [row for row in configuration.rows if row.crate in crates and _is_wanted(row, context)]
    plans = [_plan_one(crate, workspace, configuration, curated, settings) for crate in crates.values()]
    if workspace.source == "Cargo.toml":
        context.out.notice("there is no cargo on PATH: planned from Cargo.toml alone", title=TITLE)
    return plans


def configuration_of(context: Context, settings: Settings, workspace: Workspace) -> Configuration:
    """What the configuration says; nothing where there is none and none was named."""
    path = workspace_of(context.environ) / (settings.config or DEFAULT_CONFIG)
    if not path.is_file():
        if settings.config:
            raise ActionError(f"input 'config' is '{settings.config}', where there is no file")
        if settings.strategy == "curated":
            raise ActionError(
                f"input 'strategy' is 'curated', and there is no {DEFAULT_CONFIG}",
                hint="Write one, or name it in 'config'",
            )
        return Configuration(path)
    features = {
        name: [*crate.names(), *(("default",) if "default" in crate.features else ())]
        for name, crate in workspace.crates.items()
    }
    return read_configuration(path, features)


def _affected(
    context: Context, settings: Settings, workspace: Workspace, configuration: Configuration
) -> Affected | None:
    folder = workspace_of(context.environ)
    if settings.base_ref:
        changed = changed_since(settings.base_ref, folder)
    elif settings.changed_files:
        changed = settings.changed_files
    else:
        return None
    return affected_crates(workspace, changed, folder=folder, config=configuration.path)


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
    graph = FeatureGraph(crate, workspace.crates)
    rules = configuration.rules.get(crate.name, ())
    if why := contradiction(graph, rules):
        raise ActionError(f"{configuration.path}: {why}", hint="Drop one of them, or skip the feature")
    return plan_crate(
        graph,
        strategy=settings.strategy,
        depth=settings.depth,
        constraints=constraints_of(graph, rules),
        curated=[row for row in curated if row.crate == crate.name],
        place=configuration.settings.get(crate.name),
    )


def chosen_crates(workspace: Workspace, settings: Settings) -> Mapping[str, Crate]:
    """The crates that 'packages' and 'exclude' leave. Raises ActionError for one that is no member."""
    for name, given in (("packages", settings.packages), ("exclude", settings.exclude)):
        for one in given:
            if one not in workspace.crates:
                close = difflib.get_close_matches(one, workspace.crates, n=1)
                raise ActionError(
                    f"input '{name}' holds '{one}', which is no member of {workspace.root}",
                    hint=f"Did you mean '{close[0]}'?"
                    if close
                    else f"Members: {', '.join(workspace.crates)}",
                )
    wanted = settings.packages or tuple(workspace.crates)
    return {name: workspace.crates[name] for name in wanted if name not in settings.exclude}


def _summarise(context: Context, plans: Sequence[CratePlan], *, jobs: int, source: str) -> None:
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
    summary.paragraph(f"`cargo hack --each-feature` would test {each} combinations. Read from `{source}`.")
    shown = [row for one in plans for row in one.rows][:ROWS_SHOWN]
    summary.table(
        ("combination", "why", "builds the same"),
        [(code(row.description), row.reason, ", ".join(map(code, row.also[:5]))) for row in shown],
    )
    if rows > len(shown):
        summary.paragraph(f"{rows - len(shown)} more rows are in the JSON file.")


def _large(number: int) -> str:
    return f"{number:,}" if number < 10**7 else f"{number:.1e}"
