"""Job summaries as one HTML page, without anything from outside."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from markdown_it import MarkdownIt

from render_summaries import Section

STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem 1.5rem 4rem; }
h1 { font-size: 1.6rem; } h2 { border-bottom: 2px solid var(--line); margin-top: 3rem; }
nav { columns: 2; background: var(--soft); padding: 1rem 1.5rem; border-radius: 8px; } nav ol { margin: 0; }
section { border: 1px solid var(--line); border-radius: 8px; margin: 1rem 0; padding: 0 1rem .5rem; overflow-x: auto; }
section > header { color: #888; font-size: .85rem; margin: .6rem 0 -.6rem; }
table { border-collapse: collapse; margin: .5rem 0; } th, td { border: 1px solid var(--line); padding: .2rem .6rem; }
th { background: var(--soft); text-align: left; } code, pre { font-size: .88em; background: var(--soft); }
code { padding: .1em .3em; border-radius: 4px; }
pre { padding: .8rem; overflow-x: auto; } pre code { background: none; }
"""


def page(title: str, runs: Mapping[str, Sequence[Section]]) -> str:
    """One page: a chapter a run, a section a step, with links to each.

    Summaries hold HTML of ours (`<details>`): it is kept, as GitHub keeps it.
    """
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    links, chapters = [], []
    for run, sections in runs.items():
        chapters.append(f"<h2>{html.escape(run)}</h2>")
        for number, section in enumerate(sections):
            name = f"{run}-{number}".replace(" ", "-")
            links.append(
                f'<li><a href="#{html.escape(name)}">{html.escape(f"{run}: {section.title}")}</a></li>'
            )
            body = markdown.render(section.markdown)
            chapters.append(
                f'<section id="{html.escape(name)}"><header>{html.escape(section.title)}</header>{body}</section>'
            )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>"
        f"<nav><ol>{''.join(links)}</ol></nav>{''.join(chapters)}</body></html>\n"
    )
