"""Guards that hold an action's folder against the shape that all actions share.

Each guard takes a folder and returns a list of violations, one sentence each.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from actionlib.inputs import Inputs, load_action

RUN_LINE = 'exec sh "$GITHUB_ACTION_PATH/../shared/launch.sh"'
STEP: dict[str, Any] = {
    "id": "main",
    "shell": "bash",
    "run": RUN_LINE,
    "env": {
        "INPUTS": "${{ toJSON(inputs) }}",
        "ACTION_REF": "${{ github.action_ref }}",
        "JOB_STATUS": "${{ job.status }}",
    },
}
# What an action may have to know besides.
MORE_ENV = {"JOB_TOKEN": "${{ inputs.token == github.token }}"}
KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
ENTRYPOINT_LINES = 15
# These hand out what all actions, and all that run a script, have.
ACTIONLIB = Path(__file__).resolve().parents[2] / "shared/actionlib"
SHARED_OUTPUTS = (ACTIONLIB / "entrypoint.py", ACTIONLIB / "scoped_runs.py")


def package_of(folder: Path) -> Path:
    """The package that an action's folder must hold."""
    return folder / folder.name.removeprefix("action-").replace("-", "_")


def read_action(folder: Path) -> dict[str, Any]:
    """The action.yml as YAML has it."""
    document = yaml.safe_load((folder / "action.yml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def file_violations(folder: Path) -> list[str]:
    """Files that are missing, and an entrypoint that is more than one."""
    package = package_of(folder)
    needed = [folder / "action.yml", folder / "README.md"]
    needed += [package / name for name in ("__init__.py", "__main__.py", "inputs.py")]
    found = [f"{path.relative_to(folder.parent)} is missing" for path in needed if not path.is_file()]
    entrypoint = package / "__main__.py"
    if entrypoint.is_file() and len(entrypoint.read_text().splitlines()) > ENTRYPOINT_LINES:
        found.append(f"{entrypoint.relative_to(folder.parent)} has more than {ENTRYPOINT_LINES} lines")
    return found


def run_violations(folder: Path) -> list[str]:
    """A `runs` that is anything but the one step of all actions."""
    runs = read_action(folder).get("runs") or {}
    given = (runs.get("steps") or [{}])[0].get("env") or {}
    more = {name: value for name, value in MORE_ENV.items() if name in given}
    expected = {"using": "composite", "steps": [{**STEP, "env": {**STEP["env"], **more}}]}
    return [] if runs == expected else [f"{folder.name}: runs is {runs}, not {expected}"]


def declaration_violations(folder: Path) -> list[str]:
    """Names, descriptions, defaults and output values that break the rules."""
    action = read_action(folder)
    found = [f"{folder.name}: '{key}' is empty" for key in ("name", "description") if not action.get(key)]
    for kind in ("inputs", "outputs"):
        for name, spec in (action.get(kind) or {}).items():
            where = f"{folder.name}: {kind.removesuffix('s')} '{name}'"
            found += [f"{where} {what}" for what in _one_declaration(kind, name, spec)]
    return found


def _one_declaration(kind: str, name: str, spec: Mapping[str, Any]) -> Iterator[str]:
    if not KEBAB.fullmatch(name):
        yield "is not in kebab-case"
    if not str(spec.get("description") or "").strip():
        yield "has no description"
    if "${{" in str(spec.get("description")):
        yield "has an expression in its description, which runners evaluate"
    if kind == "inputs":
        if bool(spec.get("required")) == ("default" in spec):
            yield "needs either a default or required: true"
        if "default" in spec and not isinstance(spec["default"], str):
            yield "has a default that is not a quoted string"
    else:
        expected = f"${{{{ steps.main.outputs.{name} }}}}"
        if spec.get("value") != expected:
            yield f"has the value {spec.get('value')!r}, not {expected!r}"


def unread_inputs(folder: Path, given: Mapping[str, str]) -> list[str]:
    """Inputs that the package's `inputs.parse` does not read when it gets `given`."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module = importlib.import_module(f"{package_of(folder).name}.inputs")
    inputs = Inputs(load_action(folder), given)
    module.parse(inputs)
    return [f"{folder.name}: nothing reads input '{name}'" for name in sorted(inputs.unread())]


def unset_outputs(folder: Path) -> list[str]:
    """Outputs whose name is a string constant neither of the package nor of what hands out shared outputs."""
    constants: set[str] = set()
    for path in [*sorted(package_of(folder).rglob("*.py")), *SHARED_OUTPUTS]:
        constants |= _string_constants(ast.parse(path.read_text(encoding="utf-8")))
    declared = read_action(folder).get("outputs") or {}
    return [f"{folder.name}: nothing sets output '{name}'" for name in declared if name not in constants]


def _string_constants(tree: ast.Module) -> set[str]:
    """Every string in the code that is more than a statement of its own (a docstring)."""
    loose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in loose
    }
