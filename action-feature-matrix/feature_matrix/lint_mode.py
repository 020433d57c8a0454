"""`lint`: what is wrong with the manifests themselves."""

from __future__ import annotations

from dataclasses import asdict

from actionlib.entrypoint import EXIT_USER_ERROR, Context, Result
from actionlib.summary import escape_cell
from feature_matrix.inputs import Settings
from feature_matrix.manifest_lint import WARNING, Finding, lint
from feature_matrix.selection import chosen_crates, configuration_of, workspace_named

TITLE = "Feature lint"


def run_lint(context: Context, settings: Settings) -> Result:
    """Look, tell, and fail only if `fail-on` says so."""
    workspace = workspace_named(context, settings)
    configuration_of(context, settings, workspace)  # a mistake in it is one, too
    crates = chosen_crates(workspace, settings)
    findings = lint(workspace, crates.values())
    root = workspace.root.resolve()

    def place(one: Finding) -> str:
        path = one.file.resolve()
        name = path.relative_to(root) if path.is_relative_to(root) else path
        return f"{name}:{one.line}" if one.line else str(name)

    for one in findings:
        tell = context.out.warning if one.level == WARNING else context.out.notice
        tell(f"{place(one)}: {one.text} ({one.rule})", title=TITLE)
    context.summary.heading(f"{TITLE}: {len(findings)} finding{'' if len(findings) == 1 else 's'}")
    if findings:
        context.summary.table(
            ("", "where", "what", "rule"),
            [(one.level, escape_cell(place(one)), escape_cell(one.text), one.rule) for one in findings],
        )
    context.out.say(f"{len(findings)} findings in {len(crates)} crates")
    warnings = any(one.level == WARNING for one in findings)
    facts = {"findings": [asdict(one) | {"file": str(one.file)} for one in findings]}
    exit_code = EXIT_USER_ERROR if warnings and settings.fail_on == WARNING else 0
    return Result({"findings": str(len(findings))}, exit_code, facts)
