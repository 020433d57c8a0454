"""Show job summaries (a folder of Markdown files) as text in a terminal, and join them in one file."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.rule import Rule

# mkstemp's eight characters at the end of each name keep parallel steps apart.
RANDOM_PART = re.compile(r"-[a-z0-9_]{8}$")


@dataclass(frozen=True, slots=True)
class Section:
    """What one step wrote: the job it ran in and its Markdown."""

    job: str
    markdown: str

    @property
    def title(self) -> str:
        """The job and the first heading."""
        heading = re.search(r"^#+ (.*)", self.markdown, re.MULTILINE)
        return f"{self.job}: {heading[1]}" if heading else self.job


def read_sections(folder: Path) -> Iterator[Section]:
    """The summaries in `folder`, in the order in which the steps ended."""
    for path in sorted(folder.glob("*.md"), key=lambda file: (file.stat().st_mtime_ns, file.name)):
        job = RANDOM_PART.sub("", path.stem).removesuffix("-main")
        yield Section(job=job, markdown=path.read_text(encoding="utf-8").strip())


def joined(sections: Iterable[Section]) -> str:
    """One Markdown document."""
    return "\n\n".join(f"## {section.title}\n\n{section.markdown}" for section in sections) + "\n"


def for_terminal(markdown: str) -> str:
    """Markdown without the HTML that GitHub understands and a terminal does not."""
    text = re.sub(r"<details><summary>(.*?)</summary>", r"**\1**", markdown)
    return re.sub(r"</?(details|summary|br|sub|sup)\s*/?>", "", text)


def render(sections: Iterable[Section], console: Console) -> None:
    """Print every section below its title."""
    for section in sections:
        console.print(Rule(section.title, align="left", style="cyan"))
        console.print(Markdown(for_terminal(section.markdown)))
        console.print()


def main(arguments: Iterable[str]) -> int:
    """Returns the exit code: 1 when the folder holds no summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what COLDVOX_ACTIONS_SUMMARY_DIR named")
    parser.add_argument("--markdown", type=Path, help="also write all of them to this file")
    options = parser.parse_args(list(arguments))
    sections = list(read_sections(options.folder))
    if not sections:
        sys.stderr.write(f"no summaries in {options.folder}\n")
        return 1
    render(sections, Console())
    if options.markdown:
        options.markdown.write_text(joined(sections), encoding="utf-8")
        sys.stdout.write(f"{options.markdown}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
