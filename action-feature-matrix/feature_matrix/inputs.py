"""The action's inputs as one checked value."""

from __future__ import annotations

from dataclasses import dataclass

from actionlib.inputs import Inputs

MODES = ("plan",)
STRATEGIES = ("isolate", "pairwise", "each", "powerset", "curated")
DEFAULT_CONFIG = ".github/feature-matrix.yml"
MOST_JOBS = 256  # GitHub refuses a matrix with more


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a run of the action was asked for. Field names are the inputs' names."""

    mode: str
    manifest_path: str
    packages: tuple[str, ...]
    exclude: tuple[str, ...]
    config: str  # relative to the workspace; empty: the default, which need not exist
    strategy: str
    depth: int
    max_jobs: int


def parse(inputs: Inputs) -> Settings:
    """Check every input. Raises ActionError that names the input, its value and what is allowed."""
    return Settings(
        mode=inputs.choice("mode", MODES),
        manifest_path=inputs.text("manifest-path"),
        packages=inputs.lines("packages"),
        exclude=inputs.lines("exclude"),
        config=inputs.text("config"),
        strategy=inputs.choice("strategy", STRATEGIES),
        depth=inputs.integer("depth", minimum=1, maximum=6),
        max_jobs=inputs.integer("max-jobs", minimum=1, maximum=MOST_JOBS),
    )
