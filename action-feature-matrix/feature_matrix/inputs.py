"""The action's inputs as one checked value."""

from __future__ import annotations

from dataclasses import dataclass

from actionlib.errors import ActionError
from actionlib.inputs import Inputs

MODES = ("plan", "lint")
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
    changed_files: tuple[str, ...] | None  # None: everything is tested
    base_ref: str
    config: str  # relative to the workspace; empty: the default, which need not exist
    strategy: str
    depth: int
    max_jobs: int
    fail_on: str


def parse(inputs: Inputs) -> Settings:
    """Check every input. Raises ActionError that names the input, its value and what is allowed."""
    settings = Settings(
        mode=inputs.choice("mode", MODES),
        manifest_path=inputs.text("manifest-path"),
        packages=inputs.lines("packages"),
        exclude=inputs.lines("exclude"),
        changed_files=inputs.lines("changed-files") or None,
        base_ref=_ref(inputs.text("base-ref")),
        config=inputs.text("config"),
        strategy=inputs.choice("strategy", STRATEGIES),
        depth=inputs.integer("depth", minimum=1, maximum=6),
        max_jobs=inputs.integer("max-jobs", minimum=1, maximum=MOST_JOBS),
        fail_on=inputs.choice("fail-on", ("never", "warning")),
    )
    if settings.changed_files and settings.base_ref:
        raise ActionError(
            "inputs 'changed-files' and 'base-ref' are both given, and either tells what changed",
            hint="Leave one of them empty",
        )
    return settings


def _ref(text: str) -> str:
    if text.startswith("-") or not text.isprintable() or " " in text:
        raise ActionError(
            f"input 'base-ref' is '{text[:60]}'; allowed: a branch, tag or commit, such as origin/main"
        )
    return text
