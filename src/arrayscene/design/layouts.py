"""The microphones of several arrays side by side: from above and, where there is height, from the side."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from arrayscene.array_measures import FLAT
from arrayscene.design.compare import Comparison, Entry
from arrayscene.design.drawing import title
from arrayscene.report.drawing import FAINT, INK, SOFT, WIDTH, blank_figure
from arrayscene.report.palette import source_colour
from arrayscene.report.sentences import minus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BODY = "#eef0ee"
_COLUMNS = 4


def layout_figure(comparison: Comparison) -> Figure:
    """Every array to its own scale: from above with the front up the page, beneath it from the right or from behind."""
    entries = comparison.entries
    columns = len(entries) if len(entries) <= _COLUMNS else math.ceil(len(entries) / 2)
    side, gap = min(2.3, (WIDTH - 0.62 * columns) / columns), 0.62
    blocks = [entries[start : start + columns] for start in range(0, len(entries), columns)]
    rows = [(block, upright) for block in blocks for upright in (False, True) if not upright or any(map(_tall, block))]
    height = sum(side + 0.62 for _ in rows) + 0.05
    figure = blank_figure(WIDTH, height)
    top = height - 0.02
    for block, upright in rows:
        bottom = top - side - 0.25
        for column, entry in enumerate(block):
            if upright and not _tall(entry):
                continue
            axes = figure.add_axes((((side + gap) * column + gap - 0.06) / WIDTH, bottom / height, side / WIDTH, side / height))
            _draw(axes, entry, upright)
        top = bottom - 0.37
    return figure


def _draw(axes: Axes, entry: Entry, upright: bool) -> None:
    from matplotlib.patches import Circle

    array = entry.figures.array
    scale, unit = (1e3, "mm") if array.aperture < 0.5 else (1.0, "m")
    points = scale * (array.positions - (0.0 if array.body_radius else array.positions.mean(axis=0)))
    radius = scale * (array.body_radius or 0.0)
    reach = 1.2 * max(float(np.abs(points).max()), radius)
    behind = upright and bool(np.ptp(points[:, 1]) > np.ptp(points[:, 0]))
    across, along = (1, 2) if behind else (0, 2) if upright else (1, 0)
    # y grows to the left, as for a person who looks to the front.
    axes.set_xlim((reach, -reach) if across == 1 else (-reach, reach))
    axes.set_ylim(-reach, reach)
    if radius and upright and array.body_shape == "cylinder":
        axes.axvspan(-radius, radius, facecolor=_BODY, edgecolor=FAINT)
    elif radius:
        axes.add_patch(Circle((0, 0), radius, facecolor=_BODY, edgecolor=FAINT))
    colour = source_colour(entry.number).fill
    if array.directivity is not None and array.orientations is not None:
        for mic, p in enumerate(array.directivity):
            tip = points[mic] + 0.25 * reach * (1 - p) * array.orientations[mic]
            axes.plot([points[mic, across], tip[across]], [points[mic, along], tip[along]], color=colour, linewidth=1.2)
    axes.scatter(points[:, across], points[:, along], s=22 if array.n_mics <= 32 else 10, color=colour, edgecolors="white",
                 linewidths=0.5, zorder=3)  # fmt: skip
    step = _round_step(reach)
    ticks = [step * i for i in (-1, 0, 1)]
    axes.set_xticks(ticks, [minus(f"{tick:g}") for tick in ticks])
    axes.set_yticks(ticks, [minus(f"{tick:g}") for tick in ticks])
    axes.tick_params(labelsize=7.5, colors=INK, length=2, pad=2)
    axes.grid(True, color="#e6e8eb", linewidth=0.7)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    axes.set_xlabel(f"{'xyz'[across]}, {('front', 'left', 'up')[across]} ({unit})", fontsize=7.5, color=SOFT, labelpad=1)
    axes.set_ylabel(f"{'xyz'[along]}, {('front', 'left', 'up')[along]}", fontsize=7.5, color=SOFT, labelpad=0)
    if not upright:
        axes.set_title(title(entry), fontsize=9, color=INK, weight="bold", loc="left", pad=4)
    else:
        axes.set_title("from behind" if behind else "from the right", fontsize=8, color=SOFT, loc="left", pad=3)


def _tall(entry: Entry) -> bool:
    return bool(np.ptp(entry.figures.array.positions[:, 2]) > FLAT * entry.figures.array.aperture)


def _round_step(reach: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that leaves a margin to `reach`."""
    decade = 10.0 ** math.floor(math.log10(0.9 * reach))
    return next(step * decade for step in (5.0, 2.0, 1.0) if step * decade <= 0.9 * reach)
