"""TOML files whose mistakes are told with file, line, value and what is allowed."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from actionlib.errors import ActionError


def read_toml(path: Path) -> dict[str, Any]:
    """The document. Raises ActionError that names the file and, for a mistake in it, the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ActionError(f"{path} is not valid TOML: {error}") from error
    except RecursionError as error:
        raise ActionError(f"{path} is nested too deeply") from error
    except OSError as error:
        raise ActionError(f"{path} cannot be read: {error.strerror}") from error


def read_table(path: Path) -> Table:
    """The whole file as a table. Raises ActionError as `read_toml` does."""
    return Table(path, "", read_toml(path))


def line_of(path: Path, table: str, key: str) -> int:
    """The line of a key; 0 where it is written in a form that is not looked for."""
    current = ""
    pattern = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[.=]""")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if header := re.match(r"\s*\[+([^\]]+)\]", line):
            current = header[1].strip()
        elif (not table or current == table) and pattern.match(line):
            return number
    return 0


class Table(Mapping[str, object]):
    """One table of a file. Each way to take a value raises ActionError where it has not that type."""

    def __init__(self, path: Path, name: str, values: Mapping[str, object]) -> None:
        self.path, self._name, self._values = path, name, values

    def __getitem__(self, key: str) -> object:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def table(self, key: str) -> Table:
        """A table; empty where there is none."""
        value = self.get(key, {})
        if not isinstance(value, Mapping):
            self._refuse(key, "a table")
        return Table(self.path, self._full(key), value)

    def table_or_text(self, key: str, name: str) -> Table:
        """A table, or a text that stands for a table with that under this name."""
        value = self.get(key, {})
        if isinstance(value, str):
            return Table(self.path, self._full(key), {name: value})
        if not isinstance(value, Mapping):
            self._refuse(key, "a table or a text")
        return self.table(key)

    def tables(self, key: str) -> list[Table]:
        """A list of tables; empty where there is none."""
        values = self.get(key, [])
        if not isinstance(values, list) or not all(isinstance(one, Mapping) for one in values):
            self._refuse(key, "a list of tables")
        return [Table(self.path, self._full(key), one) for one in values]

    def text(self, key: str) -> str:
        """A text; empty where there is none."""
        value = self.get(key, "")
        if not isinstance(value, str):
            self._refuse(key, "a text")
        return value

    def texts(self, key: str) -> list[str]:
        """A list of texts; empty where there is none."""
        values = self.get(key, [])
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            self._refuse(key, "a list of texts")
        return values

    def name(self, key: str, pattern: str) -> str:
        """A text that is a name, and must be there."""
        if key not in self:
            self.fail(key, "is missing", "a name")
        self._check(key, self.text(key), pattern)
        return self.text(key)

    def check_name(self, key: str, pattern: str) -> None:
        """Refuse a key that is no name."""
        self._check(key, key, pattern)

    def fail(self, key: str, why: str, allowed: str) -> NoReturn:
        """Say what is wrong with the value of this key."""
        line = line_of(self.path, self._name, key)
        where = f"{self.path}:{line}" if line else str(self.path)
        what = f"'{self._full(key)}' {why}" if key else why
        raise ActionError(f"{where}: {what}; allowed: {allowed}")

    def _check(self, key: str, text: str, pattern: str) -> None:
        if not re.fullmatch(pattern, text):
            signs = "letters, digits, '_', '-'" + (", '+', '.'" if "+" in pattern else "")
            self.fail(key, f"has the name '{text}'", signs)

    def _refuse(self, key: str, allowed: str) -> NoReturn:
        shown = json.dumps(self[key], default=str, ensure_ascii=False)
        self.fail(key, f"is {shown[:80]}", allowed)

    def _full(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key
