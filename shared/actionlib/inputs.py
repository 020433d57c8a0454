"""Inputs of an action: declared once in its action.yml, checked here, read by typed accessors."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from actionlib.errors import ActionError


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input as action.yml declares it."""

    name: str
    description: str
    default: str
    required: bool


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """What an action.yml declares: its name, its inputs and the names of its outputs."""

    name: str
    description: str
    inputs: Mapping[str, InputSpec]
    outputs: Mapping[str, str]


def load_action(action_path: Path) -> ActionSpec:
    """Read the action.yml in `action_path`.

    What it declares is kept as JSON in our virtual environment, under the file's digest: importing a YAML parser would
    be a third of a step's start.
    """
    text = (action_path / "action.yml").read_bytes()
    if sys.prefix == sys.base_prefix:  # no environment of our own
        return _parse_action(text)
    kept = Path(sys.prefix) / f"actions/1-{hashlib.sha256(text).hexdigest()}.json"
    try:
        value = json.loads(kept.read_bytes())
        value["inputs"] = {name: InputSpec(**one) for name, one in value["inputs"].items()}
        return ActionSpec(**value)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        spec = _parse_action(text)
    with contextlib.suppress(OSError):  # somebody else's environment, or a full disk
        kept.parent.mkdir(mode=0o755, exist_ok=True)
        draft = kept.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(asdict(spec)), encoding="utf-8")
        draft.replace(kept)
    return spec


def _parse_action(text: bytes) -> ActionSpec:
    import yaml

    document = yaml.safe_load(text)
    inputs = {
        name: InputSpec(
            name=name,
            description=" ".join(str(spec.get("description", "")).split()),
            default=_as_text(spec.get("default", "")),
            required=bool(spec.get("required", False)),
        )
        for name, spec in (document.get("inputs") or {}).items()
    }
    outputs = {
        name: " ".join(str(spec.get("description", "")).split())
        for name, spec in (document.get("outputs") or {}).items()
    }
    return ActionSpec(document["name"], " ".join(document["description"].split()), inputs, outputs)


def _as_text(value: object) -> str:
    """YAML's `true` and `300` as the runner hands them out: text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def parse_json(text: str) -> dict[str, str]:
    """Decode the INPUTS variable (`toJSON(inputs)`)."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ActionError(
            f"INPUTS is not valid JSON: {error}", hint="Pass `${{ toJSON(inputs) }}`"
        ) from error
    if not isinstance(values, dict):
        raise ActionError("INPUTS is not a JSON object", hint="Pass `${{ toJSON(inputs) }}`")
    return {str(name): _as_text(value) for name, value in values.items()}


class Inputs:
    """The values of one run of an action. Every accessor strips, checks, and names the input in its error."""

    def __init__(self, spec: ActionSpec, given: Mapping[str, str]) -> None:
        """Raise ActionError for an input that the action does not declare or a required one that is missing."""
        for name in given:
            if name not in spec.inputs:
                close = difflib.get_close_matches(name, spec.inputs, n=1)
                raise ActionError(
                    f"unknown input '{name}'",
                    hint=f"Did you mean '{close[0]}'?" if close else f"Allowed: {', '.join(spec.inputs)}",
                )
        self._values = {name: given.get(name) or one.default for name, one in spec.inputs.items()}
        self._unread = set(spec.inputs)
        for name, one in spec.inputs.items():
            if one.required and not self._values[name].strip():
                raise ActionError(f"input '{name}' is required", hint=one.description)

    def unread(self) -> set[str]:
        """Names of the inputs that no accessor has read yet."""
        return set(self._unread)

    def text(self, name: str) -> str:
        """The value without surrounding white space; empty when not given."""
        self._unread.discard(name)
        return self._values[name].strip()

    def script(self, name: str) -> str:
        """The value as it stands, for scripts: only its emptiness is normalised."""
        self._unread.discard(name)
        value = self._values[name]
        return value if value.strip() else ""

    def script_of_run_mode(self, mode: str) -> str:
        """Input `run`, which mode `run` needs and which has no meaning for any other."""
        script = self.script("run")
        if mode == "run" and not script:
            raise ActionError(
                "input 'run' is empty, and mode 'run' needs it", hint="Set 'run:' to a bash script"
            )
        if script and mode != "run":
            raise ActionError(
                f"input 'run' is set, and mode '{mode}' runs nothing",
                hint="Use mode 'run', or put the script into a step of its own after mode 'start'",
            )
        return script

    def lines(self, name: str) -> tuple[str, ...]:
        """Non-empty lines, stripped."""
        return tuple(line.strip() for line in re.split(r"[\r\n]+", self.text(name)) if line.strip())

    def boolean(self, name: str) -> bool:
        """Exactly `true` or `false`."""
        return self.choice(name, ("true", "false")) == "true"

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """One of `allowed`."""
        value = self.text(name)
        if value not in allowed:
            close = difflib.get_close_matches(value, allowed, n=1)
            raise ActionError(
                f"input '{name}' is '{value}'; allowed: {', '.join(allowed)}",
                hint=f"Did you mean '{close[0]}'?" if close else "",
            )
        return value

    def integer(self, name: str, *, minimum: int, maximum: int) -> int:
        """A whole number between `minimum` and `maximum`."""
        value = self.text(name)
        try:
            number = int(value)
        except ValueError:
            number = None
        if number is None or not minimum <= number <= maximum:
            raise ActionError(
                f"input '{name}' is '{value}'; allowed: a whole number from {minimum} to {maximum}"
            )
        return number

    def number(self, name: str, *, minimum: float, maximum: float) -> float:
        """A finite number between `minimum` and `maximum`."""
        value = self.text(name)
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not minimum <= number <= maximum:
            raise ActionError(
                f"input '{name}' is '{value}'; allowed: a number from {minimum:g} to {maximum:g}"
            )
        return number

    def host(self, name: str) -> str:
        """A host, or `host:port`, or nothing."""
        value = self.text(name)
        host, _, port = value.partition(":")
        if value and not (re.fullmatch(r"[A-Za-z0-9.-]{1,253}", host) and re.fullmatch(r"\d{0,5}", port)):
            raise ActionError(
                f"input '{name}' is '{value}'; allowed: HOST or HOST:PORT", hint="For example github.com"
            )
        return value

    def optional_number(self, name: str, *, minimum: float, maximum: float) -> float | None:
        """Like `number`, or None when the input is empty."""
        return self.number(name, minimum=minimum, maximum=maximum) if self.text(name) else None
