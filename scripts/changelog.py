"""Prints what CHANGELOG.md says of one version; fails if it says nothing.

    scripts/changelog.py 1.2.0

Standard library only: the release runs it before anything is installed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"


def section(text: str, version: str) -> str:
    """The body below `## VERSION` (a date may follow it). Raises ValueError where there is none or it is empty."""
    parts = re.split(r"^## +", text, flags=re.MULTILINE)[1:]
    for part in parts:
        title, _, body = part.partition("\n")
        if title.split()[0].strip("[]") == version:
            if body.strip():
                return body.strip() + "\n"
            raise ValueError(f"CHANGELOG.md says nothing below '## {version}'")
    titles = ", ".join(part.split("\n", 1)[0] for part in parts)
    raise ValueError(f"CHANGELOG.md has no '## {version}'; it has: {titles}")


def main() -> int:
    """Returns the exit code."""
    try:
        version = sys.argv[1]
        sys.stdout.write(section(CHANGELOG.read_text(encoding="utf-8"), version))
    except (IndexError, ValueError) as error:
        sys.stderr.write(f"{error or __doc__}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
