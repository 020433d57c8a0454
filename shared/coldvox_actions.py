"""The `coldvox-actions` command: every action of the bundle at the prompt.

Installed by pipx or uv this file is the package `coldvox_actions`, with the repository's layout below it.
In the repository it also runs as `python shared/coldvox_actions.py`, then in the actions' own environment
when the interpreter lacks their packages.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE if (HERE / "shared").is_dir() else HERE.parent
SHARED = ROOT / "shared"


def main() -> int:
    """Run the command line in `sys.argv`; returns the exit code."""
    if str(SHARED) not in sys.path:
        sys.path.insert(0, str(SHARED))
    cli = importlib.import_module("actionlib.cli")
    code: int = cli.main(sys.argv[1:], root=ROOT, environ=os.environ)
    return code


if __name__ == "__main__":
    packages_found = all(importlib.util.find_spec(name) for name in ("actions_toolkit", "yaml", "psutil"))
    if not packages_found and not Path(sys.prefix, ".complete").exists():
        bootstrap = importlib.import_module("bootstrap")
        bootstrap.require_new_python()
        bootstrap.enter(str(SHARED), "coldvox_actions", sys.argv[1:])
    sys.exit(main())
