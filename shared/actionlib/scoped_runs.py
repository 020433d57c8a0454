"""How an action runs the user's script: in the workspace, with scratch space, and its end as the step's result."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from actionlib.entrypoint import EXIT_INTERRUPTED, Context, Result
from actionlib.processes import Process
from actionlib.scripts import ScriptResult, run_script


def workspace_of(environ: Mapping[str, str]) -> Path:
    """GITHUB_WORKSPACE, else the working directory."""
    return Path(environ.get("GITHUB_WORKSPACE") or Path.cwd()).absolute()


def run_in_workspace(
    context: Context,
    script: str,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout_seconds: float | None = None,
    grace_seconds: float = 5,
    on_timeout: Callable[[Process], None] | None = None,
    on_output: Callable[[bytes], None] | None = None,
) -> ScriptResult:
    """Run the user's script as a step of its own would run, by default in the step's environment.

    `folder` is the step's `working-directory:`; None: the workspace.
    """
    parent = context.environ.get("RUNNER_TEMP") or None
    with tempfile.TemporaryDirectory(dir=parent, prefix="script-") as scratch:
        return run_script(
            script,
            environ=context.environ if environ is None else environ,
            cwd=folder or workspace_of(context.environ),
            scratch=Path(scratch),
            timeout_seconds=timeout_seconds,
            grace_seconds=grace_seconds,
            on_timeout=on_timeout,
            on_output=on_output,
        )


def script_result(result: ScriptResult, outputs: dict[str, str], facts: dict[str, object]) -> Result:
    """The step ends with its command's own code; 130 when it was interrupted."""
    exit_code = EXIT_INTERRUPTED if result.interrupted_by else result.exit_code
    ran = {"exit-code": str(result.exit_code), "run-outputs": json.dumps(result.outputs)}
    more = {"exit-code": result.exit_code, "run-outputs": result.outputs}
    return Result(outputs | ran, exit_code, facts | more)
