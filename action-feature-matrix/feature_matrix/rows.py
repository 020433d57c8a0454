"""Which rows a job runs: those of its matrix entry, or a part of what it plans itself."""

from __future__ import annotations

import json
from collections.abc import Mapping

from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from feature_matrix.configuration import Configuration
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.inputs import Settings
from feature_matrix.manifests import Workspace
from feature_matrix.plan_mode import crates_to_plan, plan_rows
from feature_matrix.planning import Row, flags_of, name_of, plan_standard
from feature_matrix.selection import configuration_of, constraints_for, graph_of, text_of
from feature_matrix.shards import into_shards
from feature_matrix.timings import Timings, timings_of


def graphs_of(workspace: Workspace) -> dict[str, FeatureGraph]:
    """The feature graph of each crate."""
    return {name: graph_of(crate, workspace) for name, crate in workspace.crates.items()}


def rows_to_run(context: Context, settings: Settings, workspace: Workspace) -> list[Row]:
    """The rows of this job. Raises ActionError for rows that this checkout does not have."""
    if settings.rows or settings.rows_file:
        rows = _given_rows(context, settings, workspace)
    else:
        rows = plan_rows(context, settings, workspace)
    if settings.shard is None:
        return rows
    number, count = settings.shard
    # Not by what this host has recorded: the other parts' jobs add to that, and all must cut at the same places.
    times = timings_of(context, settings) if settings.timings_file else Timings({})
    shards = into_shards(rows, most=count, times=times)
    return list(shards[number - 1].rows) if number <= len(shards) else []


def standard_rows(context: Context, settings: Settings, workspace: Workspace) -> list[Row]:
    """None, default and all features (or the nearest that is allowed) of each chosen crate."""
    configuration = configuration_of(context, settings, workspace)
    crates, _ = crates_to_plan(context, settings, workspace, configuration)
    graphs = [graph_of(crate, workspace) for crate in crates.values()]
    return [
        row
        for graph in graphs
        for row in plan_standard(
            graph,
            constraints=constraints_for(graph, configuration),
            place=configuration.settings.get(graph.crate.name),
        )
    ]


def _given_rows(context: Context, settings: Settings, workspace: Workspace) -> list[Row]:
    name = "rows-file" if settings.rows_file else "rows"
    text = text_of(context, name, settings.rows_file) if settings.rows_file else settings.rows
    hint = "Pass `${{ toJSON(matrix.rows) }}` of a plan's matrix"
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ActionError(f"input '{name}' is no JSON: {error}", hint=hint) from error
    if not isinstance(entries, list):
        raise ActionError(f"input '{name}' is {text.strip()[:80]}; allowed: a list", hint=hint)
    graphs = graphs_of(workspace)
    configuration = configuration_of(context, settings, workspace)
    return [_given(name, one, graphs, configuration) for one in entries]


def _given(name: str, entry: object, graphs: Mapping[str, FeatureGraph], configuration: Configuration) -> Row:
    """The row of a plan again: its crate and features tell which, and this checkout all the rest."""
    if not isinstance(entry, dict) or not isinstance(entry.get("crate"), str):
        raise ActionError(
            f"input '{name}' holds {json.dumps(entry)[:80]}; allowed: objects with crate and features"
        )
    crate, features = entry["crate"], entry.get("features", "")
    wanted = features.split(",") if isinstance(features, str) else features
    if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
        raise ActionError(
            f"input '{name}' holds {json.dumps(entry)[:120]}, whose features are {json.dumps(features)[:40]}; "
            'allowed: a text such as "a,b", or a list of texts',
        )
    hint = "Plan and validate the same commit and manifest-path"
    if crate not in graphs:
        raise ActionError(f"input '{name}' names the crate '{crate}', which is no member here", hint=hint)
    graph = graphs[crate]
    try:
        generators = graph.mask(filter(None, map(str.strip, wanted)))
    except KeyError as error:
        raise ActionError(
            f"input '{name}' names the feature {error}, which {crate} does not have here", hint=hint
        ) from error
    flags = flags_of(graph, generators)
    called = name_of(graph, generators)
    build = graph.identity(graph.closure(generators))
    for row in reversed(configuration.rows):
        default = graph.default & graph.everything if row.default else 0
        same = (
            row.crate == crate and graph.identity(graph.closure(graph.mask(row.features) | default)) == build
        )
        called = row.description or called if same else called
    place = configuration.settings.get(crate)
    return Row(
        crate=crate,
        features=graph.features_of(generators),
        flags=flags,
        description=f"{crate}: {called}",
        reason="given",
        toolchain=place.toolchain if place else "",
    )
