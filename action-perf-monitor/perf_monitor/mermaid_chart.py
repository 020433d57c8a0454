"""A chart as Mermaid `xychart-beta`, which GitHub draws in Markdown (mermaid.js.org/syntax/xyChart.html).

Its line charts know no x values and no legend: points are spaced evenly, and colours are named beside the chart.
"""

from __future__ import annotations

from perf_monitor.report import Chart
from perf_monitor.series import evenly_spaced
from perf_monitor.wording import short

POINTS = 60
# Colours that are told apart on white and on black, and by people who confuse red with green, with their signs.
_COLOURS = (("#3b82f6", "🟦"), ("#f97316", "🟧"), ("#a855f7", "🟪"), ("#10b981", "🟩"))
_ROOM = 1.05


def chart_text(chart: Chart, *, duration: float) -> str:
    """The text between the fences. `duration` in seconds is where the x axis ends."""
    lines = list(chart.lines.values())[: len(_COLOURS)]
    drawn = [evenly_spaced(points, end=duration, limit=POINTS) for points in lines]
    # A single value is no line; it is drawn as level.
    drawn = [values * 2 if len(values) == 1 else values for values in drawn]
    unit, seconds = time_unit(duration)
    palette = ", ".join(colour for colour, _ in _COLOURS[: len(drawn)])
    setting = (
        '%%{init: {"xyChart": {"width": 900, "height": 260}, '
        f'"themeVariables": {{"xyChart": {{"plotColorPalette": "{palette}"}}}}}}}}%%'
    )
    text = [setting, "xychart-beta"]
    text.append(f'  x-axis "{unit}" 0 --> {short(max(duration, 0.001) / seconds)}')
    top = chart.top or max(_ROOM * max(map(max, drawn)), 0.01)
    text.append(f'  y-axis "{_label(chart.unit or chart.title)}" 0 --> {short(top)}')
    text += [f"  line [{', '.join(map(short, values))}]" for values in drawn]
    return "\n".join(text)


def legend(chart: Chart) -> list[tuple[str, str]]:
    """(sign of the colour, name) for each line that is drawn."""
    return [(sign, name) for (_, sign), name in zip(_COLOURS, chart.lines, strict=False)]


def time_unit(duration: float) -> tuple[str, int]:
    """The unit for an axis of that many seconds, and how many seconds it has."""
    if duration <= 180:
        return "s", 1
    return ("min", 60) if duration <= 3 * 3600 else ("h", 3600)


def _label(text: str) -> str:
    """Text inside quotes: Mermaid has no escape for a quote, and entities begin with # there."""
    return "".join(sign for sign in text if sign.isalnum() or sign in " %/.,-()")[:40]
