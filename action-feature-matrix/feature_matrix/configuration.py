"""`.github/feature-matrix.yml`: constraints of each crate and rows that people chose. Errors name file and line."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import yaml

from actionlib.errors import ActionError

# Constraints that are lists of lists, and how many features each list needs to say anything.
LISTS_OF_SETS = {"exclusive": 2, "at-least-one-of": 1, "skip-set": 0, "group": 2}
RULES = (*LISTS_OF_SETS, "requires", "skip")
SETTINGS = ("toolchain", "platform")
MOST_BYTES = 1 << 20
ROWS_EXAMPLE = "as in rows: [{crate: NAME, features: [a, b]}]"


@dataclass(frozen=True, slots=True)
class Rule:
    """One constraint as it is written. `features` of `requires` begin with the one that requires the others."""

    kind: str
    features: tuple[str, ...]
    line: int

    def __str__(self) -> str:
        if self.kind == "requires":
            return f"requires {self.features[0]}: [{', '.join(self.features[1:])}] (line {self.line})"
        return f"{self.kind} [{', '.join(self.features)}] (line {self.line})"


@dataclass(frozen=True, slots=True)
class CrateSettings:
    """Where all rows of a crate run: a rustup toolchain, and a name for `runs-on` or its like."""

    toolchain: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class CuratedRow:
    """A row that people chose. `default`: on top of the default features, as `cargo --features` is."""

    crate: str
    features: tuple[str, ...]
    description: str
    needs: tuple[str, ...]
    default: bool
    deprecated: bool
    dev: bool
    line: int
    platform: str = ""
    file: Path = Path()


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the file says; empty where there is none."""

    path: Path
    rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    rows: tuple[CuratedRow, ...] = ()
    settings: Mapping[str, CrateSettings] = field(default_factory=dict)


