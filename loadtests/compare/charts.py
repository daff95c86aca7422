"""Pictures as SVG text: lines with bands, dots over time, stacked bars (pure).

Colours are classes (c0, c1, ... for candidates, s0, ... for stages), which the page defines for
light and dark. Texts are escaped: names come from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from loadtests.compare.scale import Scale
from loadtests.compare.words import amount

WIDTH, HEIGHT = 460.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 30.0, 40.0
COLOURS = 12

Pair = tuple[float, float]
Show = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Line:
    """A candidate's line; `band` is (x, low, high)."""

    name: str
    colour: int
    points: Sequence[Pair]
    band: Sequence[tuple[float, float, float]] = field(default=())


def plot_area() -> tuple[Pair, Pair]:
    """Where x and y values are drawn: from and to, the y axis upwards."""
    return (LEFT, WIDTH - RIGHT), (HEIGHT - BOTTOM, TOP)


def lines(
    title: str,
    series: Iterable[Line],
    x: Scale,
    y: Scale,
    x_label: str,
    y_label: str,
    show_x: Show = amount,
    limit: tuple[float, str] | None = None,
) -> str:
    """A line per candidate with its band; `limit` is a level to be kept, with its name."""
    parts = [_axes(title, x, y, x_label, y_label, show_x)]
    if limit is not None and y.low <= limit[0] <= y.high:
        at = y.at(limit[0])
        parts.append(
            f'<line class="limit" x1="{x.start}" x2="{x.end}" y1="{at}" y2="{at}"/>'
            f'<text class="small" x="{x.end}" y="{at - 5}" text-anchor="end">{escape(limit[1])}'
            "</text>"
        )
    for one in series:
        parts.append(_band(one, x, y) + _line(one, x, y))
    return _svg(title, HEIGHT, parts)


def dots(
    title: str,
    points: Sequence[Pair],
    colour: int,
    x: Scale,
    y: Scale,
    marks: Mapping[str, float],
    y_label: str,
) -> str:
    """Requests over time, with named moments."""
    circles = "".join(
        f'<circle cx="{x.at(at):.1f}" cy="{y.at(value):.1f}" r="1.6"/>' for at, value in points
    )
    parts = [
        _axes(title, x, y, "seconds", y_label, amount),
        f'<g class="dots c{colour % COLOURS}">{circles}</g>',
    ]
    for number, (name, moment) in enumerate(marks.items()):
        at = x.at(moment)
        parts.append(
            f'<line class="moment" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text class="small" x="{at + 3}" y="{TOP + 11 + 13 * number}">{escape(name)}</text>'
        )
    return _svg(title, HEIGHT, parts)


ROW, BAR = 46.0, 20.0


def stacked(title: str, rows: Mapping[str, Mapping[str, float]], order: Sequence[str]) -> str:
    """A bar per candidate, its parts in `order` one after the other; values are milliseconds."""
    total = max((sum(parts.values()) for parts in rows.values()), default=1.0) or 1.0
    width = WIDTH - 2 * RIGHT - 50
    parts = [f'<text class="title" x="0" y="13">{escape(title)}</text>']
    for number, (name, values) in enumerate(rows.items()):
        y, at = TOP + ROW * number, RIGHT
        parts.append(f'<text class="label" x="{RIGHT}" y="{y + 13}">{escape(name)}</text>')
        for index, stage in enumerate(order):
            length = values.get(stage, 0.0) / total * width
            if length > 0:
                parts.append(
                    f'<rect class="s{index}" x="{at:.2f}" y="{y + 19}" width="{length:.2f}" '
                    f'height="{BAR}"><title>{escape(stage)}: {amount(values[stage])} ms</title>'
                    "</rect>"
                )
            at += length
        parts.append(
            f'<text class="small" x="{at + 5:.1f}" y="{y + 19 + BAR / 2 + 4}">'
            f"{amount(sum(values.values()))} ms</text>"
        )
    return _svg(title, TOP + ROW * len(rows), parts)


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _axes(title: str, x: Scale, y: Scale, x_label: str, y_label: str, show_x: Show) -> str:
    parts = [
        f'<text class="title" x="0" y="13">{escape(title)}</text>',
        f'<text class="small" x="{WIDTH - RIGHT}" y="13" text-anchor="end">{escape(y_label)}'
        "</text>",
    ]
    for tick in y.ticks:
        at = y.at(tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>'
            f'<text class="small" x="{LEFT - 6}" y="{at + 4}" text-anchor="end">{amount(tick)}'
            "</text>"
        )
    floor = HEIGHT - BOTTOM
    for tick in x.ticks:
        at = x.at(tick)
        parts.append(
            f'<text class="small" x="{at}" y="{floor + 16}" text-anchor="middle">'
            f"{escape(show_x(tick))}</text>"
        )
    parts.append(
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>'
        f'<text class="small" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" '
        f'text-anchor="middle">{escape(x_label)}</text>'
    )
    return "".join(parts)


def _band(one: Line, x: Scale, y: Scale) -> str:
    if len(one.band) < 2:
        return ""
    there = [f"{x.at(at)},{y.at(high)}" for at, _, high in one.band]
    back = [f"{x.at(at)},{y.at(low)}" for at, low, _ in reversed(one.band)]
    return f'<polygon class="band c{one.colour % COLOURS}" points="{" ".join(there + back)}"/>'


def _line(one: Line, x: Scale, y: Scale) -> str:
    if not one.points:
        return ""
    colour = f"c{one.colour % COLOURS}"
    places = [(x.at(at), y.at(value)) for at, value in one.points]
    path = " ".join(f"{px},{py}" for px, py in places)
    marks = "".join(
        f'<circle cx="{px}" cy="{py}" r="3.2"><title>{escape(one.name)}: {amount(value)} ms'
        "</title></circle>"
        for (px, py), (_, value) in zip(places, one.points, strict=True)
    )
    return f'<polyline class="line {colour}" points="{path}"/><g class="marks {colour}">{marks}</g>'
