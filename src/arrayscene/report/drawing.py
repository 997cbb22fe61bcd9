"""What all pictures share: sheets and inks, axes of time, colour bars, lines around the circle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from arrayscene.report.palette import time_ticks, time_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

WIDTH: Final = 8.2
"""Inches, of a picture as wide as the page."""

INK, SOFT, FAINT, GREY, PAPER = "#1f2328", "#59636e", "#d0d4d9", "#8c96a3", "#f6f8fa"

SMALL: Final = 8.5
"""Points."""


def blank_figure(width: float, height: float) -> Figure:
    """A white sheet of so many inches; like all that is drawn on it, it touches no global state of matplotlib."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, facecolor="white")


def note(text: str, *, width: float = WIDTH, height: float = 2.0) -> Figure:
    """A sheet with a sentence, where there is nothing to draw."""
    figure = blank_figure(width, height)
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=10, color=INK, wrap=True)
    return figure


def open_frame(axes: Axes) -> None:
    """Axes without a line above and to the right."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)


def time_axis(axes: Axes, duration: float, *, labelled: bool = True) -> None:
    """From 0 to `duration` seconds."""
    axes.tick_params(labelsize=SMALL, colors=INK, length=3)
    open_frame(axes)
    axes.set_xlim(0.0, max(duration, 1e-3))
    if labelled:
        ticks = time_ticks(duration)
        axes.set_xticks([tick for tick, _ in ticks], [label for _, label in ticks])
        axes.set_xlabel(f"Time ({time_unit(duration)})", fontsize=9)
    else:
        # A tick costs a millisecond even without a label.
        axes.set_xticks([])


def colour_bar(figure: Figure, image: ScalarMappable, place: tuple[float, float, float, float], label: str) -> None:
    """The scale of an image in (left, bottom, width, height), shares of the sheet."""
    bar = figure.colorbar(image, cax=figure.add_axes(place))
    bar.ax.tick_params(labelsize=SMALL, colors=INK, length=2)
    bar.outline.set_visible(False)
    bar.set_label(label, fontsize=SMALL, color=INK)


def broken(degrees: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """A line that is not drawn where it jumps from one edge of the circle to the other."""
    line = degrees.copy()
    line[1:][np.abs(np.diff(degrees)) > 180] = np.nan
    return line
