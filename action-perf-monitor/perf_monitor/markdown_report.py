"""The report for the job summary and as a file: the verdict first, then a table, then what explains it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from actionlib.summary import Summary, code
from perf_monitor.figures import figure_rows, growth, subject
from perf_monitor.mermaid_chart import chart_text, legend
from perf_monitor.report import Chart, Report, Usage
from perf_monitor.wording import memory, plain, printable, span

MOST_STEPS = 30
MOST_ALERTS = 10
MOST_PROGRAMS = 20
MOST_CACHES = 12
MOST_NOTES = 12
_OPEN_CHARTS = 2  # the others are folded away
_SIGNS = {"good": "✅", "note": "ℹ️", "warning": "⚠️"}  # noqa: RUF001 - the sign, not the letter
_LEVELS = {"concerning": "🟡", "critical": "🔴"}


def markdown_report(report: Report, *, files: Sequence[str] = ()) -> str:
    """The whole document; `files` are names of further files, for its last line."""
    summary = Summary()
    fill_summary(summary, report, files=files)
    return summary.markdown()


def fill_summary(summary: Summary, report: Report, *, files: Sequence[str] = ()) -> None:
    """Append the report. Stays far below the summary's limit whatever the length of the run."""
    summary.heading(f"Performance of {text(subject(report))}")
    summary.paragraph(f"**{text(report.headline)}**")
    if report.notes:
        shown = "\n".join(f"> ⚠️ {text(note, limit=400)}<br>" for note in report.notes[:MOST_NOTES])
        summary.paragraph(shown.removesuffix("<br>"))
    summary.table(("", "min", "average", "p95", "peak", "in all"), _figures(report))
    if report.caches_mb:
        summary.table(("cache", "at first", "at last", "change"), _caches(report))
    _alerts(summary, report)
    if report.insights:
        shown = "\n".join(
            f"- {_SIGNS.get(one.level, '')} **{text(one.title)}**: {text(one.text, limit=500)}"
            for one in report.insights
        )
        summary.paragraph(shown)
    if report.steps or report.unseen_cpu_seconds > 0:
        summary.table(("step", "from", "to", "CPU", "share", "peak memory", "processes"), _steps(report))
    for chart in report.charts[:_OPEN_CHARTS]:
        summary.paragraph(_chart(chart, duration=report.duration_seconds))
    if folded := report.charts[_OPEN_CHARTS:]:
        drawn = "\n".join(_chart(chart, duration=report.duration_seconds) for chart in folded)
        names = ", ".join(text(chart.title).lower() for chart in folded)
        summary.paragraph(f"<details><summary>More charts: {names}</summary>\n\n{drawn}\n</details>")
    if report.programs:
        inner = Summary()
        inner.table(("program", "CPU", "peak memory", "processes"), _programs(report.programs))
        title = "<details><summary>Programs that used most</summary>"
        summary.paragraph(f"{title}\n\n{inner.markdown()}\n</details>")
    summary.paragraph(_last_line(report, files))


def _figures(report: Report) -> Iterator[tuple[str, ...]]:
    for row in figure_rows(report):
        yield row.name, row.minimum, f"**{row.mean}**", row.p95, f"**{row.peak}**", row.in_all


def _caches(report: Report) -> Iterator[tuple[str, ...]]:
    ranked = sorted(report.caches_mb.items(), key=lambda item: -item[1][1])
    for name, (first, last) in ranked[:MOST_CACHES]:
        partial = " (not wholly counted)" if name in report.partial_caches else ""
        yield foreign(name), memory(first), f"{memory(last)}{partial}", growth(first, last)
    if rest := ranked[MOST_CACHES:]:
        first, last = (sum(sizes[index] for _, sizes in rest) for index in (0, 1))
        yield f"{len(rest)} more", memory(first), memory(last), growth(first, last)


