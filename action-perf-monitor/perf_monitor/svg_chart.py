"""A chart as an HTML figure with inline SVG: sharp at every width, since all lettering is HTML beside the drawing.

The SVG is stretched to the room there is (`preserveAspectRatio="none"`, strokes that do not scale). A line is drawn
through the means of its buckets; behind it a band from their lowest to their highest values keeps every spike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from perf_monitor.report import Bucket, Chart, Phase
from perf_monitor.wording import printable, short, span

WIDTH, HEIGHT = 1000.0, 200.0
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_MOST_TIPS = 75
_END_PERCENT = 95.0
_NARROW_PERCENT = 7.0  # a step's band that is narrower has no room for its name


def figure(chart: Chart, *, duration: float, phases: Sequence[Phase] = ()) -> str:
    """The whole figure: heading, legend, plot with axes, and the steps below if there are any."""
    names = list(chart.buckets)
    ticks = value_ticks(_highest(chart), top=chart.top)
    top = ticks[-1]
    unit = f' <span class="unit">{escape(chart.unit)}</span>' if chart.unit else ""
    marked = chart.mark is not None and chart.mark[1] <= top
    legend = "".join(
        f'<li><i class="s{index}"></i>{escape(name)}</li>'
        for index, name in enumerate(names)
        if len(names) > 1
    )
    if marked and chart.mark:
        legend += f'<li><i class="mark"></i>{escape(chart.mark[0])}</li>'
    y_labels = "".join(
        f'<span style="bottom:{_short(100 * tick / top)}%">{escape(short(tick))}</span>' for tick in ticks
    )
    times = time_ticks(duration)
    x_labels = "".join(_x_label(100 * at / duration, text) for at, text in times)
    return (
        f'<figure class="chart"><figcaption><h3>{escape(chart.title)}{unit}</h3><ul>{legend}</ul></figcaption>'
        f'<div class="plot"><div class="y">{y_labels}</div>'
        f"{_drawing(chart, top=top, duration=duration, ticks=ticks, times=[at for at, _ in times], marked=marked)}"
        f'<div class="x">{x_labels}</div>{_bands(phases, duration)}</div></figure>'
    )


def _drawing(
    chart: Chart,
    *,
    top: float,
    duration: float,
    ticks: Sequence[float],
    times: Sequence[float],
    marked: bool,
) -> str:
    def x(seconds: float) -> float:
        return WIDTH * min(max(seconds / duration, 0.0), 1.0)

    def y(value: float) -> float:
        return HEIGHT * (1 - min(max(value / top, 0.0), 1.0))

    grid = "".join(f"M0 {_short(y(tick))}H{WIDTH:g}" for tick in ticks)
    grid += "".join(f"M{_short(x(at))} 0V{HEIGHT:g}" for at in times)
    parts = [f'<path class="grid" d="{grid}"/>']
    if marked and chart.mark:
        parts.append(f'<path class="mark" d="M0 {_short(y(chart.mark[1]))}H{WIDTH:g}"/>')
    for index, buckets in reversed(list(enumerate(chart.buckets.values()))):
        upper = [(x((one.begin + one.end) / 2), y(one.high)) for one in buckets]
        middle = [(x((one.begin + one.end) / 2), y(one.mean)) for one in buckets]
        lower = [(x((one.begin + one.end) / 2), y(one.low)) for one in buckets]
        if any(one.high > one.low for one in buckets):
            parts.append(f'<path class="band s{index}" d="M{_path(upper)}L{_path(lower[::-1])}Z"/>')
        elif index == 0:
            floor = f"L{_short(middle[-1][0])} {HEIGHT:g}L{_short(middle[0][0])} {HEIGHT:g}Z"
            parts.append(f'<path class="area s{index}" d="M{_path(middle)}{floor}"/>')
        parts.append(f'<path class="line s{index}" d="M{_path(middle)}"/>')
    parts += _tips(chart, duration)
    label = escape(f"{chart.title} over time: {', '.join(chart.buckets)}", quote=True)
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _x_label(percent: float, text: str) -> str:
    end = ' class="end"' if percent > _END_PERCENT else ""  # one at the very end would stick out
    return f'<span{end} style="left:{_short(percent)}%">{text}</span>'


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{_short(x)} {_short(y)}" for x, y in points)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _tips(chart: Chart, duration: float) -> Iterator[str]:
    """Invisible columns that tell the values below the pointer."""
    count = min(_MOST_TIPS, max(len(buckets) for buckets in chart.buckets.values()))
    columns: list[dict[str, list[Bucket]]] = [{} for _ in range(count)]
    for name, buckets in chart.buckets.items():
        for one in buckets:
            place = min(count - 1, max(0, int((one.begin + one.end) / 2 / duration * count)))
            columns[place].setdefault(name, []).append(one)
    for index, column in enumerate(columns):
        if not column:
            continue
        begin = min(one.begin for found in column.values() for one in found)
        end = max(one.end for found in column.values() for one in found)
        when = span(begin) if span(begin) == span(end) else f"{span(begin)} to {span(end)}"
        told = "\n".join(f"{name}: {_told(found, chart.unit)}" for name, found in column.items())
        x = WIDTH * index / count
        yield (
            f'<rect class="tip" x="{_short(x)}" width="{_short(WIDTH / count)}" height="{HEIGHT:g}">'
            f"<title>{escape(f'{when}{chr(10)}{told}', quote=False)}</title></rect>"
        )


def _told(buckets: Sequence[Bucket], unit: str) -> str:
    low, high = short(min(one.low for one in buckets)), short(max(one.high for one in buckets))
    return f"{low} {unit}".rstrip() if low == high else f"{low} to {high} {unit}".rstrip()


def _bands(phases: Sequence[Phase], duration: float) -> str:
    """The steps below the x axis; a name only where it has room, in full when pointed at."""
    if not phases:
        return ""
    bands = []
    for index, phase in enumerate(phases):
        left = 100 * phase.first_seconds / duration
        width = max(0.2, 100 * (phase.last_seconds - phase.first_seconds) / duration)
        name = escape(printable(phase.step, limit=60), quote=True)
        when = f"{span(phase.first_seconds)} to {span(phase.last_seconds)}"
        shown = name if width >= _NARROW_PERCENT else ""
        bands.append(
            f'<span class="b{index % 2}" style="left:{_short(left)}%;width:{width:.2f}%" title="{name}: {when}">'
            f"{shown}</span>"
        )
    return f'<div class="bands" aria-hidden="true">{"".join(bands)}</div>'


def _highest(chart: Chart) -> float:
    return max((one.high for buckets in chart.buckets.values() for one in buckets), default=0.0)


def value_ticks(highest: float, *, top: float | None = None) -> list[float]:
    """From 0 to at least `highest`, three to six round values at equal distances; to `top` exactly if it is given."""
    if top is not None and highest <= top:
        return [top * part / 4 for part in range(5)]
    if highest <= 0:
        return [0.0, 0.5, 1.0]
    rough = highest * 1.02 / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    return [step * index for index in range(math.ceil(highest / step) + 1)]


def time_ticks(duration: float) -> list[tuple[float, str]]:
    """At most seven (seconds, label) from 0, at distances that people count in; the label has its unit."""
    step = next(
        (step for step in _TIME_STEPS if duration / step <= 6), 86400 * math.ceil(duration / 6 / 86400)
    )
    return [(float(at), _time_label(at, step)) for at in range(0, math.floor(duration) + 1, step)]


def _time_label(at: int, step: int) -> str:
    if at == 0:
        return "0"
    if at >= 86400 and step >= 86400:
        return f"{at // 86400} d"
    minutes, seconds = divmod(at, 60)
    if at >= 3600:
        return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes // 60}:{minutes % 60:02} h"
    if minutes:
        return f"{minutes} min" if not seconds else f"{minutes}:{seconds:02} min"
    return f"{seconds} s"
