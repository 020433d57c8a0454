"""The job summary: Markdown that a person reads in ten seconds, bounded in size."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

# The runner drops a summary over 1 MiB whole (see docs/architecture.md); stay far below, and say what was cut.
MAXIMUM_BYTES = 200_000


def escape_cell(value: object) -> str:
    """Text that stays inside its table cell and shows as it is."""
    text = str(value).replace("\\", "\\\\").replace("|", "\\|").replace("`", "\\`")
    text = text.replace("<", "&lt;").replace(">", "&gt;").replace("*", "\\*").replace("_", "\\_")
    return re.sub(r"[\r\n]+", " ", text)


def code(value: object) -> str:
    """Inline code, also inside a table cell."""
    text = re.sub(r"[\r\n]+", " ", str(value)).replace("|", "\\|")
    if not text:
        return ""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)  # CommonMark 6.1: a run of another length does not close it
    pad = " " if longest else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def size(count: float) -> str:
    """Bytes for people, in binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("unreachable")


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


class Summary:
    """A Markdown document that is built piece by piece and appended to the step's summary file once."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def heading(self, text: str) -> None:
        """A third-level heading: the job and the step stand above it."""
        self._parts.append(f"### {text}\n")

    def paragraph(self, markdown: str) -> None:
        """Markdown as it is."""
        self._parts.append(f"{markdown}\n")

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table; cells are Markdown (use `escape_cell` or `code` for foreign text)."""
        lines = [f"| {' | '.join(header)} |", f"|{'|'.join(' --- ' for _ in header)}|"]
        lines += [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
        self._parts.append("\n".join(lines) + "\n")

    def facts(self, facts: Mapping[str, object]) -> None:
        """A two-column table of what happened; empty values are left out."""
        self.table(
            ("", ""), [(f"**{name}**", value) for name, value in facts.items() if value not in ("", None)]
        )

    def details(self, title: str, text: str) -> None:
        """A folded block of foreign text."""
        fence = "```"
        while fence in text:
            fence += "`"
        self._parts.append(f"<details><summary>{title}</summary>\n\n{fence}\n{text}\n{fence}\n</details>\n")

    def markdown(self) -> str:
        """The document, cut at a whole part when it is too long."""
        kept: list[str] = []
        used = 0
        for index, part in enumerate(self._parts):
            used += len(part.encode()) + 1
            if used > MAXIMUM_BYTES:
                kept.append(f"*{len(self._parts) - index} more parts were left out: the summary is full.*\n")
                break
            kept.append(part)
        return "\n".join(kept)

    def write(self, environ: Mapping[str, str]) -> None:
        """Append to GITHUB_STEP_SUMMARY, and to a file of its own in COLDVOX_ACTIONS_SUMMARY_DIR if that is set."""
        text = self.markdown()
        if not text:
            return
        if path := environ.get("GITHUB_STEP_SUMMARY"):
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(text + "\n")
        if folder := environ.get("COLDVOX_ACTIONS_SUMMARY_DIR"):
            import zlib

            # Jobs of a matrix have one id; each has a folder for temporary files of its own.
            apart = f"{zlib.crc32(environ.get('RUNNER_TEMP', '').encode(errors='surrogateescape')):08x}"
            of_job = Path(folder, f"{_plain(environ.get('GITHUB_JOB', 'job'))}-{apart}")
            of_job.mkdir(parents=True, exist_ok=True)
            step = _plain(environ.get("GITHUB_ACTION", "step"))
            handle, _ = tempfile.mkstemp(dir=of_job, prefix=f"{step}-", suffix=".md")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name)
