"""The format of GITHUB_OUTPUT and its siblings."""

from __future__ import annotations

from actionlib.errors import ActionError


def parse_key_values(text: str) -> dict[str, str]:
    """Read `name=value` lines and `name<<DELIMITER` blocks as the runner does (FileCommandManager.cs).

    Raises ActionError that names the line.
    """
    found: dict[str, str] = {}
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line:
            continue
        name, equals, value = line.partition("=")
        start, heredoc, delimiter = line.partition("<<")
        if heredoc and len(start) < len(name):
            end = next((i for i in range(number, len(lines)) if lines[i] == delimiter), None)
            if not start or not delimiter:
                raise _malformed(number, line, "a name and a delimiter must stand around '<<'")
            if end is None:
                raise _malformed(
                    number, line, f"its delimiter '{delimiter}' never comes on a line of its own"
                )
            found[start] = "\n".join(lines[number:end])
            number = end + 1
        elif equals and name:
            found[name] = value
        else:
            raise _malformed(number, line, "allowed: name=value, or name<<DELIMITER and its lines")
    return found


def _malformed(number: int, line: str, why: str) -> ActionError:
    shown = line if len(line) <= 80 else line[:77] + "..."
    return ActionError(
        f"line {number} that the script wrote to GITHUB_OUTPUT is malformed: '{shown}'; {why}",
        hint='Write outputs as: echo "name=value" >> "$GITHUB_OUTPUT"',
    )
