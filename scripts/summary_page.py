"""Job summaries as one HTML page, without anything from outside: charts are drawn here, where GitHub draws them."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

from markdown_it import MarkdownIt

from render_summaries import Job

STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem 1.5rem 4rem; }
h1 { font-size: 1.6rem; } h2 { border-bottom: 2px solid var(--line); margin-top: 3rem; }
nav { background: var(--soft); padding: .6rem 1.5rem; border-radius: 8px; } nav a { margin-right: 1rem; }
section { border: 1px solid var(--line); border-radius: 8px; margin: 1rem 0; padding: 0 1rem .5rem; overflow-x: auto; }
section > h2 { border: 0; font-size: 1.15rem; margin: .8rem 0 0; }
section > h3, section > * > h3 { font-size: 1rem; border-top: 1px solid var(--line); padding-top: .8rem; }
table { border-collapse: collapse; margin: .5rem 0; } th, td { border: 1px solid var(--line); padding: .2rem .6rem; }
th { background: var(--soft); text-align: left; } code, pre { font-size: .88em; background: var(--soft); }
code { padding: .1em .3em; border-radius: 4px; }
pre { padding: .8rem; overflow-x: auto; } pre code { background: none; }
svg { width: 100%; max-width: 56rem; height: 9rem; display: block; border: 1px solid var(--line); }
figure { margin: .3rem 0 1rem; } figcaption { font-size: .8rem; color: #888; }
"""
CHART = re.compile(r"^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)
WIDTH, HEIGHT = 900.0, 200.0


def page(title: str, runs: Mapping[str, Sequence[Job]]) -> str:
    """One page: a chapter a run, a section a job, the last job, which tells the result, first; links to each.

    Summaries hold HTML of ours (`<details>`): it is kept, as GitHub keeps it.
    """
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    links, chapters = [], []
    for run, jobs in runs.items():
        chapters.append(f"<h2>{html.escape(run)}</h2>")
        names = []
        for number, job in enumerate([*jobs[-1:], *jobs[:-1]]):
            anchor = html.escape(f"{run}-{number}".replace(" ", "-"))
            names.append(f'<a href="#{anchor}">{html.escape(job.name)}</a>')
            body = "\n".join(markdown.render(CHART.sub(_drawn, summary)) for summary in job.summaries)
            chapters.append(f'<section id="{anchor}"><h2>{html.escape(job.name)}</h2>{body}</section>')
        links.append(f"<p><b>{html.escape(run)}</b>: {' '.join(names)}</p>")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>"
        f"<nav>{''.join(links)}</nav>{''.join(chapters)}</body></html>\n"
    )


def _drawn(found: re.Match[str]) -> str:
    """A line chart of Mermaid as SVG; what is no such chart stays as it is."""
    text = found[1]
    top, end = (
        re.search(r"y-axis .* --> ([\d.e+-]+)", text),
        re.search(r'x-axis "(.*)" 0 --> ([\d.e+-]+)', text),
    )
    lines = [[float(one) for one in numbers.split(",")] for numbers in re.findall(r"line \[(.*)\]", text)]
    if not (top and end and lines):
        return found[0]
    colours = re.findall(r"#[0-9a-f]{6}", text)
    drawn = "".join(
        f'<polyline fill="none" stroke="{colour}" stroke-width="2" vector-effect="non-scaling-stroke" points="'
        + " ".join(
            f"{WIDTH * index / max(1, len(values) - 1):.1f},{HEIGHT - HEIGHT * value / float(top[1]):.1f}"
            for index, value in enumerate(values)
        )
        + '"/>'
        for colour, values in zip(colours, lines, strict=False)
    )
    return (
        f'<figure><svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" preserveAspectRatio="none">{drawn}</svg>'
        f"<figcaption>0 to {end[2]} {html.escape(end[1])}, 0 to {top[1]}</figcaption></figure>"
    )
