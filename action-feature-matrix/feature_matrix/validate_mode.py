"""`validate`: run the commands for every row of this job, and shrink what fails to the features that matter."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from actionlib.entrypoint import Context, Interrupted, Result
from actionlib.scoped_runs import workspace_of
from actionlib.summary import duration, size
from feature_matrix.cargo_runs import CargoResult, CargoRunner, cargo_command
from feature_matrix.failures import Failure, explain_failures
from feature_matrix.inputs import Settings
from feature_matrix.manifests import Workspace
from feature_matrix.outcomes import PASSED, SKIPPED, Outcome, state_of
from feature_matrix.planning import Row
from feature_matrix.reports import report
from feature_matrix.resolution import require_cargo, require_commands
from feature_matrix.rows import graphs_of, rows_to_run
from feature_matrix.selection import configuration_of, workspace_named
from feature_matrix.target_space import empty_target, free_bytes, is_expendable
from feature_matrix.timings import HostTimings, Timings

TITLE = "Feature matrix"


@dataclass(frozen=True, slots=True)
class RowsRun:
    """What became of the rows, whether the job was cancelled meanwhile, and the first pages of documentation made."""

    outcomes: tuple[Outcome, ...]
    interrupted: bool
    pages: frozenset[Path]


def validate(context: Context, settings: Settings) -> Result:
    """Run this job's rows. The step fails if one of them does."""
    require_cargo(context)
    workspace = workspace_named(context, settings)
    rows = rows_to_run(context, settings, workspace)
    if not rows:
        context.out.notice("there is no row for this job", title=TITLE)
    store = HostTimings(context, settings.manifest_path)
    run = run_rows(context, settings, workspace, rows, commands=settings.commands, times=store.read())
    store.add({one.row.flags: round(one.seconds, 3) for one in run.outcomes if one.state == PASSED})
    return report(context, run.outcomes, root=workspace.root, title=TITLE, interrupted=run.interrupted)


def run_rows(
    context: Context,
    settings: Settings,
    workspace: Workspace,
    rows: Sequence[Row],
    *,
    commands: Sequence[Sequence[str]],
    times: Timings,
    environ: Mapping[str, str] | None = None,
) -> RowsRun:
    """Run cargo's `commands` for each row, and shrink what fails.

    Raises ActionError, before anything is built, where a row would fail for a reason that is not its own.
    """
    if rows and not (workspace.root / "Cargo.lock").is_file():
        context.out.notice("there is no Cargo.lock: dependencies are resolved anew", title=TITLE)
    require_commands(
        context,
        workspace,
        toolchains=dict.fromkeys(row.toolchain for row in rows),
        subcommands=dict.fromkeys(words[0] for words in commands),
    )
    run = _Validation(context, settings, workspace, times, commands, environ or {})
    outcomes = run.all(rows)
    interrupted = run.interrupted
    if run.failures and not interrupted:
        try:
            explained = explain_failures(
                list(run.failures.values()),
                graphs=graphs_of(workspace),
                configuration=configuration_of(context, settings, workspace),
                passed=run.passed,
                run=run.probe,
                budget_seconds=settings.shrink_seconds,
                say=context.out.say,
            )
        except Interrupted:  # what was found until then is told all the same
            interrupted = True
        else:
            for index, one in zip(run.failures, explained, strict=True):
                outcomes[index] = replace(outcomes[index], note=one.note, error=one.error)
    return RowsRun(tuple(outcomes), interrupted, frozenset(run.pages))


