"""What `make impact` writes: claims with their figures, verdicts that follow from the figures, and Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

NOT_MEASURED = "not measured here"


@dataclass(frozen=True)
class Claim:
    """One promise of the source document. `…_met` is None where nothing was measured that could tell."""

    line: int  # of the source document
    text: str
    document: str  # the figures of its approach
    ours: str
    document_met: bool | None
    ours_met: bool | None

    @property
    def verdict(self) -> str:
        """What the figures say."""
        words = {True: "yes", False: "no", None: NOT_MEASURED}
        return f"reproduced: {words[self.document_met]}; met by the actions: {words[self.ours_met]}"


@dataclass(frozen=True)
class Part:
    """One blocker: its claims, and Markdown blocks that tell how they were measured."""

    title: str
    claims: Sequence[Claim]
    body: Sequence[str] = field(default_factory=list)


def reduction(before: float, after: float) -> float:
    """By which share (0 to 1) `after` is below `before`, negative when above; nan with nothing before."""
    return 1 - after / before if before else math.nan


def percent(value: float) -> str:
    """A share (0 to 1) as a percentage; `-` for nan."""
    if math.isnan(value):
        return "-"
    # Never round to all or nothing what is neither.
    near = min(value, 1 - value) if 0 < value < 1 else 1
    digits = 2 if near < 0.001 else 1 if near < 0.01 else 0
    return f"{100 * value:.{digits}f} %"


def change(before: float, after: float) -> str:
    """A reduction in words: `95 % fewer`, `as many`, `10 % more`."""
    share = reduction(before, after)
    if math.isnan(share):
        return "none before"
    if share == 0:
        return "as many"
    return f"{percent(abs(share))} {'fewer' if share > 0 else 'more'}"


def of(part: int, whole: int) -> str:
    """A count with its share: `3 of 12 (25 %)`."""
    return f"{part} of {whole} ({percent(part / whole)})" if whole else "0 of 0"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; floats get three significant digits."""
    lines = [columns, ["---"] * len(columns), *([_cell(one) for one in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def points(lines: Iterable[str]) -> str:
    """A Markdown list."""
    return "\n".join(f"- {line}" for line in lines)


def render(parts: Sequence[Part], *, where: Mapping[str, str], command: str, minutes: float) -> str:
    """The whole page."""
    rows = [
        (f"{one.text} (line {one.line})", one.document, one.ours, one.verdict)
        for part in parts
        for one in part.claims
    ]
    blocks = [
        "# Expected impact, measured",
        "<!-- Written by `make impact`; changes by hand are lost. -->",
        prose("""
            The source document (`seed-runner-blockers.md`) ends each blocker with the impact that it expects. Here
            each of these claims is measured for the five blockers that the bundle replaces: the document's approach
            and the actions, on the same workload, in one run. The document's approach is written anew in
            [tests/bench/baseline](../tests/bench/baseline), with its defects; each part names the lines that it
            stands for. A claim is *reproduced* when the document's approach reaches it here, and *met* when the
            actions do: both are computed from the figures of this run.
        """),
        f"Made by `{command}` in {minutes:.1f} minutes.",
        points(f"{name}: {value}" for name, value in where.items()),
        table(("claim", "document's approach, measured", "actions, measured", "verdict"), rows),
    ]
    for part in parts:
        blocks += [f"## {part.title}", *part.body]
    return "\n\n".join(blocks) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def prose(text: str) -> str:
    """A paragraph on one line, however it is broken in the source."""
    return " ".join(text.split())
