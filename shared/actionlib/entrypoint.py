"""From a process's environment to an exit code: the one edge that all actions share."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from actionlib.errors import ActionError
from actionlib.inputs import ActionSpec, Inputs, load_action, parse_json
from actionlib.outputs import Outputs
from actionlib.summary import Summary, escape_cell

EXIT_USER_ERROR = 1
EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Context:
    """All that an action may know of the outside: its inputs, the environment and where to write."""

    inputs: Inputs
    environ: Mapping[str, str]
    action_path: Path
    out: Outputs
    summary: Summary = field(default_factory=Summary)


@dataclass(frozen=True, slots=True)
class Result:
    """What an action hands back: values for declared outputs, the step's exit code, and the facts as JSON."""

    outputs: Mapping[str, str] = field(default_factory=dict)
    exit_code: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


class Interrupted(KeyboardInterrupt):
    """The runner, or a person, asked us to stop."""


Action = Callable[[Context], Result]


# Outputs of a step that fails, from the inputs as they were given.
LastResort = Callable[[Mapping[str, str]], Mapping[str, str]]


def run_action(action_path: Path, action: Action, *, last_resort: LastResort | None = None) -> int:
    """Run `action` with the inputs in INPUTS. INPUTS may hold a token: it leaves the environment first.

    `last_resort` makes outputs that later jobs rely on even if the step fails.
    """
    text = os.environ.pop("INPUTS", "{}")

    def given() -> Mapping[str, str]:
        return parse_json(text)

    environ = dict(os.environ)
    return run_with(action_path, action, given=given, environ=environ, last_resort=last_resort)


def run_with(
    action_path: Path,
    action: Action,
    *,
    given: Callable[[], Mapping[str, str]],
    environ: Mapping[str, str],
    show_json: bool = False,
    last_resort: LastResort | None = None,
) -> int:
    """Run `action` and turn whatever happens into outputs, annotations and an exit code.

    On a runner the facts become a file below RUNNER_TEMP, named by the output `json-file`. With `show_json`
    (at the prompt) they are all that standard output gets.
    """
    out = Outputs(environ, quiet=show_json)
    # The runner sends SIGINT, and SIGTERM 7.5 s later (ProcessInvoker.cs): both unwind the stack, so that
    # every resource is given back.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    spec = load_action(action_path)
    summary = Summary()
    try:
        context = Context(Inputs(spec, given()), environ, action_path, out, summary)
        result = action(context)
        _hand_out(result, spec, out, environ)
        if show_json:
            sys.stdout.write(json.dumps(result.facts, indent=1) + "\n")
        exit_code = result.exit_code
    except ActionError as error:
        _leave_behind({**_last_outputs(last_resort, given), **error.outputs}, out)
        _say_why(str(error), spec, out, summary)
        exit_code = EXIT_USER_ERROR
    except KeyboardInterrupt:
        out.say("Interrupted; everything that this step held has been given back.")
        exit_code = EXIT_INTERRUPTED
    except Exception:
        _leave_behind(_last_outputs(last_resort, given), out)
        with out.group("Traceback"):
            out.quote(traceback.format_exc())
        bug = "this is a bug in the action, not in your workflow; please report it with the traceback in the log"
        _say_why(bug, spec, out, summary)
        exit_code = EXIT_BUG
    try:
        summary.write(environ)
    except OSError as error:  # a full disk must not change how the step ends
        out.warning(f"there is no job summary: it cannot be written: {error.strerror}", title=spec.name)
    sys.stdout.flush()
    return exit_code


def _say_why(message: str, spec: ActionSpec, out: Outputs, summary: Summary) -> None:
    """An annotation, and the summary: act may close the terminal of a step that fails before it has read it all."""
    out.error(message, title=spec.name)
    summary.paragraph(f"**{spec.name} failed:** {escape_cell(message)}")


def _leave_behind(outputs: Mapping[str, str], out: Outputs) -> None:
    """Outputs of a step that fails: that they cannot be written must not hide why it fails."""
    try:
        for name, value in outputs.items():
            out.set_output(name, value)
    except ActionError as error:
        out.warning(str(error))


def _last_outputs(
    last_resort: LastResort | None, given: Callable[[], Mapping[str, str]]
) -> Mapping[str, str]:
    try:
        return last_resort(given()) if last_resort else {}
    except ActionError:  # the inputs are no inputs
        return {}


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


def _hand_out(result: Result, spec: ActionSpec, out: Outputs, environ: Mapping[str, str]) -> None:
    undeclared = set(result.outputs) - set(spec.outputs)
    if undeclared:
        raise AssertionError(f"outputs that action.yml does not declare: {sorted(undeclared)}")
    for name, value in result.outputs.items():
        out.set_output(name, value)
    folder = environ.get("RUNNER_TEMP")
    if folder and "json-file" in spec.outputs:
        try:
            handle, path = tempfile.mkstemp(dir=folder, prefix="result-", suffix=".json")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(result.facts, file, indent=1)
        except OSError as error:  # a full disk must not change how the step ends
            out.warning(
                f"there is no json-file: {folder} cannot be written: {error.strerror}", title=spec.name
            )
        else:
            out.set_output("json-file", path)