class _Validation:
    """One job's rows, one after the other with one target directory: the order makes no difference to what is built."""

    def __init__(
        self,
        context: Context,
        settings: Settings,
        workspace: Workspace,
        times: Timings,
        commands: Sequence[Sequence[str]],
        environ: Mapping[str, str],
    ) -> None:
        self._context, self._settings, self._times = context, settings, times
        self._commands, self._environ = commands, environ
        self._workspace = workspace
        self._locked = (workspace.root / "Cargo.lock").is_file()
        self.failures: dict[int, Failure] = {}  # by the row's place
        self.passed: dict[str, list[Row]] = {}  # by crate
        self.pages: set[Path] = set()
        self.interrupted = False

    def all(self, rows: Sequence[Row]) -> list[Outcome]:
        """Run them all, or up to the first failure."""
        context, outcomes, why_not = self._context, [], ""
        begin = time.monotonic()
        expected = [self._times.expect(row.flags) for row in rows]
        for index, row in enumerate(rows):
            why_not = why_not or self._lacks_disk()
            if why_not:
                outcomes.append(Outcome(row, SKIPPED, note=why_not))
                continue
            left = sum(expected[index:]) * _pace(time.monotonic() - begin, sum(expected[:index]))
            title = f"[{index + 1}/{len(rows)}] {row.description} (about {duration(max(1.0, left))} left)"
            try:
                with context.out.group(title), context.out.quoting():
                    outcome = self._row(index, row)
            except Interrupted:
                self.interrupted, why_not = True, "the job was cancelled"
                outcomes.append(Outcome(row, SKIPPED, note=why_not))
                continue
            outcomes.append(outcome)
            if outcome.state != PASSED:
                context.out.say(f"{outcome.state}: {row.description}: {outcome.command}")
                if not self._settings.keep_going:
                    why_not = "an earlier row failed, and keep-going is false"
        return outcomes

    def probe(self, row: Row, words: Sequence[str], flags: Sequence[str], seconds: float) -> CargoResult:
        """Run one command for other features of the row's crate, unseen, in at most so many seconds."""
        limit = min(seconds, self._settings.row_timeout_seconds or seconds)
        command = self._command(words, flags, row)
        return self._runner(limit).run(command, shown=False, environ=self._environ)

    def _row(self, index: int, row: Row) -> Outcome:
        runner = self._runner(self._settings.row_timeout_seconds)
        seconds, units = 0.0, 0
        for words in self._commands:
            command = self._command(words, shlex.split(row.flags), row)
            self._context.out.say("$ " + " ".join(command))
            result = runner.run(command, shown=True, environ=self._environ)
            seconds += result.seconds
            units += result.units
            self.pages |= set(result.pages)
            if result.passed:
                continue
            if not result.timed_out:
                self.failures[index] = Failure(row, tuple(words), result)
            return Outcome(
                row,
                state_of(result),
                seconds,
                units,
                command=" ".join(command),
                error=result.errors[0] if result.errors else None,
                note=f"took more than the {self._settings.row_timeout_seconds:g} s of 'row-timeout-seconds'"
                if result.timed_out
                else "",
                log=result.log,
            )
        self.passed.setdefault(row.crate, []).append(row)
        return Outcome(row, PASSED, seconds, units)

    def _runner(self, timeout_seconds: float | None) -> CargoRunner:
        return CargoRunner(self._context, folder=self._workspace.root, timeout_seconds=timeout_seconds)

    def _command(self, words: Sequence[str], flags: Sequence[str], row: Row) -> list[str]:
        # The crate's own manifest: with resolver 1, features are those of the package whose manifest is named.
        manifest = self._workspace.crates[row.crate].manifest
        return cargo_command(
            words, manifest=manifest, flags=flags, locked=self._locked, toolchain=row.toolchain
        )

    def _lacks_disk(self) -> str:
        """Empty while there is room. What cargo built in this checkout is removed first: it can be built again."""
        wanted = self._settings.min_free_mib << 20
        if free_bytes(self._workspace) >= wanted:
            return ""
        if is_expendable(self._workspace, workspace_of(self._context.environ)):
            gained = empty_target(self._workspace)
            self._context.out.warning(
                f"less than {size(wanted)} were free: {self._workspace.target_directory} was emptied ({size(gained)})",
                title=TITLE,
            )
        free = free_bytes(self._workspace)
        if free >= wanted:
            return ""
        return f"{size(free)} are free on the disk, and min-free-mib wants {size(wanted)}"


def _pace(spent: float, expected: float) -> float:
    """How much slower this run is than its estimate was."""
    return spent / expected if expected else 1.0
