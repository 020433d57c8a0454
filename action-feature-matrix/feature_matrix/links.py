"""Links of rendered documentation, and which of them lead nowhere."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag

import requests

from actionlib.errors import ActionError

TIMEOUT_SECONDS = 15
PAGES_SECONDS = 300
AT_ONCE = 8
# What rustdoc itself writes on every page.
OF_RUSTDOC = ("https://doc.rust-lang.org/",)
GONE = (404, 410)  # RFC 9110; other refusals are about us, not about the page


def links_in(folder: Path, crates: Collection[str]) -> dict[str, Path]:
    """The http addresses on the pages of these crates (as rustdoc names folders), with the first page of each."""
    found: dict[str, Path] = {}
    for crate in sorted(crates):
        for page in sorted((folder / crate).rglob("*.html")):
            reader = _Anchors()
            reader.feed(page.read_text(encoding="utf-8", errors="replace"))
            for link in reader.found:
                found.setdefault(urldefrag(link).url, page)
    return found


def check_links(links: Iterable[str]) -> dict[str, str]:
    """Those that lead nowhere, with the reason: 404, 410, no such host, nobody who answers in 15 s, tried twice."""
    with ThreadPoolExecutor(AT_ONCE) as pool, requests.Session() as session:
        answers = pool.map(lambda link: (link, _reason(session, link)), list(links))
        return {link: why for link, why in answers if why}


def check_pages(folder: Path, crates: Collection[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Of each crate with dead links between pages, what cargo-deadlinks says; empty where it is not installed."""
    program = shutil.which("cargo-deadlinks", path=environ.get("PATH"))
    told = {}
    for crate in sorted(crates) if program else ():
        command = [str(program), "deadlinks", "--dir", str(folder / crate)]
        try:
            done = subprocess.run(
                command, env=dict(environ), capture_output=True, text=True, timeout=PAGES_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ActionError(f"cargo-deadlinks did not end in {PAGES_SECONDS} s for {crate}") from error
        if done.returncode:
            told[crate] = (done.stdout + done.stderr).strip()
    return told


def _reason(session: requests.Session, link: str) -> str:
    why = ""
    for ask in (session.head, session.get):  # some servers refuse HEAD
        try:
            answer = ask(link, timeout=TIMEOUT_SECONDS, allow_redirects=True, stream=True)
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
