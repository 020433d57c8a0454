"""Show job summaries (a folder of Markdown files) as text in a terminal, and join them in one file."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.rule import Rule

# Jobs of one matrix have one id: eight hexadecimal digits at the end of each folder's name keep them apart.
APART = re.compile(r"-[0-9a-f]{8}$")
NAMED = re.compile(r"^### Performance of (.+)$", re.MULTILINE)  # by the input `job-key`


@dataclass(frozen=True, slots=True)
class Job:
    """One job: its name, and the Markdown of each of its steps that wrote some, in the order in which they ended."""

    name: str
    summaries: tuple[str, ...]


def read_jobs(folder: Path) -> list[Job]:
    """The jobs whose summaries are in `folder`, in the order in which they began to tell something.

    A job of a matrix is called as its performance report calls it, else by its number.
    """
    found: dict[Path, list[str]] = {}
    for path in sorted(folder.rglob("*.md"), key=lambda file: (file.stat().st_mtime_ns, file.name)):
        of_job = path.parent if path.parent != folder else path.with_suffix("")
        found.setdefault(of_job, []).append(path.read_text(encoding="utf-8").strip())
    ids = [APART.sub("", path.name) for path in found]
    names: list[str] = []
    for number, (one, summaries) in enumerate(zip(ids, found.values(), strict=True)):
        told = next((match[1] for text in summaries if (match := NAMED.search(text))), "")
        names.append(told or (f"{one} {ids[:number].count(one) + 1}" if ids.count(one) > 1 else one))
    return [Job(name, tuple(summaries)) for name, summaries in zip(names, found.values(), strict=True)]


def joined(jobs: Iterable[Job]) -> str:
    """One Markdown document."""
    return "\n\n".join("\n\n".join((f"## {job.name}", *job.summaries)) for job in jobs) + "\n"


def for_terminal(markdown: str) -> str:
    """Markdown without what a terminal cannot show: charts with their headings, folded parts, HTML."""
    text = re.sub(r"<details>.*?</details>\s*", "", markdown, flags=re.DOTALL)
    text = re.sub(r"^\*\*[^\n]*\n\n```mermaid\n.*?^```\n*", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"</?(br|sub|sup)\s*/?>", "", text)


def render(jobs: Sequence[Job], console: Console) -> None:
    """Print every job's summaries below its name."""
    for job in jobs:
        console.print(Rule(job.name, align="left", style="cyan"))
        for summary in job.summaries:
            console.print(Markdown(for_terminal(summary)))
            console.print()


def main(arguments: Iterable[str]) -> int:
    """Returns the exit code: 1 when the folder holds no summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what COLDVOX_ACTIONS_SUMMARY_DIR named")
    parser.add_argument("--markdown", type=Path, help="also write all of them to this file")
    options = parser.parse_args(list(arguments))
    jobs = read_jobs(options.folder)
    if not jobs:
        sys.stderr.write(f"no summaries in {options.folder}\n")
        return 1
    render(jobs, Console())
    if options.markdown:
        options.markdown.write_text(joined(jobs), encoding="utf-8")
        sys.stdout.write(f"{options.markdown}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
