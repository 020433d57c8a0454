"""The report as one HTML file that needs nothing else: inline style, inline SVG, no script, no reference to outside.

All text goes through html.escape, and the file forbids itself every source but its own style (Content-Security-Policy),
so that a name from a foreign branch can neither run nor load anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from actionlib.summary import size
from perf_monitor.figures import figure_rows, growth, subject
from perf_monitor.html_style import STYLE
from perf_monitor.report import Phase, Report
from perf_monitor.svg_chart import figure
from perf_monitor.wording import memory, percent, plain, printable, span

MOST_ROWS = 200  # of steps, alerts and caches; the JSON report has them all
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html_report(report: Report) -> str:
    """The whole file."""
    title = escape(f"Performance of {printable(subject(report))}")
    body = "".join((_head(report), _tiles(report), _insights(report), _alerts(report), _charts(report)))
    body += "".join((_steps(report), _figures(report), _caches_and_programs(report), _foot(report)))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def _head(report: Report) -> str:
    meta = report.meta
    started = meta.get("started_unix")
    run = f"run {meta['run_id']}" if meta.get("run_id") else ""
    attempt = f", attempt {meta['run_attempt']}" if meta.get("run_attempt") not in (None, "", "1") else ""
    pull_request = f"pull request {meta['pull_request']}" if meta.get("pull_request") else ""
    facts = (
        *(meta.get("repository"), meta.get("workflow"), f"{run}{attempt}", pull_request, meta.get("ref")),
        *(str(meta.get("sha") or "")[:8], _utc(started) if started else ""),
    )
    shown = "".join(f"<span>{_text(fact)}</span>" for fact in facts if fact)
    warnings = "".join(f"<li>{_text(note, limit=400)}</li>" for note in report.notes)
    notes = f'<ul class="notes">{warnings}</ul>' if warnings else ""
    level = {"none": "good", "unknown": ""}.get(report.bottleneck, "warning")
    return (
        f'<header><p class="eyebrow">Performance report</p><h1>{_text(subject(report))}</h1>'
        f'<p class="facts">{shown}</p><p class="verdict {level}">{_text(report.headline, limit=300)}</p>'
        f"{notes}</header>"
    )


def _utc(seconds: float) -> str:
    from datetime import UTC, datetime

    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return ""


def _tiles(report: Report) -> str:
    found = report.statistics
    tiles: list[tuple[str, str, str]] = [
        ("Duration", span(report.duration_seconds), f"{report.samples} samples")
    ]
    if cpu := found.get("cpu_percent"):
        tiles.append(("CPU, average", percent(cpu.mean), f"peak {percent(cpu.peak)}"))
    if load := found.get("load_avg"):
        cores = f"; {report.meta['cores']:g} cores" if report.meta.get("cores") else ""
        tiles.append(("Load, peak", plain(load.peak), f"average {plain(load.mean)}{cores}"))
    if used := found.get("memory_mb"):
        share = found.get("memory_percent")
        tiles.append(
            ("Memory, peak", memory(used.peak), percent(share.peak) + " of the host" if share else "")
        )
    for name, column, other, verb in (
        ("Disk written", "disk_write_bytes", "disk_read_bytes", "read"),
        ("Network received", "network_rx_bytes", "network_tx_bytes", "sent"),
    ):
        if column in report.totals:
            tiles.append((name, size(report.totals[column]), f"{size(report.totals.get(other, 0))} {verb}"))
    shown = "".join(
        f"<div><dt>{name}</dt><dd>{value}</dd><dd>{more}</dd></div>" for name, value, more in tiles
    )
    return f'<dl class="tiles">{shown}</dl>'


def _insights(report: Report) -> str:
    if not report.insights:
        return ""
    shown = "".join(
        f'<li class="{escape(one.level)}"><b>{_text(one.title)}</b><span>{_text(one.text, limit=500)}</span></li>'
        for one in report.insights
    )
    return f'<h2>What the figures mean</h2><ul class="insights">{shown}</ul>'


def _alerts(report: Report) -> str:
    rows = [
        f'<tr><td>{span(alert.elapsed_seconds)}</td><td class="left {escape(alert.level, quote=True)}">'
        f'{_text(alert.level)}</td><td class="left">{_text(alert.text, limit=160)}</td></tr>'
        for alert in report.alerts[:MOST_ROWS]
    ]
    return _table(f"Alerts ({len(report.alerts)})", ("After", "<Level", "<What"), rows)


def _charts(report: Report) -> str:
    if not report.charts or report.duration_seconds <= 0:
        return ""
    shown = "".join(
        figure(chart, duration=report.duration_seconds, phases=_phases(report) if index == 0 else ())
        for index, chart in enumerate(report.charts)
    )
    return f'<h2>Over time</h2><div class="charts">{shown}</div>'


def _phases(report: Report) -> Sequence[Phase]:
    """By the samples, or else by what the steps' processes say."""
    return report.phases or [Phase(one.name, one.first_seconds, one.last_seconds) for one in report.steps]


