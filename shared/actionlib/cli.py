"""`coldvox-actions ACTION --mode … --key …`: the same actions at the prompt, flags from the same action.yml."""

from __future__ import annotations

import argparse
import importlib
import io
import sys
from collections.abc import Mapping
from pathlib import Path

from actionlib.entrypoint import run_with
from actionlib.inputs import load_action

PREFIX = "action-"


def main(argv: list[str], *, root: Path, environ: Mapping[str, str]) -> int:
    """Run one action of the bundle that lies in `root`; returns the exit code."""
    actions = {
        path.parent.name.removeprefix(PREFIX): path.parent for path in root.glob(f"{PREFIX}*/action.yml")
    }
    parser = argparse.ArgumentParser(prog="coldvox-actions", description=__doc__)
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, folder in sorted(actions.items()):
        spec = load_action(folder)
        command = commands.add_parser(name, help=spec.description, description=spec.description)
        for one in spec.inputs.values():
            text = one.description.replace("%", "%%")
            default = f" (default: {one.default})".replace("%", "%%") if one.default else ""
            command.add_argument(f"--{one.name}", dest=one.name, metavar="VALUE", help=text + default)
        command.add_argument(
            "--json", action="store_true", help="write the result as JSON to standard output"
        )
    values = vars(parser.parse_args(argv))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    show_json = values.pop("json")
    folder = actions[values.pop("action")]
    given = {name: value for name, value in values.items() if value is not None}
    sys.path.insert(0, str(folder))
    package = importlib.import_module(f"{folder.name.removeprefix(PREFIX).replace('-', '_')}.modes")
    return run_with(folder, package.run, given=lambda: given, environ=environ, show_json=show_json)
