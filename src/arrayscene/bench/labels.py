"""Names beside the points of a picture, none on top of another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE: Final = 7
"""Points; the height of a line is a little more."""

GAP: Final = 5.0
"""Points between a name and what it names, where there is room."""


def label_points(axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str], colours: Sequence[str]) -> None:
    """Write each name at the nearest free place beside its point; a thin line leads to names that stand farther off.

    Args:
        axes: with its final limits and scales, in a figure that has been laid out.
        points: (x, y) in the units of the data.
        names: one a point.
        colours: likewise.
    """
    pixels = axes.transData.transform(np.asarray(points, dtype=float).reshape(-1, 2))
    figure = axes.get_figure(root=True)
    assert figure is not None
    scale = figure.dpi / 72
    frame = axes.get_window_extent()
    markers = [np.array([*(place - 3 * scale), *(place + 3 * scale)]) for place in pixels]
    taken: list[np.ndarray] = []
    places = sorted(product((1, -1), range(-14, 15)), key=lambda place: (abs(place[1]), -place[0], -place[1]))
    for number in np.argsort(-pixels[:, 1], kind="stable"):
        name, colour, here = names[number], colours[number], pixels[number]
        text = axes.annotate(
            name,
            here,
            xycoords="figure pixels",
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=SIZE,
            color=colour,
            va="center",
        )
        text.set_in_layout(False)
        extent = text.get_window_extent()
        width, height = extent.width, 1.05 * extent.height
        best, least = (1, 0), np.inf
        for side, step in places:
            box = _box(here, side, step, width, height, scale)
            # Beside its own point only the others are in the way.
            crowded = sum(_overlap(box, other) for other in (*taken, *markers[:number], *markers[number + 1 :]))
            outside = box[0] < frame.x0 or box[2] > frame.x1 or box[1] < frame.y0 or box[3] > frame.y1
            cost = crowded + (width * height if outside else 0)
            if cost < least:
                best, least = (side, step), cost
            if cost == 0:
                break
        side, step = best
        taken.append(_box(here, side, step, width, height, scale))
        text.set_position((side * GAP * (1 + (step != 0)), step * height / 2 / scale))
        text.set_horizontalalignment("left" if side > 0 else "right")
        if step:
            end = np.array([taken[-1][0 if side > 0 else 2], taken[-1][1::2].mean()])
            line = axes.transData.inverted().transform([here, end])
            axes.plot(*line.T, color=colour, linewidth=0.5, alpha=0.6)


def _box(here: np.ndarray, side: int, step: int, width: float, height: float, scale: float) -> np.ndarray:
    """(4,) left, bottom, right and top of a name, in pixels, `step` half lines above its point and on one side of it."""
    near = here[0] + side * GAP * scale * (1 + (step != 0))
    middle = here[1] + step * height / 2
    return np.array([min(near, near + side * width), middle - height / 2, max(near, near + side * width), middle + height / 2])


def _overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Area that two boxes share."""
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    return float(np.prod(np.clip(sides, 0, None)))
