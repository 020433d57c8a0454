"""`validate`: run the commands for every row of this job, and shrink what fails to the features that matter."""

from __future__ import annotations

import shlex
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from actionlib.entrypoint import EXIT_INTERRUPTED, EXIT_USER_ERROR, Context, Interrupted, Result
from actionlib.scoped_runs import workspace_of
from actionlib.summary import duration, size
from feature_matrix.cargo_runs import CargoResult, CargoRunner, cargo_command, require_cargo
from feature_matrix.failures import Failure, explain_failures
from feature_matrix.inputs import Settings
from feature_matrix.manifests import Workspace
from feature_matrix.outcomes import FAILED, PASSED, SKIPPED, Outcome, state_of, summarise, write_junit
from feature_matrix.planning import Row
from feature_matrix.rows import graphs_of, rows_to_run
from feature_matrix.selection import configuration_of, workspace_named
from feature_matrix.timings import HostTimings, Timings

TITLE = "Feature matrix"
MOST_ANNOTATIONS = 10  # GitHub shows no more errors of one step


def validate(context: Context, settings: Settings) -> Result:
    """Run this job's rows. The step fails if one of them does."""
    require_cargo(context)
    workspace = workspace_named(context, settings)
    rows = rows_to_run(context, settings, workspace)
    if not rows:
        context.out.notice("there is no row for this job", title=TITLE)
    store = HostTimings(context, settings.manifest_path)
    outcomes, interrupted = run_rows(
        context, settings, workspace, rows, commands=settings.commands, times=store.read()
    )
    store.add({one.flags: round(one.seconds, 3) for one in outcomes if one.state == PASSED})
    return report(context, outcomes, root=workspace.root, title=TITLE, interrupted=interrupted)


def run_rows(
    context: Context,
    settings: Settings,
    workspace: Workspace,
    rows: Sequence[Row],
    *,
    commands: Sequence[Sequence[str]],
    times: Timings,
    environ: Mapping[str, str] | None = None,
) -> tuple[list[Outcome], bool]:
    """Run cargo's `commands` for each row, and shrink what fails. The second value: whether the job was cancelled."""
    run = _Validation(context, settings, workspace.root, times, commands, environ or {})
    outcomes = run.all(rows)
    if not run.failures or run.interrupted:
        return outcomes, run.interrupted
    try:
        explained = explain_failures(
            run.failures,
            graphs=graphs_of(workspace),
            configuration=configuration_of(context, settings, workspace),
            passed=run.passed,
            run=run.probe,
            budget_seconds=settings.shrink_seconds,
            say=context.out.say,
        )
    except Interrupted:  # what was found until then is told all the same
        return outcomes, True
    return [explained.get(one.flags, one) for one in outcomes], False


class _Validation:
    """One job's rows, one after the other with one target directory: the order makes no difference to what is built."""

    def __init__(
        self,
        context: Context,
        settings: Settings,
        root: Path,
        times: Timings,
        commands: Sequence[Sequence[str]],
        environ: Mapping[str, str],
    ) -> None:
        self._context, self._settings, self._times = context, settings, times
        self._commands, self._environ = commands, environ
        self._manifest = root / "Cargo.toml"
        self._workspace = workspace_of(context.environ)
        self._locked = (root / "Cargo.lock").is_file()
        self._target = Path(context.environ.get("CARGO_TARGET_DIR") or root / "target")
        self._runner = CargoRunner(context, timeout_seconds=settings.row_timeout_seconds)
        self.failures: list[Failure] = []
        self.passed: dict[str, list[Row]] = {}  # by crate
        self.interrupted = False

    def all(self, rows: Sequence[Row]) -> list[Outcome]:
        """Run them all, or up to the first failure."""
        context, outcomes, why_not = self._context, [], ""
        if not self._locked and rows:
            context.out.notice("there is no Cargo.lock: dependencies are resolved anew", title=TITLE)
        begin = time.monotonic()
        expected = [self._times.expect(row.flags) for row in rows]
        for index, row in enumerate(rows):
            why_not = why_not or self._lacks_disk()
            if why_not:
                outcomes.append(_skipped(row, why_not))
                continue
            left = sum(expected[index:]) * _pace(time.monotonic() - begin, sum(expected[:index]))
            title = f"[{index + 1}/{len(rows)}] {row.description} (about {duration(max(1.0, left))} left)"
            try:
                with context.out.group(title), context.out.quoting():
                    outcome = self._row(row)
            except Interrupted:
                self.interrupted, why_not = True, "the job was cancelled"
                outcomes.append(_skipped(row, why_not))
                continue
            outcomes.append(outcome)
            if outcome.state != PASSED:
                context.out.say(f"{outcome.state}: {row.description}: {outcome.command}")
                why_not = (
                    "" if self._settings.keep_going else "an earlier row failed, and keep-going is false"
                )
        return outcomes

    def probe(self, row: Row, words: Sequence[str], flags: Sequence[str], seconds: float) -> CargoResult:
        """Run one command for other features of the row's crate, unseen, in at most so many seconds."""
        limit = min(seconds, self._settings.row_timeout_seconds or seconds)
        return CargoRunner(self._context, timeout_seconds=limit).run(
            self._command(words, flags, row.toolchain), shown=False, environ=self._environ
        )

    def _row(self, row: Row) -> Outcome:
        seconds, units = 0.0, 0
        for words in self._commands:
            command = self._command(words, shlex.split(row.flags), row.toolchain)
            self._context.out.say("$ " + " ".join(command))
            result = self._runner.run(command, shown=True, environ=self._environ)
            seconds += result.seconds
            units += result.units
            if not result.passed:
                if not result.timed_out:
                    self.failures.append(Failure(row, tuple(words), result))
                return Outcome(
                    row.crate,
                    row.description,
                    row.flags,
                    ",".join(row.features),
                    state_of(result),
                    seconds,
                    units,
                    command=" ".join(command),
                    error=result.errors[0] if result.errors else None,
                    note=f"took more than {self._settings.row_timeout_seconds:g} s"
                    if result.timed_out
                    else "",
                    log=result.log,
                )
        self.passed.setdefault(row.crate, []).append(row)
        return Outcome(row.crate, row.description, row.flags, ",".join(row.features), PASSED, seconds, units)

    def _command(self, words: Sequence[str], flags: Sequence[str], toolchain: str) -> list[str]:
        return cargo_command(
            words, manifest=self._manifest, flags=flags, locked=self._locked, toolchain=toolchain
        )

    def _lacks_disk(self) -> str:
        """Empty while there is room. What cargo built in this checkout is removed first: it can be built again."""
        wanted = self._settings.min_free_mib << 20
        if self._free() >= wanted:
            return ""
        if self._target.is_dir() and self._target.resolve().is_relative_to(self._workspace.resolve()):
            before = self._free()
            shutil.rmtree(self._target, ignore_errors=True)
            self._context.out.warning(
                f"less than {size(wanted)} were free: {self._target} was emptied ({size(self._free() - before)})",
                title=TITLE,
            )
        free = self._free()
        return (
            ""
            if free >= wanted
            else f"{size(free)} are free on the disk, and min-free-mib wants {size(wanted)}"
        )

    def _free(self) -> int:
        place = next(path for path in (self._target, *self._target.parents) if path.is_dir())
        return shutil.disk_usage(place).free


