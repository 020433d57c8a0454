"""Figures as people read them: short, with their unit, and rounded to what can be told apart."""

from __future__ import annotations

import math

from actionlib.summary import size

MEBIBYTE = 1 << 20


def span(seconds: float) -> str:
    """A length of time in at most two units: `0.4 s`, `12 s`, `1 min 20 s`, `2 h 5 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((index for index, (count, _) in enumerate(units) if count), 3)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count)


def memory(mebibytes: float) -> str:
    """MiB in the unit that fits."""
    return size(mebibytes * MEBIBYTE)


def percent(value: float) -> str:
    """A share; below 10 with one digit, because 0.3 % and 0 % differ."""
    return f"{value:.1f} %" if 0 < abs(value) < 9.95 else f"{value:.0f} %"


def plain(value: float) -> str:
    """A number without a unit: two digits while small."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"


def rate(bytes_per_second: float) -> str:
    """Bytes a second."""
    return f"{size(bytes_per_second)}/s"


def short(value: float) -> str:
    """At most four significant digits, for charts: no trailing zeros, no exponent."""
    if not math.isfinite(value) or value == 0:
        return "0"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(digits, 4)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def printable(text: str, *, limit: int = 80) -> str:
    """Foreign text on one line, without control characters, cut at `limit`."""
    clean = "".join(sign if sign.isprintable() else " " for sign in text[: limit + 1])
    return clean[: limit - 1] + "…" if len(clean) > limit else clean
