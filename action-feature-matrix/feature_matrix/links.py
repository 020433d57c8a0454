"""Links of rendered documentation, and which of them lead nowhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag

import requests

from actionlib.programs import ask

TIMEOUT_SECONDS = 15
PAGES_SECONDS = 300
AT_ONCE = 8
# What rustdoc itself writes on every page.
OF_RUSTDOC = ("https://doc.rust-lang.org/",)
GONE = (404, 410)  # RFC 9110; other refusals are about us, not about the page


def links_in(first_pages: Iterable[Path]) -> dict[str, str]:
    """The http addresses in the documentations that begin with these pages, with the first page of each."""
    found: dict[str, str] = {}
    for first in sorted(first_pages):
        for page in sorted(first.parent.rglob("*.html")):
            reader = _Anchors()
            reader.feed(page.read_text(encoding="utf-8", errors="replace"))
            for link in reader.found:
                found.setdefault(urldefrag(link).url, str(page.relative_to(first.parents[1])))
    return found


def check_links(links: Iterable[str]) -> dict[str, str]:
    """Those that lead nowhere, with the reason: 404, 410, no such host, nobody who answers in 15 s, tried twice."""
    with ThreadPoolExecutor(AT_ONCE) as pool, requests.Session() as session:
        answers = pool.map(lambda link: (link, _reason(session, link)), list(links))
        return {link: why for link, why in answers if why}


def check_pages(first_pages: Iterable[Path], environ: Mapping[str, str]) -> dict[str, str]:
    """Of each crate with dead links between pages, what cargo-deadlinks says; empty where it is not installed."""
    if shutil.which("cargo-deadlinks", path=environ.get("PATH")) is None:
        return {}
    told = {}
    for folder in sorted(page.parent for page in first_pages):
        command = ["cargo-deadlinks", "deadlinks", "--dir", str(folder)]
        answer = ask(command, environ=environ, folder=folder, seconds=PAGES_SECONDS)
        if answer.exit_code:
            told[folder.name] = (answer.text + answer.errors).strip()
    return told


def _reason(session: requests.Session, link: str) -> str:
    why = ""
    for method in (session.head, session.get):  # some servers refuse HEAD
        try:
            answer = method(link, timeout=TIMEOUT_SECONDS, allow_redirects=True, stream=True)
            answer.close()
        except requests.RequestException as error:
            why = type(error).__name__
        else:
            why = f"HTTP {answer.status_code}" if answer.status_code in GONE else ""
        if not why:
            return ""
    return why


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        link = dict(attributes).get("href") or ""
        if tag == "a" and link.startswith(("http://", "https://")) and not link.startswith(OF_RUSTDOC):
            self.found.append(link)