def report(
    context: Context, outcomes: Sequence[Outcome], *, root: Path, title: str, interrupted: bool = False
) -> Result:
    """Annotations, summary, JUnit file, outputs and exit code for these rows."""
    bad = [one for one in outcomes if one.state not in (PASSED, SKIPPED)]
    skipped = [one for one in outcomes if one.state == SKIPPED]
    told = {(one.crate, one.note or one.description): one for one in reversed(bad)}
    for one in list(reversed(told.values()))[:MOST_ANNOTATIONS]:
        what = f"{one.crate} {one.note}" if one.note else f"{one.description}: {one.command} {one.state}"
        file, line = _place(one, root, workspace_of(context.environ))
        context.out.error(
            f"{what}{f': {one.error.text}' if one.error else ''}", title=title, file=file, line=line
        )
    for why in dict.fromkeys(one.note for one in skipped):
        context.out.warning(
            f"{sum(one.note == why for one in skipped)} rows were skipped: {why}", title=title
        )
    spent = sum(one.seconds for one in outcomes)
    facts = {"time": duration(spent), "units compiled": sum(one.units for one in outcomes)}
    summarise(context.summary, outcomes, title=title, facts=facts)
    outputs = {
        "count": str(len(outcomes)),
        "failed": str(len(bad)),
        "junit-file": _junit(context, outcomes, title),
    }
    context.out.say(
        f"{len(outcomes) - len(bad) - len(skipped)} rows passed, {len(bad)} failed, {len(skipped)} skipped"
    )
    failed = bad or any(one.note != "" for one in skipped)
    exit_code = EXIT_INTERRUPTED if interrupted else EXIT_USER_ERROR if failed else 0
    return Result(outputs, exit_code, {"rows": [one.to_json() for one in outcomes]})


def _pace(spent: float, expected: float) -> float:
    """How much slower this run is than its estimate was."""
    return spent / expected if expected else 1.0


def _skipped(row: Row, why: str) -> Outcome:
    return Outcome(row.crate, row.description, row.flags, ",".join(row.features), SKIPPED, note=why)


def _place(one: Outcome, root: Path, folder: Path) -> tuple[str, int]:
    """The first error's file relative to the repository, as annotations want it."""
    if one.state != FAILED or one.error is None or not one.error.file:
        return "", 0
    path = (root / one.error.file).resolve()
    inside = path.is_file() and path.is_relative_to(folder.resolve())
    return (str(path.relative_to(folder.resolve())), one.error.line) if inside else ("", 0)


def _junit(context: Context, outcomes: Sequence[Outcome], title: str) -> str:
    folder = context.environ.get("RUNNER_TEMP")
    if not folder:
        return ""
    path = Path(tempfile.mkdtemp(dir=folder, prefix="junit-")) / "junit.xml"
    write_junit(path, outcomes, name=title)
    return str(path)
