"""What became of the rows: as JSON, as JUnit XML, and as the summary that leads with what fails and why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from actionlib.summary import Summary, code, duration, escape_cell
from feature_matrix.cargo_runs import CargoResult, Diagnostic
from feature_matrix.planning import Row

PASSED, FAILED, TIMED_OUT, SKIPPED = "passed", "failed", "timed out", "skipped"
MARKS = {PASSED: "✅", FAILED: "❌", TIMED_OUT: "⏱️", SKIPPED: "⏭️"}
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row. `command` is the one that failed, `error` the first of its errors, `log` the end of what it said.

    `note` says in a sentence what the failure was shrunk to, or why the row was skipped.
    """

    row: Row
    state: str
    seconds: float = 0.0
    units: int = 0
    command: str = ""
    error: Diagnostic | None = None
    note: str = ""
    log: str = ""

    def to_json(self) -> dict[str, Any]:
        """The outcome as a flat JSON object, without its log."""
        row = {name: getattr(self.row, name) for name in ("crate", "description", "flags")}
        rest = {name: value for name, value in asdict(self).items() if name not in ("row", "log")}
        return row | {"features": ",".join(self.row.features)} | rest


def state_of(result: CargoResult) -> str:
    """The state of a row that ends with this command."""
    return TIMED_OUT if result.timed_out else PASSED if result.passed else FAILED


def write_junit(path: Path, outcomes: Sequence[Outcome], *, name: str) -> None:
    """Write the outcomes as JUnit XML (the form that Jenkins' xunit-plugin describes): a suite for each crate."""
    root = ElementTree.Element("testsuites", name=name)
    for crate in dict.fromkeys(one.row.crate for one in outcomes):
        rows = [one for one in outcomes if one.row.crate == crate]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=crate,
            tests=str(len(rows)),
            failures=str(sum(one.state in (FAILED, TIMED_OUT) for one in rows)),
            errors="0",
            skipped=str(sum(one.state == SKIPPED for one in rows)),
            time=f"{sum(one.seconds for one in rows):.3f}",
        )
        for one in rows:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=crate,
                name=_clean(one.row.description),
                time=f"{one.seconds:.3f}",
            )
            if one.state == SKIPPED:
                ElementTree.SubElement(case, "skipped", message=_clean(one.note))
            elif one.state != PASSED:
                told = one.note or (one.error.text if one.error else f"{one.command}: {one.state}")
                failure = ElementTree.SubElement(case, "failure", message=_clean(told), type=one.state)
                failure.text = _clean(f"{one.command}\n{one.log}")
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def summarise(
    summary: Summary, outcomes: Sequence[Outcome], *, title: str, facts: Mapping[str, object]
) -> None:
    """Failures first, each with the least set of features and its first error; then a table of all rows."""
    bad = [one for one in outcomes if one.state in (FAILED, TIMED_OUT)]
    skipped = sum(one.state == SKIPPED for one in outcomes)
    told = (
        f"{len(bad)} of {len(outcomes)} combinations fail"
        if bad
        else f"{len(outcomes) - skipped} combinations pass"
    )
    summary.heading(f"{title}: {told}{f', {skipped} skipped' if skipped else ''}")
    for note in dict.fromkeys((one.row.crate, one.note) for one in bad if one.note):
        which = [one for one in bad if (one.row.crate, one.note) == note]
        first = which[0]
        where = (
            f", at {code(f'{first.error.file}:{first.error.line}')}"
            if first.error and first.error.file
            else ""
        )
        error = f": {escape_cell(first.error.text)}{where}" if first.error else ""
        rows = f" ({len(which)} rows)" if len(which) > 1 else ""
        summary.paragraph(f"❌ **{escape_cell(note[0])} {escape_cell(note[1])}**{rows}{error}")
    summary.facts(facts)
    summary.table(
        ("", "crate", "features", "time", "units", "first error"),
        [
            (
                f"{MARKS[one.state]} {one.state}",
                code(one.row.crate),
                code(",".join(one.row.features)) if one.row.features else "no features",
                duration(one.seconds) if one.state != SKIPPED else "",
                one.units if one.state != SKIPPED else "",
                escape_cell(one.error.text if one.error else one.note if one.state != PASSED else ""),
            )
            for one in outcomes
        ],
    )
    for one in bad[:10]:
        summary.details(f"{escape_cell(one.row.description)}: {escape_cell(one.command)}", one.log)


def _clean(text: str) -> str:
    return _NOT_XML.sub("", text)