def read_configuration(path: Path, features: Mapping[str, Collection[str]]) -> Configuration:
    """Read the file. `features` are all that each crate has. Raises ActionError with the line of what is wrong."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ActionError(f"{path} has more than {MOST_BYTES} bytes")
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ActionError(f"{path}:{line}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ActionError(f"{path} is not valid YAML: {error}") from error
    except RecursionError as error:
        raise ActionError(f"{path} is nested too deeply") from error
    except OSError as error:
        raise ActionError(f"{path} cannot be read: {error.strerror}") from error
    return _Reader(path, features).read(node)


class _Reader:
    def __init__(self, path: Path, features: Mapping[str, Collection[str]]) -> None:
        self._path, self._features = path, features

    def read(self, node: yaml.Node | None) -> Configuration:
        if node is None:
            return Configuration(self._path)
        rules, rows, settings = {}, [], {}
        for key, value in self._mapping(node, ("crates", "rows")).items():
            if key == "crates":
                for crate, body in self._section(value, tuple(self._features)).items():
                    given = self._section(body, (*RULES, *SETTINGS))
                    settings[crate] = CrateSettings(
                        **{name: self._word(given.pop(name)) for name in SETTINGS if name in given}
                    )
                    rules[crate] = tuple(self._rules(crate, given))
            else:
                rows += [self._row(one) for one in self._sequence(value, ROWS_EXAMPLE)]
        return Configuration(self._path, rules, tuple(rows), settings)

    def _rules(self, crate: str, given: Mapping[str, yaml.Node]) -> Iterator[Rule]:
        for kind, value in given.items():
            if kind == "requires":
                names = tuple(self._features[crate])
                for feature, others in self._mapping(value, names, "as in requires: {a: [b]}").items():
                    yield Rule(kind, (feature, *self._names(crate, others, least=1)), _line(others))
            elif kind == "skip":
                yield from (Rule(kind, (name,), _line(value)) for name in self._names(crate, value))
            else:
                example = f"as in {kind}: [[a, b], [c, d]]"
                for one in self._sequence(value, example):
                    if not isinstance(one, yaml.SequenceNode):
                        what = f"'{one.value}'" if isinstance(one, yaml.ScalarNode) else "a mapping"
                        self._fail(one, f"'{kind}' holds {what}", (f"lists, {example}",))
                    yield Rule(kind, self._names(crate, one, least=LISTS_OF_SETS[kind]), _line(one))

    def _row(self, node: yaml.Node) -> CuratedRow:
        allowed = ("crate", "features", "description", "deps", "default", "deprecated", "dev", "platform")
        given = self._mapping(node, allowed)
        if "crate" not in given and len(self._features) == 1:
            crate = next(iter(self._features))
        elif "crate" in given:
            crate = self._choice(given["crate"], tuple(self._features))
        else:
            self._fail(node, "this row needs 'crate'", tuple(self._features))
        features = self._names(crate, given["features"]) if "features" in given else ()
        flags = {
            name: self._boolean(given[name]) for name in ("default", "deprecated", "dev") if name in given
        }
        return CuratedRow(
            crate=crate,
            features=features,
            description=self._line(given["description"]) if "description" in given else "",
            needs=self._needs(given["deps"]) if "deps" in given else (),
            default=flags.get("default", True),
            deprecated=flags.get("deprecated", False),
            dev=flags.get("dev", False),
            line=_line(node),
            platform=self._word(given["platform"]) if "platform" in given else "",
            file=self._path,
        )

    def _names(self, crate: str, node: yaml.Node, *, least: int = 0) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(self._words(node)))
        for name in names:
            if name not in self._features[crate]:
                self._fail(node, f"'{name}' is no feature of {crate}", tuple(self._features[crate]), name)
        if len(names) < least:
            self._fail(node, f"[{', '.join(names)}] has too few features", (f"{least} or more",))
        return names

    def _words(self, node: yaml.Node) -> tuple[str, ...]:
        """A list, or one text separated by commas and blanks (as cargo's --features is)."""
        if isinstance(node, yaml.SequenceNode):
            return tuple(self._text(one) for one in node.value)
        return tuple(self._text(node).replace(",", " ").split())

    def _word(self, node: yaml.Node) -> str:
        """A name that may stand on a command line."""
        return self._checked_word(node, self._text(node), r"[A-Za-z0-9][\w.-]*", "'.', '_' and '-'")

    def _needs(self, node: yaml.Node) -> tuple[str, ...]:
        """Names of packages or of anything else that a workflow may compare with, or put on a command line."""
        signs = "'.', '_', '+' and '-'"
        return tuple(
            self._checked_word(node, one, r"[A-Za-z0-9][\w.+-]*", signs) for one in self._words(node)
        )

    def _checked_word(self, node: yaml.Node, text: str, pattern: str, signs: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            self._fail(node, f"{text!r} is no name of letters, digits, {signs}", ())
        return text

    def _line(self, node: yaml.Node) -> str:
        """A text of one line, for it becomes part of a job's name."""
        text = self._text(node).strip()
        if any(unicodedata.category(sign) in ("Cc", "Zl", "Zp") for sign in text):
            self._fail(node, f"{text[:60]!r} holds a control character", ("one line of text",))
        return text

    def _section(self, node: yaml.Node, allowed: tuple[str, ...]) -> dict[str, yaml.Node]:
        """A mapping; one that says nothing may be left out after its name."""
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
            return {}
        return self._mapping(node, allowed)

    def _mapping(self, node: yaml.Node, allowed: tuple[str, ...], example: str = "") -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            what = f"a mapping belongs here{f', {example}' if example else ''}"
            self._fail(node, what, allowed)
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = self._choice(key, allowed)
            if name in found:
                self._fail(key, f"'{name}' stands here twice", ())
            found[name] = value
        return found

    def _sequence(self, node: yaml.Node, example: str) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            self._fail(node, f"a list belongs here, {example}", ())
        return list(node.value)

    def _choice(self, node: yaml.Node, allowed: tuple[str, ...]) -> str:
        name = self._text(node)
        if name not in allowed:
            self._fail(node, f"'{name}' is not known here", allowed, name)
        return name

    def _boolean(self, node: yaml.Node) -> bool:
        text = self._text(node)
        if text not in ("true", "false"):
            self._fail(node, f"'{text}' is neither true nor false", ("true", "false"))
        return text == "true"

    def _text(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self._fail(node, "a text belongs here", ())
        return str(node.value)

    def _fail(self, node: yaml.Node, what: str, allowed: tuple[str, ...], given: str = "") -> NoReturn:
        close = difflib.get_close_matches(given, allowed, n=1)
        hint = f"Did you mean '{close[0]}'?" if close else f"Allowed: {', '.join(allowed)}" if allowed else ""
        raise ActionError(f"{self._path}:{_line(node)}: {what}", hint=hint)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
