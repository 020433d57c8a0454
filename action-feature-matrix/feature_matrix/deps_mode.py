"""`deps`: the union of all features resolved once, what it holds twice, and what cannot stand together."""

from __future__ import annotations

import json

from actionlib.entrypoint import EXIT_USER_ERROR, Context, Result
from actionlib.summary import code
from feature_matrix.inputs import Settings
from feature_matrix.resolution import ask_cargo, require_cargo
from feature_matrix.selection import chosen_crates, configuration_of, workspace_named

TITLE = "Dependencies"


def deps(context: Context, settings: Settings) -> Result:
    """Resolve for all features of the chosen members, and look at what is built of it for this target.

    Raises ActionError with cargo's reason where that is impossible: two packages that link the same native library are
    refused even where no combination enables both.
    """
    require_cargo(context)
    workspace = workspace_named(context, settings)
    configuration_of(context, settings, workspace)
    told = json.loads(ask_cargo(context, workspace, ["metadata", "--format-version=1", "--all-features"]))
    members = [f"--package={crate.package}" for crate in chosen_crates(workspace, settings).values()]
    # Development dependencies and those for other targets make no second build of a package.
    tree = ["tree", *members, "--all-features", "--edges=normal,build"]
    listed = ask_cargo(context, workspace, [*tree, "--prefix=none", "--format={p}"]) if members else ""
    used = {tuple(line.split()[:2]) for line in listed.splitlines() if line}
    versions: dict[str, set[str]] = {}
    for name, version in used:
        versions.setdefault(name, set()).add(version.removeprefix("v"))
    twice = {name: sorted(found) for name, found in sorted(versions.items()) if len(found) > 1}
    links = {
        one["links"]: one["name"]
        for one in told["packages"]
        if one.get("links") and (one["name"], f"v{one['version']}") in used
    }
    for name, found in twice.items():
        context.out.warning(f"{name} is built in {len(found)} versions: {', '.join(found)}", title=TITLE)
    summary = context.summary
    summary.heading(f"{TITLE}: {len(used)} packages, {len(twice)} of them in several versions")
    if twice:
        summary.table(
            ("package", "versions"), [(code(name), ", ".join(found)) for name, found in twice.items()]
        )
        duplicates = ask_cargo(context, workspace, [*tree, "--duplicates"])
        summary.details("cargo tree --duplicates", duplicates)
    if links:
        summary.table(("native library", "linked by"), [(code(a), code(b)) for a, b in sorted(links.items())])
    context.out.say(f"{len(used)} packages, {len(twice)} of them in several versions")
    facts = {"packages": len(used), "duplicates": twice, "links": links}
    exit_code = EXIT_USER_ERROR if twice and settings.fail_on == "warning" else 0
    return Result({"findings": str(len(twice))}, exit_code, facts)
