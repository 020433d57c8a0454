"""What a job says about its rows: annotations, summary, JUnit file, outputs and exit code."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from actionlib.entrypoint import EXIT_INTERRUPTED, EXIT_USER_ERROR, Context, Result
from actionlib.scoped_runs import workspace_of
from actionlib.summary import duration
from feature_matrix.outcomes import FAILED, PASSED, SKIPPED, TIMED_OUT, Outcome, summarise, write_junit

MOST_ANNOTATIONS = 10  # GitHub shows no more errors of one step


def report(
    context: Context, outcomes: Sequence[Outcome], *, root: Path, title: str, interrupted: bool = False
) -> Result:
    """Tell about these rows of the cargo workspace in `root`."""
    bad = [one for one in outcomes if one.state not in (PASSED, SKIPPED)]
    skipped = [one for one in outcomes if one.state == SKIPPED]
    _annotate(context, bad, root=root, title=title)
    for why in dict.fromkeys(one.note for one in skipped):
        context.out.warning(
            f"{sum(one.note == why for one in skipped)} rows were skipped: {why}", title=title
        )
    spent = sum(one.seconds for one in outcomes)
    facts = {"time": duration(spent), "units compiled": sum(one.units for one in outcomes)}
    summarise(context.summary, outcomes, title=title, facts=facts)
    context.out.say(
        f"{len(outcomes) - len(bad) - len(skipped)} rows passed, {len(bad)} failed, {len(skipped)} skipped"
    )
    outputs = {
        "count": str(len(outcomes)),
        "failed": str(len(bad)),
        "junit-file": _junit(context, outcomes, title),
    }
    exit_code = EXIT_INTERRUPTED if interrupted else EXIT_USER_ERROR if bad or skipped else 0
    return Result(outputs, exit_code, {"rows": [one.to_json() for one in outcomes]})


def _annotate(context: Context, bad: Sequence[Outcome], *, root: Path, title: str) -> None:
    """An error for each reason, at the place of its first error; a row that took too long is a reason of its own."""
    told = {
        (
            one.row.crate,
            one.row.description if one.state == TIMED_OUT else one.note or one.row.description,
        ): one
        for one in reversed(bad)
    }
    for one in list(reversed(told.values()))[:MOST_ANNOTATIONS]:
        what = (
            f"{one.row.crate} {one.note}" if one.note else f"{one.row.description}: {one.command} {one.state}"
        )
        if one.state == TIMED_OUT:
            what = f"{one.row.description}: {one.command.partition(' --manifest-path=')[0]} {one.note}"
        file, line = _place(one, root, workspace_of(context.environ).resolve())
        context.out.error(
            f"{what}{f': {one.error.text}' if one.error else ''}", title=title, file=file, line=line
        )


def _place(one: Outcome, root: Path, checkout: Path) -> tuple[str, int]:
    """The first error's file relative to the repository, as annotations want it."""
    if one.state != FAILED or one.error is None or not one.error.file:
        return "", 0
    path = (root / one.error.file).resolve()
    inside = path.is_file() and path.is_relative_to(checkout)
    return (str(path.relative_to(checkout)), one.error.line) if inside else ("", 0)


def _junit(context: Context, outcomes: Sequence[Outcome], title: str) -> str:
    folder = context.environ.get("RUNNER_TEMP")
    if not folder:
        return ""
    path = Path(tempfile.mkdtemp(dir=folder, prefix="junit-")) / "junit.xml"
    write_junit(path, outcomes, name=title)
    return str(path)
