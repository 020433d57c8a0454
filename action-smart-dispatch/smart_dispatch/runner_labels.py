"""What `runs-on` asks for: labels, and a group of runners. Names are compared as GitHub does, in any case."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass

from actionlib.errors import ActionError

_LABEL = re.compile(r"[^\s,\"'\[\]{}]{1,256}")


@dataclass(frozen=True, slots=True)
class RunnerLabels:
    """Labels that a runner must have, all of them, and the group that it must be in; `group` empty: any."""

    labels: tuple[str, ...]
    group: str = ""

    def as_json(self) -> str:
        """For `runs-on` through fromJSON."""
        if self.group:
            return json.dumps({"group": self.group, **({"labels": list(self.labels)} if self.labels else {})})
        return json.dumps(list(self.labels))

    def are_met_by(self, labels: Collection[str]) -> bool:
        """Whether a runner, or a job's request, has them all."""
        return {one.lower() for one in self.labels} <= {one.lower() for one in labels}

    def may_be_in(self, group: str) -> bool:
        """Whether a runner in `group`, empty if that is not known, may be in ours."""
        return not (self.group and group) or self.group.lower() == group.lower()

    def __str__(self) -> str:
        return ", ".join([*([f"group {self.group}"] if self.group else []), *self.labels])


def parse_labels(text: str, *, name: str, plain: bool) -> RunnerLabels:
    """Read an input called `name`: a JSON array of labels, an object with `group` and `labels`; with `plain` one label.

    Raises ActionError for anything else.
    """
    value: object = None
    if text.startswith(("[", "{", '"')):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _refused(name, text, plain=plain) from error
    elif plain and text:
        value = [text]
    group = ""
    if isinstance(value, dict) and isinstance(value.get("group"), str) and value["group"].strip():
        if set(value) - {"group", "labels"}:
            raise _refused(name, text, plain=plain)
        group, value = value["group"].strip(), value.get("labels", [])
    if isinstance(value, str) and (plain or group):
        value = [value]
    if not isinstance(value, list) or not (value or group):
        raise _refused(name, text, plain=plain)
    labels = [one.strip() if isinstance(one, str) else "" for one in value]
    if not all(map(_LABEL.fullmatch, labels)):
        raise _refused(name, text, plain=plain)
    return RunnerLabels(tuple(dict.fromkeys(labels)), group)


def _refused(name: str, text: str, *, plain: bool) -> ActionError:
    allowed = "a JSON array of labels, or an object with group and labels"
    example = '["self-hosted", "linux"]'
    return ActionError(
        f"input '{name}' is '{text[:200]}'; allowed: {'one label, ' if plain else ''}{allowed}",
        hint=f"For example {'ubuntu-latest' if plain else example}",
    )
