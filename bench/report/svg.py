"""Plots as small SVG files, with nothing but text written: bars a broker, and lines over logarithmic axes.

The same figures give the same bytes, so that a page made anew differs only where figures do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from .words import number

COLOURS = ("#1668b8", "#e07b16", "#2e8b57", "#7bbf8e", "#8a6bbf", "#b03a48", "#6b6b6b")
INK, GRID = "#222222", "#dddddd"
_LABELS, _BARS, _VALUES = 330, 380, 70  # widths: titles of rows, bars, what stands behind a bar
_BAR, _GAP, _TOP, _BOTTOM = 10, 8, 30, 36
_PANEL_WIDTH, _PANEL_HEIGHT, _COLUMNS = 250, 190, 3

Scaled = Callable[[float], float]


@dataclass(frozen=True)
class Bar:
    """A value with the least and the most of its rounds."""

    value: float
    least: float
    most: float


@dataclass(frozen=True)
class Panel:
    """Lines over one logarithmic axis each way: a name and its points."""

    title: str
    x_title: str
    y_title: str
    lines: Sequence[tuple[str, Sequence[tuple[float, float]]]]


class Picture:
    """A white sheet of pixels, written on from its upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self._size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
        self._parts = ['<rect width="100%" height="100%" fill="#ffffff"/>']

    def text(self, x: float, y: float, words: str, anchor: str = "start", *, bold: bool = False) -> None:
        weight = ' font-weight="bold"' if bold else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'
        )

    def line(self, points: Sequence[tuple[float, float]], colour: str, style: str = "") -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}"{style}/>')

    def rectangle(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
        )

    def dot(self, x: float, y: float, colour: str) -> None:
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}"/>')

    def write(self, path: Path) -> Path:
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {self._size} font-family="sans-serif" font-size="10"'
        body = "\n".join(self._parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{head} fill="{INK}">\n{body}\n</svg>\n')
        return path


def bars(
    path: Path,
    unit: str,
    names: Sequence[str],
    rows: Sequence[tuple[str, Sequence[Bar | None]]],
    *,
    log: bool,
) -> Path:
    """Horizontal bars: a group a row, a bar in it for each of `names`, with a line from least to most."""
    group = len(names) * _BAR + _GAP
    bottom = _TOP + len(rows) * group
    picture = Picture(_LABELS + _BARS + _VALUES, bottom + _BOTTOM)
    shown = [one for _, values in rows for one in values if one is not None and one.value > 0]
    ticks = _powers([one.value for one in shown]) if log else _steps(max(one.most for one in shown))
    place = _scaled(ticks[0], ticks[-1], _LABELS, _LABELS + _BARS, log=log)
    for tick in ticks:
        picture.line([(place(tick), _TOP), (place(tick), bottom)], GRID)
        picture.text(place(tick), bottom + 12, number(tick), "middle")
    picture.text(_LABELS + _BARS / 2, bottom + 28, unit, "middle")
    _legend(picture, _LABELS, 14, names)
    for at, (title, values) in enumerate(rows):
        top = _TOP + at * group + _GAP / 2
        picture.text(_LABELS - 8, top + (group - _GAP) / 2 + 3, title, "end")
        for number_, one in enumerate(values):
            if one is None or one.value <= 0:
                continue
            y, end = top + number_ * _BAR, place(one.value)
            picture.rectangle(_LABELS, y, max(end - _LABELS, 0), _BAR - 1.5, COLOURS[number_ % len(COLOURS)])
            middle = y + _BAR / 2 - 0.75
            picture.line([(place(max(one.least, ticks[0])), middle), (place(one.most), middle)], INK)
            picture.text(max(end, place(one.most)) + 4, y + _BAR - 1.5, number(one.value))
    return picture.write(path)


def panels(path: Path, all_panels: Sequence[Panel]) -> Path:
    """Small plots side by side; lines of the same name have the same colour in all of them."""
    names = list(dict.fromkeys(name for panel in all_panels for name, _ in panel.lines))
    lines = math.ceil(len(all_panels) / _COLUMNS)
    picture = Picture(_COLUMNS * _PANEL_WIDTH, _TOP + lines * _PANEL_HEIGHT)
    _legend(picture, 10, 14, names)
    for at, panel in enumerate(all_panels):
        line, column = divmod(at, _COLUMNS)
        _panel(picture, panel, names, column * _PANEL_WIDTH, _TOP + line * _PANEL_HEIGHT)
    return picture.write(path)


def _panel(picture: Picture, panel: Panel, names: Sequence[str], left: float, top: float) -> None:
    points = [(x, y) for _, line in panel.lines for x, y in line if x > 0 and y > 0]
    if not points:
        return
    x_ticks, y_ticks = _powers([x for x, _ in points]), _powers([y for _, y in points])
    x0, x1, y0, y1 = left + 52, left + _PANEL_WIDTH - 14, top + _PANEL_HEIGHT - 44, top + 18
    x_place = _scaled(x_ticks[0], x_ticks[-1], x0, x1, log=True)
    y_place = _scaled(y_ticks[0], y_ticks[-1], y0, y1, log=True)
    for tick in x_ticks:
        picture.line([(x_place(tick), y0), (x_place(tick), y1)], GRID)
        picture.text(x_place(tick), y0 + 12, _short(tick), "middle")
    for tick in y_ticks:
        picture.line([(x0, y_place(tick)), (x1, y_place(tick))], GRID)
        picture.text(x0 - 4, y_place(tick) + 3, _short(tick), "end")
    picture.text(left + _PANEL_WIDTH / 2, top + 10, panel.title, "middle", bold=True)
    picture.text((x0 + x1) / 2, y0 + 25, f"{panel.x_title} · {panel.y_title}", "middle")
    for name, line in panel.lines:
        number_ = names.index(name)
        colour, dashes = (
            COLOURS[number_ % len(COLOURS)],
            ("", ' stroke-dasharray="5 3"', ' stroke-dasharray="2 2"'),
        )
        placed = [(x_place(x), y_place(y)) for x, y in line if x > 0 and y > 0]
        picture.line(placed, colour, dashes[number_ % 3])
        for x, y in placed:
            picture.dot(x, y, colour)


def _legend(picture: Picture, x: float, y: float, names: Sequence[str]) -> None:
    for number_, name in enumerate(names):
        picture.rectangle(x, y - 8, 10, 8, COLOURS[number_ % len(COLOURS)])
        picture.text(x + 14, y, name)
        x += 28 + 6 * len(name)


def _scaled(least: float, most: float, first: float, last: float, *, log: bool) -> Scaled:
    """From a value to a pixel."""

    def place(value: float) -> float:
        share = math.log(value / least) / math.log(most / least) if log else (value - least) / (most - least)
        return first + share * (last - first)

    return place


def _powers(values: Sequence[float]) -> list[float]:
    """Powers of ten around the values, two at least and about six at most."""
    least = math.floor(math.log10(min(values)))
    most = max(math.ceil(math.log10(max(values))), least + 1)
    step = math.ceil((most - least) / 6)
    return [10.0**power for power in range(least, most + step, step)]


def _steps(most: float) -> list[float]:
    """From 0 past `most` in four to ten round steps."""
    power = 10.0 ** math.floor(math.log10(most))
    step = next(power * part for part in (0.1, 0.2, 0.5, 1) if most / (power * part) <= 10)
    return [step * count for count in range(math.ceil(most / step) + 1)]


def _short(value: float) -> str:
    """A power of ten: 0.1, 100, 10k, 1M."""
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{letter}"
    return f"{value:g}"
