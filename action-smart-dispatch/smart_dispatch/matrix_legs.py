"""The legs of a matrix that are to be placed, as an input names them and as fromJSON takes them back."""

from __future__ import annotations

import json
import math

from actionlib.errors import ActionError

MOST_LEGS = 256  # of GitHub's matrix


def parse_legs(text: str) -> tuple[object, ...]:
    """The legs of input `legs`; one without a name where it is empty. Raises ActionError for anything else."""
    if not text:
        return ("",)
    try:
        value = json.loads(text, parse_constant=_number, parse_float=_number, parse_int=_whole)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_LEGS:
        return tuple(str(number) for number in range(1, value + 1))
    if isinstance(value, list) and 1 <= len(value) <= MOST_LEGS:
        return tuple(value)
    raise ActionError(
        f"input 'legs' is '{text[:120]}'; allowed: a JSON array of up to {MOST_LEGS} legs, or their number",
        hint='For example ["unit", "gui"], or 3',
    )


def _number(text: str) -> float:
    """Python reads NaN, Infinity and 1e999, which fromJSON refuses: so does this, by ValueError."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text[:20])
    return value


def _whole(text: str) -> int:
    _number(text)
    return int(text)
