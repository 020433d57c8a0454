"""`coldvox-actions ACTION --mode … --key …`: the same actions at the prompt, flags from the same action.yml."""

from __future__ import annotations

import argparse
import difflib
import importlib
import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from actionlib.entrypoint import run_with
from actionlib.inputs import load_action

PREFIX = "action-"
BOOLEANS = ("true", "false")


class _Parser(argparse.ArgumentParser):
    """Tells what is wrong in one line, where argparse would show all flags before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}. `{self.prog} --help` shows all flags\n")


def main(argv: list[str], *, root: Path, environ: Mapping[str, str]) -> int:
    """Run one action of the bundle that lies in `root`; returns the exit code."""
    actions = {
        path.parent.name.removeprefix(PREFIX): path.parent for path in root.glob(f"{PREFIX}*/action.yml")
    }
    parser = _Parser(prog="coldvox-actions", description=__doc__)
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, folder in sorted(actions.items()):
        spec = load_action(folder)
        command = commands.add_parser(
            name, help=spec.description, description=spec.description, allow_abbrev=False
        )
        for one in spec.inputs.values():
            text = one.description.replace("%", "%%")
            default = f" (default: {one.default})".replace("%", "%%") if one.default else ""
            flag: dict[str, Any] = {"nargs": "?", "const": "true"} if one.default in BOOLEANS else {}
            command.add_argument(f"--{one.name}", dest=one.name, metavar="VALUE", help=text + default, **flag)
        command.add_argument(
            "--json", action="store_true", help="write the result as JSON to standard output"
        )
    parsed, unknown = parser.parse_known_args(argv)
    values = vars(parsed)
    if unknown:
        close = difflib.get_close_matches(
            unknown[0].partition("=")[0], [f"--{name}" for name in values], n=1, cutoff=0.75
        )
        hint = f" (did you mean {close[0]}?)" if close else ""
        commands.choices[values["action"]].error(f"there is no flag or value {unknown[0]}{hint}")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    show_json = values.pop("json")
    folder = actions[values.pop("action")]
    given = {name: value for name, value in values.items() if value is not None}
    sys.path.insert(0, str(folder))
    package = importlib.import_module(f"{folder.name.removeprefix(PREFIX).replace('-', '_')}.modes")
    return run_with(folder, package.run, given=lambda: given, environ=environ, show_json=show_json)
