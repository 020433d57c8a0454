"""Which rows a job runs: those of its matrix entry, or a part of what it plans itself."""

from __future__ import annotations

import json
import re

from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.inputs import Settings
from feature_matrix.manifests import Workspace
from feature_matrix.plan_mode import crates_to_plan, plan_rows
from feature_matrix.planning import Row, flags_of, plan_standard
from feature_matrix.selection import configuration_of, constraints_for, graph_of
from feature_matrix.shards import into_shards
from feature_matrix.timings import Timings, timings_of


def graphs_of(workspace: Workspace) -> dict[str, FeatureGraph]:
    """The feature graph of each crate."""
    return {name: graph_of(crate, workspace) for name, crate in workspace.crates.items()}


def rows_to_run(context: Context, settings: Settings, workspace: Workspace) -> list[Row]:
    """The rows of this job. Raises ActionError for rows that this checkout does not have."""
    graphs = graphs_of(workspace)
    if settings.rows:
        rows = [_given(one, graphs) for one in _entries(settings.rows)]
    else:
        rows = plan_rows(context, settings, workspace)
    if settings.shard is None:
        return rows
    number, count = settings.shard
    # Not by what this host has recorded: the other parts' jobs add to that, and all must cut at the same places.
    times = timings_of(context, settings) if settings.timings_file else Timings({})
    shards = into_shards(rows, most=count, times=times)
    return list(shards[number - 1].rows) if number <= len(shards) else []


def _entries(text: str) -> list[object]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ActionError(
            f"input 'rows' is no JSON: {error}", hint="Pass `${{ toJSON(matrix.rows) }}` of a plan's matrix"
        ) from error
    if not isinstance(value, list):
        raise ActionError(
            f"input 'rows' is {type(value).__name__}; allowed: a list",
            hint="Pass `${{ toJSON(matrix.rows) }}` of a plan's matrix",
        )
    return value


def _given(entry: object, graphs: dict[str, FeatureGraph]) -> Row:
    """Only crate and features are taken at their word: what goes on a command line is written here."""
    if not isinstance(entry, dict) or not isinstance(entry.get("crate"), str):
        raise ActionError(
            f"input 'rows' holds {json.dumps(entry)[:80]}; allowed: objects with crate and features"
        )
    crate, features = entry["crate"], str(entry.get("features", ""))
    if crate not in graphs:
        raise ActionError(
            f"input 'rows' names the crate '{crate}', which is no member here",
            hint="Plan and validate the same commit and manifest-path",
        )
    graph = graphs[crate]
    try:
        generators = graph.mask(name for name in features.split(",") if name)
    except KeyError as error:
        raise ActionError(
            f"input 'rows' names the feature {error}, which {crate} does not have here",
            hint="Plan and validate the same commit and manifest-path",
        ) from error
    return Row(
        crate=crate,
        features=graph.features_of(generators),
        flags=flags_of(graph, generators),
        description=str(entry.get("description") or f"{crate}: {features or 'none'}"),
        reason="given",
        toolchain=_word(entry, "toolchain"),
    )


def _word(entry: dict[str, object], name: str) -> str:
    text = str(entry.get(name) or "")
    if text and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", text):
        raise ActionError(
            f"input 'rows' has {name} '{text[:80]}'; allowed: letters, digits, '.', '_' and '-'"
        )
    return text


def standard_rows(context: Context, settings: Settings, workspace: Workspace) -> list[Row]:
    """None, default and all features (or the nearest that is allowed) of each chosen crate."""
    configuration = configuration_of(context, settings, workspace)
    crates = crates_to_plan(context, settings, workspace, configuration)
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
