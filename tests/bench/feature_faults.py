"""Mistakes with features that are seeded in a copy of the sample application, one at a time."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[2] / "examples/voice-app"
GATE = re.compile(r"^\s*#\[cfg\(.*feature.*\)\]$")
FEATURE = re.compile(r'^([\w-]+) = \[(".*")\]$')


@dataclass(frozen=True)
class Fault:
    """A line of a file that is replaced. `crate`: the folder of its manifest."""

    crate: str
    file: str
    line: int
    text: str
    name: str


def copy_sample(folder: Path) -> Path:
    """The sample application without what cargo has made."""
    return Path(shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("target")))


def all_faults() -> list[Fault]:
    """Each gate on features that code has, removed; each feature that another one declares, lost."""
    found: list[Fault] = []
    for manifest in sorted(SAMPLE.glob("*/Cargo.toml")) + sorted(SAMPLE.glob("crates/*/Cargo.toml")):
        crate = manifest.parent.relative_to(SAMPLE).as_posix()
        for path in sorted(manifest.parent.glob("src/*.rs")):
            for number, line in enumerate(path.read_text().splitlines()):
                if GATE.match(line) and "test" not in line:
                    name = f"{path.relative_to(SAMPLE)}:{number + 1}, gate removed"
                    found.append(Fault(crate, path.relative_to(SAMPLE).as_posix(), number, "", name))
        for number, line in enumerate(manifest.read_text().splitlines()):
            if (match := FEATURE.match(line)) and match[1] != "required-features":
                values = match[2].split(", ")
                for value in values:
                    rest = ", ".join(one for one in values if one != value)
                    name = f"{crate}, {match[1]} without {value.strip(chr(34))}"
                    file = manifest.relative_to(SAMPLE).as_posix()
                    found.append(Fault(crate, file, number, f"{match[1]} = [{rest}]", name))
    return found


def shuffled_faults(seed: int) -> list[Fault]:
    """All of them in a random order."""
    faults = all_faults()
    return random.Random(seed).sample(faults, len(faults))


@contextmanager
def seeded(fault: Fault, sample: Path) -> Iterator[None]:
    """The fault in the copy, for the length of the block."""
    path = sample / fault.file
    text = path.read_text()
    lines = text.splitlines()
    lines[fault.line] = fault.text
    path.write_text("\n".join(lines) + "\n")
    try:
        yield
    finally:
        path.write_text(text)
