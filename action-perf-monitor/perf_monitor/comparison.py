"""A run against the earlier runs of its job: judged, shown, and kept for the next ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from actionlib.database import DatabaseFailed
from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from actionlib.state import open_state
from actionlib.summary import size
from perf_monitor.history import History, RunRecord, record_of
from perf_monitor.regression import WINDOW, Verdict, compare
from perf_monitor.report import Report

TITLE = "Performance monitor"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the past says. `lasting` names the figures that were worse in the run before, too."""

    verdicts: Sequence[Verdict] = ()
    lasting: tuple[str, ...] = ()

    @property
    def regression(self) -> str:
        """`true`, `false`, or empty where no figure could be judged."""
        if not any(one.limit is not None for one in self.verdicts):
            return ""
        return str(any(one.is_worse for one in self.verdicts)).lower()

    def facts(self) -> list[dict[str, Any]]:
        """The verdicts as JSON."""
        return [
            {"figure": one.figure.name, "value": one.value, "median": one.median, "limit": one.limit,
             "runs": one.runs, "worse": one.is_worse, "reason": one.reason}
            for one in self.verdicts
        ]  # fmt: skip


def compare_with_past(context: Context, report: Report, *, success: bool | None) -> Comparison:
    """Judge a run by its past; with `success` known, keep it.

    Only successful runs are judged: one that failed early was quick for another reason. Whatever is wrong with the
    history is a notice.
    """
    if not report.meta.get("job"):  # at the prompt: whatever was run there is not the same job
        return Comparison()
    record = record_of(report, success=bool(success))
    try:
        history = History(open_state(context.environ))
        earlier = history.earlier(record, limit=WINDOW)
        verdicts = compare(record.figures, [one.figures for one in earlier]) if success is not False else []
        worse = tuple(one.figure.name for one in verdicts if one.is_worse)
        if success is not None:
            history.add(replace(record, worse=worse))
        for note in history.notes:
            context.out.notice(note, title=TITLE)
    except (ActionError, DatabaseFailed) as error:
        context.out.notice(f"nothing is compared with earlier runs: {error}", title=TITLE)
        return Comparison()
    return Comparison(verdicts, _lasting(worse, earlier))


def _lasting(worse: Sequence[str], earlier: Sequence[RunRecord]) -> tuple[str, ...]:
    return tuple(name for name in worse if earlier and name in earlier[0].worse)


def tell(context: Context, comparison: Comparison) -> None:
    """Show the verdicts in the summary, and what is worse in the log."""
    judged = [one for one in comparison.verdicts if one.limit is not None]
    if judged:
        rows = [
            (
                "❌" if one.is_worse else "✅",
                one.figure.name.rsplit("_", 1)[0].replace("_", " "),
                show(one, one.value),
                show(one, one.median or 0.0),
                show(one, one.limit or 0.0),
                "" if one.change_percent is None else f"{one.change_percent:+.0f} %",
            )
            for one in judged
        ]
        context.summary.paragraph(f"**Beside the last {max(one.runs for one in judged)} successful runs**")
        context.summary.table(("", "", "this run", "median", "limit", "change"), rows)
    elif comparison.verdicts:
        context.summary.paragraph(f"Not compared with earlier runs: {comparison.verdicts[0].reason}.")
    for one in judged:
        if one.is_worse:
            context.out.warning(
                f"{one.figure.name} is {show(one, one.value)}; the last {one.runs} runs had "
                f"{show(one, one.median or 0.0)} and at most {show(one, one.limit or 0.0)} is usual",
                title=TITLE,
            )


def show(verdict: Verdict, value: float) -> str:
    """A value in the figure's unit, for people."""
    if verdict.figure.unit == "B":
        return size(value)
    return f"{value:.1f} {verdict.figure.unit}"
