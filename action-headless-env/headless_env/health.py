"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass


class Unhealthy(Exception):
    """A component does not do its work; the text says what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome. `problem` is empty when all is well; `seconds` counts from its own beginning."""

    unit: str
    check: str
    detail: str
    problem: str
    seconds: float
