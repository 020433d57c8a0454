"""`deps`: the union of all features resolved once, what it holds twice, and what cannot stand together."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

from actionlib.entrypoint import EXIT_USER_ERROR, Context, Result
from actionlib.errors import ActionError
from actionlib.summary import code
from feature_matrix.cargo_runs import require_cargo
from feature_matrix.inputs import Settings
from feature_matrix.selection import workspace_named

TITLE = "Dependencies"
DEADLINE_SECONDS = 900


def deps(context: Context, settings: Settings) -> Result:
    """Resolve for all features of all members.

    Raises ActionError with cargo's reason where that is impossible: two packages that link the same native library are
    refused even where no combination enables both.
    """
    require_cargo(context)
    workspace = workspace_named(context, settings)
    locked = ["--locked"] if (workspace.root / "Cargo.lock").is_file() else []
    place = [f"--manifest-path={workspace.root / 'Cargo.toml'}", "--all-features", *locked]
    answer = json.loads(_cargo(context, ["metadata", "--format-version=1", *place]))
    packages = {one["id"]: one for one in answer["packages"]}
    used = [packages[node["id"]] for node in answer["resolve"]["nodes"]]
    versions: dict[str, set[str]] = {}
    for one in used:
        versions.setdefault(one["name"], set()).add(one["version"])
    twice = {name: sorted(found) for name, found in sorted(versions.items()) if len(found) > 1}
    links = {one["links"]: one["name"] for one in used if one.get("links")}
    tree = _cargo(context, ["tree", "--duplicates", "--workspace", *place]) if twice else ""
    for name, found in twice.items():
        context.out.warning(f"{name} is built in {len(found)} versions: {', '.join(found)}", title=TITLE)
    summary = context.summary
    summary.heading(f"{TITLE}: {len(used)} packages, {len(twice)} of them in several versions")
    if twice:
        summary.table(
            ("package", "versions"), [(code(name), ", ".join(found)) for name, found in twice.items()]
        )
        summary.details("cargo tree --duplicates", tree)
    if links:
        summary.table(("native library", "linked by"), [(code(a), code(b)) for a, b in sorted(links.items())])
    context.out.say(f"{len(used)} packages, {len(twice)} of them in several versions")
    facts = {"packages": len(used), "duplicates": twice, "links": links}
    exit_code = EXIT_USER_ERROR if twice and settings.fail_on == "warning" else 0
    return Result({"findings": str(len(twice))}, exit_code, facts)


def _cargo(context: Context, words: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            ["cargo", *words],
            env=dict(context.environ),
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ActionError(f"cargo {words[0]} did not end in {DEADLINE_SECONDS} s") from error
    if done.returncode:
        said = done.stderr.strip()[-3000:]
        if "links to the native library" in said or "links = " in said:
            raise ActionError(
                f"two packages link the same native library, which no combination of features may hold: {said}",
                hint="Put one of them into a crate of its own that is no member of this workspace",
            )
        raise ActionError(f"cargo {words[0]} cannot resolve all features together: {said}")
    return done.stdout
