"""The action's inputs as one checked value."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from actionlib.errors import ActionError
from actionlib.inputs import Inputs

MODES = ("plan", "validate", "msrv", "deps", "docs", "lint")
STRATEGIES = ("isolate", "pairwise", "each", "powerset", "curated")
DEFAULT_CONFIG = ".github/feature-matrix.yml"
MOST_JOBS = 256  # GitHub refuses a matrix with more
OF_THE_ROW = frozenset(
    {"--package", "--workspace", "--all", "--features", "--all-features", "--no-default-features"}
    | {"--manifest-path", "--message-format", "--locked"}
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a run of the action was asked for. Field names are the inputs' names."""

    mode: str
    manifest_path: str
    packages: tuple[str, ...]
    exclude: tuple[str, ...]
    changed_files: tuple[str, ...] | None  # None: everything is tested
    changed_files_file: str
    base_ref: str
    config: str  # relative to the workspace; empty: the default, which need not exist
    strategy: str
    depth: int
    target_aware: bool
    max_jobs: int
    fail_on: str
    shards: int  # 0: a job for each row, up to max_jobs
    timings_file: str
    rows: str
    rows_file: str
    shard: tuple[int, int] | None
    commands: tuple[tuple[str, ...], ...]
    keep_going: bool
    row_timeout_seconds: float | None
    shrink_seconds: float
    min_free_mib: int
    install: bool
    check_links: bool


def parse(inputs: Inputs) -> Settings:
    """Check every input. Raises ActionError that names the input, its value and what is allowed."""
    settings = Settings(
        mode=inputs.choice("mode", MODES),
        manifest_path=inputs.text("manifest-path"),
        packages=inputs.lines("packages"),
        exclude=inputs.lines("exclude"),
        changed_files=inputs.lines("changed-files") or None,
        changed_files_file=inputs.text("changed-files-file"),
        base_ref=_ref(inputs.text("base-ref")),
        config=inputs.text("config"),
        strategy=inputs.choice("strategy", STRATEGIES),
        depth=inputs.integer("depth", minimum=1, maximum=6),
        target_aware=inputs.boolean("target-aware"),
        max_jobs=inputs.integer("max-jobs", minimum=1, maximum=MOST_JOBS),
        fail_on=inputs.choice("fail-on", ("never", "warning")),
        shards=inputs.integer("shards", minimum=1, maximum=MOST_JOBS) if inputs.text("shards") else 0,
        timings_file=inputs.text("timings-file"),
        rows=inputs.text("rows"),
        rows_file=inputs.text("rows-file"),
        shard=_shard(inputs.text("shard")),
        commands=_commands(inputs.lines("commands")),
        keep_going=inputs.boolean("keep-going"),
        row_timeout_seconds=inputs.number("row-timeout-seconds", minimum=0, maximum=86400) or None,
        shrink_seconds=inputs.number("shrink-seconds", minimum=0, maximum=86400),
        min_free_mib=inputs.integer("min-free-mib", minimum=0, maximum=1 << 20),
        install=inputs.boolean("install"),
        check_links=inputs.boolean("check-links"),
    )
    for inputs_of_one_kind, told in (
        (("changed-files", "changed-files-file", "base-ref"), "tells what changed"),
        (("rows", "rows-file"), "tells the rows"),
    ):
        _require_one(inputs, inputs_of_one_kind, told)
    return settings


def _require_one(inputs: Inputs, names: Sequence[str], told: str) -> None:
    given = [name for name in names if inputs.text(name)]
    if len(given) > 1:
        raise ActionError(
            f"inputs '{given[0]}' and '{given[1]}' are both given, and either {told}",
            hint="Leave one of them empty",
        )


def _ref(text: str) -> str:
    if text.startswith("-") or not text.isprintable() or " " in text:
        raise ActionError(
            f"input 'base-ref' is '{text[:60]}'; allowed: a branch, tag or commit, such as origin/main"
        )
    return text


def _shard(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    match = re.fullmatch(r"(\d{1,3})/(\d{1,3})", text)
    number, count = map(int, match.groups()) if match else (0, 0)
    if not 1 <= number <= count <= MOST_JOBS:
        raise ActionError(
            f"input 'shard' is '{text}'; allowed: K/N with K from 1 to N, and N up to {MOST_JOBS}",
            hint="For example 2/4, the second of four parts",
        )
    return number, count


def _commands(lines: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    if not lines:
        raise ActionError("input 'commands' holds no command", hint="For example `check`")
    return tuple(_command(line) for line in lines)


def _command(line: str) -> tuple[str, ...]:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise ActionError(f"input 'commands' holds '{line}', whose quotes do not match: {error}") from error
    words = words[1:] if words[:1] == ["cargo"] else words
    if words and words[0].startswith("+"):
        raise ActionError(
            f"input 'commands' holds '{line}', and the toolchain is for the configuration to say",
            hint=f"Write `crates: {{NAME: {{toolchain: {words[0][1:] or 'nightly'}}}}}` in {DEFAULT_CONFIG}",
        )
    if not words or not re.fullmatch(r"[a-z][\w-]*", words[0]):
        raise ActionError(
            f"input 'commands' holds '{line}'; allowed: cargo's subcommands with their arguments",
            hint="For example `check`, `test`, `nextest run` or `clippy -- --deny warnings`",
        )
    own = words[: words.index("--")] if "--" in words else words
    for word in own[1:]:
        # -p and -F may stand behind other letters, and their value right behind them.
        if word.partition("=")[0] in OF_THE_ROW or re.match(r"-[hqvV]*[pF]", word):
            raise ActionError(
                f"input 'commands' holds '{line}', and '{word}' is for each row to say",
                hint="Choose crates with 'packages', features with 'strategy' and 'config'",
            )
    return tuple(words)
