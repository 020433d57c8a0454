"""What is built on one target: `cfg(…)` in manifests and sources.

Source: "Conditional compilation" in The Rust Reference, "Platform specific dependencies" in The Cargo Book.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from actionlib.errors import ActionError
from actionlib.programs import EXIT_NOT_STARTED, ask

ASK_SECONDS = 60
# What a target decides. Everything else (features, tests, debug assertions, target features) depends on the build.
_DECIDED = frozenset({"unix", "windows"})
_DECIDED_PREFIX = "target_"
_UNDECIDED = frozenset({"target_feature"})
_TOKEN = re.compile(r'\s*(?:(?P<name>[A-Za-z_]\w*)|"(?P<text>(?:[^"\\]|\\.)*)"|(?P<sign>[(),=]))')
_PREDICATE = re.compile(r"\bcfg(?:_attr)?!?\s*\(")


@dataclass(frozen=True, slots=True)
class CompileTarget:
    """A target triple with what rustc sets there: names such as `unix`, and pairs such as `target_os` and `linux`."""

    triple: str
    names: frozenset[str]
    pairs: frozenset[tuple[str, str]]

    def is_meant_by(self, wanted: str | None) -> bool:
        """Whether a dependency for `wanted` (a triple, `cfg(…)`, or None for all targets) is built here."""
        if wanted is None or wanted == self.triple:
            return True
        return wanted.startswith("cfg(") and bool(_Predicate(wanted, self, closed_world=True).value)

    def decides(self, predicate: str) -> bool | None:
        """The value of what stands in `cfg(…)`; None where it depends on features or on how one builds."""
        return _Predicate(predicate, self, closed_world=False).value

    def decided_places(self, source: str) -> Iterator[tuple[int, int]]:
        """Begin and end of each predicate in the source whose value features cannot change."""
        for found in _PREDICATE.finditer(source):
            predicate = _Predicate(source[found.end() :], self, closed_world=False)
            if predicate.value is not None:
                yield found.end(), found.end() + predicate.length


def read_target(environ: Mapping[str, str], folder: Path) -> CompileTarget:
    """CARGO_BUILD_TARGET, else that of the folder's rustc. Raises ActionError where rustc is not there or refuses."""
    triple = environ.get("CARGO_BUILD_TARGET", "")
    if not triple:
        told = dict(
            line.split(": ", 1) for line in _rustc(environ, folder, "-vV").splitlines() if ": " in line
        )
        triple = told["host"]
    names, pairs = set(), set()
    for line in _rustc(environ, folder, "--print", "cfg", "--target", triple).splitlines():
        name, equals, value = line.partition("=")
        if equals:
            pairs.add((name, value.strip('"')))
        else:
            names.add(name)
    return CompileTarget(triple, frozenset(names), frozenset(pairs))


def _rustc(environ: Mapping[str, str], folder: Path, *arguments: str) -> str:
    command = [environ.get("RUSTC") or "rustc", *arguments]
    answer = ask(command, environ=environ, folder=folder, seconds=ASK_SECONDS)
    if answer.exit_code == EXIT_NOT_STARTED:
        raise ActionError(
            f"input 'target-aware' is 'true', and rustc cannot be asked what it builds for: {answer.why}",
            hint="Install Rust before this step, or leave 'target-aware' out",
        )
    if answer.exit_code:
        raise ActionError(f"input 'target-aware' is 'true', and {' '.join(command)} fails: {answer.why}")
    return answer.text


class _Predicate:
    """One configuration predicate, evaluated while it is read. `length` is how much of the text it takes.

    `closed_world`: in a manifest, where what rustc does not set is false; else it is undecided.
    """

    def __init__(self, text: str, target: CompileTarget, *, closed_world: bool) -> None:
        self._text, self._target, self._closed_world = text, target, closed_world
        self.length = 0
        self.value = self._one()

    def _one(self) -> bool | None:
        name = self._take("name")
        if not name:
            return None
        if self._takes("("):
            return self._call(name)
        if self._takes("="):
            return self._fact((name, self._take("text")) in self._target.pairs, name)
        if name in ("true", "false"):
            return name == "true"
        return self._fact(name in self._target.names, name)

    def _call(self, name: str) -> bool | None:
        values = []
        while not self._takes(")"):
            before = self.length
            values.append(self._one())
            self._takes(",")
            if self.length == before:  # no predicate at all
                return None
        if name == "not":
            return None if values[:1] in ([], [None]) else not values[0]
        if name == "all":
            return False if False in values else None if None in values else True
        if name in ("any", "cfg"):
            return True if True in values else None if None in values else False
        return None

    def _fact(self, holds: bool, name: str) -> bool | None:  # noqa: FBT001  (a value, not a switch)
        decided = name in _DECIDED or (name.startswith(_DECIDED_PREFIX) and name not in _UNDECIDED)
        return holds if decided or self._closed_world else None

    def _takes(self, sign: str) -> bool:
        found = _TOKEN.match(self._text, self.length)
        if found is None or found["sign"] != sign:
            return False
        self.length = found.end()
        return True

    def _take(self, kind: str) -> str:
        found = _TOKEN.match(self._text, self.length)
        if found is None or found[kind] is None:
            return ""
        self.length = found.end()
        return str(found[kind])
