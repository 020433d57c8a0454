"""Entrypoint of action-smart-dispatch."""

import sys
from pathlib import Path

from actionlib.entrypoint import run_action
from smart_dispatch.modes import run

if __name__ == "__main__":
    sys.exit(run_action(Path(__file__).resolve().parents[1], run))