def _alerts(summary: Summary, report: Report) -> None:
    if not report.alerts:
        return
    worst = sorted(report.alerts, key=lambda alert: (alert.level != "critical", alert.elapsed_seconds))
    shown = sorted(worst[:MOST_ALERTS], key=lambda alert: alert.elapsed_seconds)
    rows = [
        (
            span(alert.elapsed_seconds),
            f"{_LEVELS.get(alert.level, '')} {text(alert.level)}",
            text(alert.text, limit=120),
        )
        for alert in shown
    ]
    if more := len(report.alerts) - len(shown):
        rows.append(("", "", f"{more} more are in the JSON report"))
    summary.table(("after", "level", "alert"), rows)


def _steps(report: Report) -> Iterator[tuple[str, ...]]:
    whole = sum(step.cpu_seconds for step in report.steps) + report.unseen_cpu_seconds
    dearest = sorted(report.steps, key=lambda step: -step.cpu_seconds)
    shown, rest = dearest[:MOST_STEPS], dearest[MOST_STEPS:]
    for step in sorted(shown, key=lambda step: step.first_seconds):
        yield (
            foreign(step.name),
            span(step.first_seconds),
            span(step.last_seconds),
            span(step.cpu_seconds),
            _share(step.cpu_seconds, whole),
            memory(step.peak_memory_mb),
            str(step.processes),
        )
    if rest:
        cpu = sum(step.cpu_seconds for step in rest)
        processes = str(sum(step.processes for step in rest))
        yield f"{len(rest)} more", "", "", span(cpu), _share(cpu, whole), "", processes
    if report.unseen_cpu_seconds > 0:
        cpu = report.unseen_cpu_seconds
        yield "*seen by no sample*", "", "", span(cpu), _share(cpu, whole), "", ""


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole > 0 else ""


def _programs(programs: Sequence[Usage]) -> Iterator[tuple[str, ...]]:
    for program in programs[:MOST_PROGRAMS]:
        peak = memory(program.peak_memory_mb)
        yield foreign(program.name), span(program.cpu_seconds), peak, str(program.processes)


def _chart(chart: Chart, *, duration: float) -> str:
    names = "  ".join(f"{sign} {text(name)}" for sign, name in legend(chart))
    unit = f" ({chart.unit})" if chart.unit else ""
    level = f"; {text(chart.mark[0])}: {plain(chart.mark[1])} {chart.unit}".rstrip() if chart.mark else ""
    head = f"**{text(chart.title)}**{unit}  {names}{level}"
    return f"{head}\n\n```mermaid\n{chart_text(chart, duration=duration)}\n```\n"


def _last_line(report: Report, files: Sequence[str]) -> str:
    parts = [f"{report.samples} sample{'' if report.samples == 1 else 's'}"]
    if interval := report.meta.get("interval_seconds"):
        parts.append(f"every {interval:g} s")
    if runner := report.meta.get("runner") or report.meta.get("host"):
        parts.append(f"on {foreign(runner)}")
    if (cpu := report.sampler.get("cpu_seconds")) is not None and report.duration_seconds > 0:
        parts.append(f"the monitor used {100 * cpu / report.duration_seconds:.2f} % of a core")
    named = f"; files: {', '.join(map(foreign, files))}" if files else ""
    return f"<sub>{', '.join(parts)}{named}</sub>"


def foreign(name: str) -> str:
    """A name that others chose, as inline code: nothing in it is Markdown, a link or a mention."""
    # Backticks and bars would end the code or the cell; look-alikes say the same to a person.
    return code(printable(name, limit=60).replace("`", "ˋ").replace("|", "¦").strip() or "?")  # noqa: RUF001


def text(value: str, *, limit: int = 300) -> str:
    """Plain text with foreign names in it, shown as it is, also in a table cell."""
    shown = printable(value, limit=limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = re.sub(r"([\\`*_\[\]|~#$])", r"\\\1", shown)
    # Neither a mention nor a link of its own: a zero-width non-joiner after the sign that makes it one.
    return re.sub(r"(@|://|www\.)", "\\1\u200c", shown)
