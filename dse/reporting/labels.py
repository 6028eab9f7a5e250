"""Where does a label go? Beside its point, clear of every other label and of the lines, or nowhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

__all__ = ["Label", "place_labels"]

RADII = (5.0, 9.0, 15.0, 22.0, 32.0, 44.0, 58.0)
DIRECTIONS = 16
LEADER_FROM = 11.0
PADDING = 5.0


class Label(NamedTuple):
    """A text beside one of several points (x, y) [data], the first ones rather.

    needed: shown even where it covers something; clear: radius of the mark on the point [points].
    """

    points: tuple[tuple[float, float], ...]
    text: str
    colour: str
    needed: bool = False
    weight: str = "normal"
    size: float = 7.5
    clear: float = 0.0


Box = tuple[float, float, float, float]
Found = tuple[float, float, tuple[float, float], Box]


def overlap(first: Box, second: Box) -> float:
    """Common area of two boxes (left, bottom, right, top) [pixels^2]."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(width, 0.0) * max(height, 0.0)


def trials(x: float, y: float, size: tuple[float, float], clear: float, point: float) -> Iterable[tuple[float, Box]]:
    """Places around a point, near ones first, as (radius in points, box); size: of the text; point: pixels of one."""
    width, height = size
    for radius in (clear + away for away in RADII):
        for step in range(DIRECTIONS):
            angle = 2.0 * np.pi * step / DIRECTIONS
            across, up = float(np.cos(angle)), float(np.sin(angle))
            left = x + across * radius * point - width * (1.0 - across) / 2.0
            bottom = y + up * radius * point - height * (1.0 - up) / 2.0
            yield radius, (left, bottom, left + width, bottom + height)


def hits(box: Box, points: np.ndarray) -> int:
    """How many points lie in a box; points: (n, 2) [pixels]."""
    inside = (points[:, 0] > box[0]) & (points[:, 0] < box[2]) & (points[:, 1] > box[1]) & (points[:, 1] < box[3])
    return int(inside.sum())


def line_pixels(axes: Axes, lines: Sequence[tuple[Any, Any]]) -> np.ndarray:
    """Points every few pixels along lines given in data; (n, 2)."""
    found = [np.zeros((0, 2))]
    for x, y in lines:
        corners = axes.transData.transform(np.column_stack([x, y]))
        for start, end in itertools.pairwise(corners):
            if np.isfinite(start + end).all():
                count = int(np.clip(np.hypot(*(end - start)) / 4.0, 1, 2000)) + 1
                found.append(start + np.linspace(0.0, 1.0, count)[:, None] * (end - start))
        if len(corners) == 1:
            found.append(corners)
    return np.concatenate(found)


def best_place(
    places: Sequence[Iterable[tuple[float, Box]]], anchors: np.ndarray, frame: Box, taken: list[Box], points: np.ndarray
) -> Found:
    """(cost, radius, anchor, box) of the first place that is free, else of the one that covers least; all in pixels."""
    best: Found | None = None
    for order, (tried, (x, y)) in enumerate(zip(places, anchors, strict=True)):
        for radius, box in tried:
            outside = (box[2] - box[0]) * (box[3] - box[1]) - overlap(box, frame)
            covered = 100.0 * (sum(overlap(box, other) for other in taken) + outside)
            cost = covered + 4.0 * hits(box, points) + 0.06 * radius + 0.2 * order
            if best is None or cost < best[0]:
                best = (cost, radius, (float(x), float(y)), box)
            if cost < 4.0:
                break
    assert best is not None
    return best


def boxes_of(axes: Axes, renderer: Any) -> tuple[Box, list[Box]]:
    """The frame of the axes, and what is written in it already [pixels]."""
    bounds = axes.get_window_extent(renderer)
    extents = [text.get_window_extent(renderer) for text in axes.texts]
    legend = axes.get_legend()
    if legend is not None:
        extents.append(legend.get_window_extent(renderer))
    frame = (bounds.x0 + 2.0, bounds.y0 + 2.0, bounds.x1 - 2.0, bounds.y1 - 2.0)
    return frame, [(extent.x0, extent.y0, extent.x1, extent.y1) for extent in extents]


def place_labels(figure: Figure, axes: Axes, labels: Sequence[Label], lines: Sequence[tuple] = ()) -> list[str]:
    """Write the labels, the first ones first, clear of lines (x, y); returns the texts that found no place."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    frame, taken = boxes_of(axes, renderer)
    points = line_pixels(axes, [*lines, *(([x], [y]) for label in labels for x, y in label.points[:1])])
    inverse = axes.transData.inverted()
    dropped = []
    for label in labels:
        style: dict[str, Any] = {"fontsize": label.size, "color": label.colour, "weight": label.weight}
        probe = axes.text(*label.points[0], label.text, **style)
        extent = probe.get_window_extent(renderer)
        probe.remove()
        anchors = axes.transData.transform(np.array(label.points))
        size = (float(extent.width) + PADDING, float(extent.height))
        places = [trials(x, y, size, label.clear, figure.dpi / 72.0) for x, y in anchors]
        cost, radius, anchor, box = best_place(places, anchors, frame, taken, points)
        if cost >= 100.0 and not label.needed:
            dropped.append(label.text)
            continue
        taken.append(box)
        middle = inverse.transform(((box[0] + box[2]) / 2.0, (box[1] + box[3]) / 2.0))
        write(axes, label, inverse.transform(anchor), middle, style, bool(radius - label.clear > LEADER_FROM))
    return dropped


def write(axes: Axes, label: Label, anchor: Any, middle: Any, style: dict[str, Any], leader: bool) -> None:
    """One label in its place, with a line to its point when it is far."""
    arrow = {"arrowstyle": "-", "lw": 0.5, "color": label.colour, "shrinkA": 0.0, "shrinkB": 2.0, "alpha": 0.7}
    axes.annotate(
        label.text,
        tuple(anchor),
        xytext=tuple(middle),
        ha="center",
        va="center",
        arrowprops=arrow if leader else None,
        path_effects=[withStroke(linewidth=1.8, foreground="white")],
        zorder=8,
        **style,
    )
