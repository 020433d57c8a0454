"""Write the tables in the actions' READMEs from their action.yml; `--check` only compares.

A README marks the places: `<!-- inputs -->` … `<!-- /inputs -->`, and the same for outputs.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("inputs", "outputs")


class MarkerError(ValueError):
    """A README lacks the pair of comments that a table belongs between."""


def cell(text: object) -> str:
    """Text that stays in its table cell: one line, no bare pipe."""
    return " ".join(str(text).split()).replace("|", "\\|")


def default_of(spec: Mapping[str, Any]) -> str:
    """The default as a workflow would write it, or that there is none."""
    if spec.get("required"):
        return "**required**"
    value = spec.get("default", "")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{cell(text)}`" if text else ""


def table(kind: str, specs: Mapping[str, Mapping[str, Any]]) -> str:
    """The Markdown table of one kind."""
    if kind == "inputs":
        rows = [("input", "default", "meaning"), ("---", "---", "---")]
        rows += [(f"`{name}`", default_of(spec), cell(spec["description"])) for name, spec in specs.items()]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)
    pairs = [("output", "meaning"), ("---", "---")]
    pairs += [(f"`{name}`", cell(spec["description"])) for name, spec in specs.items()]
    return "\n".join(f"| {' | '.join(pair)} |" for pair in pairs)


def with_tables(readme: str, action: Mapping[str, Any]) -> str:
    """The README's text with both tables as action.yml has them. Raises MarkerError."""
    for kind in KINDS:
        start, end = f"<!-- {kind} -->", f"<!-- /{kind} -->"
        if readme.count(start) != 1 or readme.count(end) != 1:
            raise MarkerError(f"needs the lines `{start}` and `{end}`, once each")
        region = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
        made = f"{start}\n{table(kind, action.get(kind) or {})}\n{end}"
        readme = region.sub(lambda _, made=made: made, readme)  # type: ignore[misc]
    return readme


def outdated(root: Path) -> Iterator[tuple[Path, str]]:
    """READMEs whose tables differ from action.yml, each with the text it should have. Raises MarkerError."""
    for action_file in sorted(root.glob("action-*/action.yml")):
        readme = action_file.with_name("README.md")
        action = yaml.safe_load(action_file.read_text(encoding="utf-8"))
        text = readme.read_text(encoding="utf-8")
        try:
            made = with_tables(text, action)
        except MarkerError as error:
            raise MarkerError(f"{readme.relative_to(root)} {error}") from error
        if made != text:
            yield readme, made


def main(arguments: Iterable[str]) -> int:
    """Returns the exit code: 1 when `--check` finds an outdated table or a README has no place for one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a table is outdated")
    options = parser.parse_args(list(arguments))
    try:
        changes = list(outdated(ROOT))
    except (MarkerError, FileNotFoundError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for readme, text in changes:
        name = readme.relative_to(ROOT)
        if options.check:
            sys.stderr.write(f"{name} differs from its action.yml: run `make docs`\n")
        else:
            readme.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{name} written\n")
    return 1 if options.check and changes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
