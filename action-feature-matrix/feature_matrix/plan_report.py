"""A plan in words: the job summary, and what is shown at the prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from actionlib.summary import Summary, code, escape_cell
from feature_matrix.affected import Affected
from feature_matrix.manifests import Workspace
from feature_matrix.planning import CratePlan

TITLE = "Feature matrix"
ROWS_SHOWN = 300
ALSO_SHOWN = 5
STRANGERS_SHOWN = 10


def told_of_strangers(names: Sequence[str]) -> str:
    """A sentence about changed files that no crate is built from."""
    return (
        f"no crate is built from {len(names)} changed file{'' if len(names) == 1 else 's'}: {_shown(names)}"
    )


def summarise(
    summary: Summary,
    plans: Sequence[CratePlan],
    *,
    jobs: int,
    workspace: Workspace,
    affected: Affected | None = None,
) -> None:
    """What each crate's rows cover, what others would test, and why each row is there."""
    rows = [row for one in plans for row in one.rows]
    summary.heading(f"{TITLE}: {len(rows)} combinations in {jobs} job{'' if jobs == 1 else 's'}")
    if affected:
        summary.paragraph(f"Planned: {escape_cell(affected.reason)}.")
    if affected and affected.strangers:
        shown = _shown([code(name) for name in affected.strangers])
        summary.paragraph(f"No crate is built from these changed files: {shown}.")
    if not rows:
        summary.paragraph(
            f"No crate of {code(workspace.root)} is left to test"
            f"{'' if affected else ': packages, exclude, strategy and configuration leave none'}."
        )
        return
    summary.table(
        ("crate", "features", "rows", "pairs", "implications", "each feature", "depth 2", "2ⁿ"),
        [
            (
                code(one.crate),
                one.features,
                f"{len(one.rows)}{' (optimal)' if one.optimal else ''}",
                f"{one.pairs} of {one.pairs_feasible}",
                f"{one.edges} of {one.edges_feasible}",
                one.each_feature_rows,
                one.depth_two_rows,
                f"{one.all_subsets:,}" if one.all_subsets < 10**7 else f"{one.all_subsets:.1e}",
            )
            for one in plans
        ],
    )
    each = sum(one.each_feature_rows for one in plans)
    told = [f"`cargo hack --each-feature` would test {each} combinations. Read from `{workspace.source}`."]
    if workspace.target:
        told.append(f"What builds the same for `{workspace.target.triple}` is one row.")
    if any(one.optimal for one in plans):
        told.append("Optimal: no fewer rows, with none and all features among them, show all pairs.")
    summary.paragraph(" ".join(told))
    summary.table(
        ("combination", "why", "builds the same"),
        [
            (code(row.description), row.reason, ", ".join(map(code, row.also[:ALSO_SHOWN])))
            for row in rows[:ROWS_SHOWN]
        ],
    )
    if len(rows) > ROWS_SHOWN:
        summary.paragraph(f"{len(rows) - ROWS_SHOWN} more rows are in the JSON file.")


def in_words(plans: Sequence[CratePlan]) -> Iterator[str]:
    """Lines for people: the combinations of each crate, and why."""
    width = max((len(row.reason) for one in plans for row in one.rows), default=0)
    for one in plans:
        covered = (
            f"{one.pairs} of {one.pairs_feasible} pairs, {one.edges} of {one.edges_feasible} implications"
        )
        number = (
            f"{len(one.rows)} row{'' if len(one.rows) == 1 else 's'}{' (optimal)' if one.optimal else ''}"
        )
        yield f"{one.crate}: {number}, {covered}"
        for row in one.rows:
            name = row.description.removeprefix(f"{one.crate}: ")
            also = f" (builds the same: {'; '.join(row.also[:ALSO_SHOWN])})" if row.also else ""
            yield f"  {row.reason:{width}}  {name}{also}"


def _shown(names: Sequence[str]) -> str:
    more = len(names) - STRANGERS_SHOWN
    return ", ".join([*names[:STRANGERS_SHOWN], *([f"and {more} more"] if more > 0 else [])])
