"""What the inputs select: the workspace, its crates, and the configuration beside it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from actionlib.scoped_runs import workspace_of
from feature_matrix.configuration import Configuration, read_configuration
from feature_matrix.constraints import Constraints, constraints_of, contradiction
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.feature_uses import idle_features, is_named
from feature_matrix.inputs import DEFAULT_CONFIG, Settings
from feature_matrix.manifests import Crate, Workspace, read_workspace
from feature_matrix.sources import source_text


def workspace_named(context: Context, settings: Settings) -> Workspace:
    """The workspace of input `manifest-path`; with `target-aware`, as cargo builds it on this target."""
    manifest = workspace_of(context.environ) / settings.manifest_path
    return read_workspace(manifest, environ=context.environ, target_aware=settings.target_aware)


def graph_of(crate: Crate, workspace: Workspace) -> FeatureGraph:
    """The crate's features. On one target, those that change nothing there are idle."""
    idle: frozenset[str] = frozenset()
    has_default = "default" in crate.features
    source = source_text(crate) if workspace.target or has_default else ""
    if workspace.target:
        required = {feature for features in crate.targets.values() for feature in features}
        idle = idle_features(crate.names(), source, workspace.target) - required
    distinct_default = has_default and is_named("default", source)
    return FeatureGraph(crate, workspace.crates, idle=idle, distinct_default=distinct_default)


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


def constraints_for(graph: FeatureGraph, configuration: Configuration) -> Constraints:
    """The crate's constraints. Raises ActionError that names two of them which contradict each other."""
    rules = configuration.rules.get(graph.crate.name, ())
    if found := contradiction(graph, rules):
        raise ActionError(f"{configuration.path}: {found.why}", hint=found.hint)
    return constraints_of(graph, rules)


def text_of(context: Context, name: str, path: str) -> str:
    """The file that the input of this name gives. Raises ActionError where it cannot be read."""
    try:
        return (workspace_of(context.environ) / path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ActionError(
            f"input '{name}' is '{path}', which cannot be read: {why}",
            hint="Give a path relative to the workspace, and write the file in an earlier step",
        ) from error


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