def _steps(report: Report) -> str:
    whole = sum(step.cpu_seconds for step in report.steps) + report.unseen_cpu_seconds
    rows = [
        f'<tr><td class="name">{_text(step.name)}</td><td>{span(step.first_seconds)}</td>'
        f"<td>{span(step.last_seconds)}</td>{_bar(step.cpu_seconds, whole)}<td>{_share(step.cpu_seconds, whole)}</td>"
        f"<td>{memory(step.peak_memory_mb)}</td><td>{step.processes}</td></tr>"
        for step in report.steps[:MOST_ROWS]
    ]
    if report.unseen_cpu_seconds > 0:
        cpu = report.unseen_cpu_seconds
        rows.append(
            f"<tr><td>seen by no sample</td><td></td><td></td>{_bar(cpu, whole)}<td>{_share(cpu, whole)}</td>"
            "<td></td><td></td></tr>"
        )
    return _table("Steps", ("Step", "From", "To", "CPU time", "Share", "Peak memory", "Processes"), rows)


def _bar(part: float, whole: float) -> str:
    width = 100 * part / whole if whole > 0 else 0
    return f'<td class="bar" style="--part:{width:.1f}%">{span(part)}</td>'


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole > 0 else ""


def _figures(report: Report) -> str:
    rows = [
        f'<tr><th scope="row">{row.name}</th><td>{row.minimum}</td><td class="strong">{row.mean}</td><td>{row.p95}</td>'
        f'<td class="strong">{row.peak}</td><td>{row.in_all}</td></tr>'
        for row in figure_rows(report)
    ]
    return _table("Figures", ("", "Lowest", "Average", "95th percentile", "Peak", "In all"), rows)


def _caches_and_programs(report: Report) -> str:
    ranked = sorted(report.caches_mb.items(), key=lambda item: -item[1][1])[:MOST_ROWS]
    caches = [
        f'<tr><td class="name">{_text(name)}</td><td>{memory(first)}</td><td>{memory(last)}'
        f"{' (not wholly counted)' if name in report.partial_caches else ''}</td><td>{growth(first, last)}</td></tr>"
        for name, (first, last) in ranked
    ]
    dearest = max((program.cpu_seconds for program in report.programs), default=0.0)
    programs = [
        f'<tr><td class="name">{_text(one.name)}</td>{_bar(one.cpu_seconds, dearest)}'
        f"<td>{memory(one.peak_memory_mb)}</td><td>{one.processes}</td></tr>"
        for one in report.programs
    ]
    left = _table("Programs", ("Program", "CPU time", "Peak memory", "Processes"), programs)
    right = _table("Caches", ("Cache", "At first", "At last", "Change"), caches)
    both = [f"<div>{table}</div>" for table in (left, right) if table]
    return f'<div class="pair">{"".join(both)}</div>' if len(both) > 1 else "".join(both)


def _table(title: str, header: Sequence[str], rows: Iterable[str]) -> str:
    """A heading and a table that scrolls by itself on a narrow screen; `<` begins a left column."""
    body = "".join(rows)
    if not body:
        return ""
    left = ' class="left"'
    head = "".join(
        f'<th scope="col"{left if name.startswith("<") else ""}>{escape(name.removeprefix("<"))}</th>'
        for name in header
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<h2>{escape(title)}</h2><div class="scroll">{table}</div>'


def _foot(report: Report) -> str:
    return f"<footer>{'. '.join(map(_text, _last_words(report)))}.</footer>"


def _last_words(report: Report) -> Iterator[str]:
    meta = report.meta
    host = " on ".join(str(meta[key]) for key in ("runner", "host") if meta.get(key))
    cores = f"{meta['cores']:g} cores" if meta.get("cores") else ""
    installed = memory(meta["memory_mb"]) if meta.get("memory_mb") else ""
    facts = (host, str(meta.get("operating_system") or ""), cores, installed)
    yield ", ".join(fact for fact in facts if fact) or "Nothing is known about the host"
    interval = meta.get("interval_seconds")
    yield f"{report.samples} samples{f', every {interval:g} s' if interval else ''}"
    if (cpu := report.sampler.get("cpu_seconds")) is not None and report.duration_seconds > 0:
        yield f"The monitor itself used {cpu:.2f} s of CPU, {100 * cpu / report.duration_seconds:.2f} % of a core"
    yield "In charts a pale band reaches from the lowest to the highest sample, and the line is the average"


def _text(value: object, *, limit: int = 120) -> str:
    return escape(printable(str(value), limit=limit), quote=True)
