"""Beam patterns as pictures: polar at octaves, and over frequency and direction."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.design.compare import Entry
from arrayscene.design.drawing import DASHES, SMALL, decibels, octaves, round_curve, short, signed
from arrayscene.design.measure import BEAMS
from arrayscene.design.purposes import Purpose
from arrayscene.report.drawing import FAINT, GREY, INK, PAPER, SOFT, WIDTH, blank_figure
from arrayscene.report.palette import COLOUR_MAP, hertz_in_words
from arrayscene.report.sentences import minus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PATTERN_RANGE_DB = 30.0
"""Decibels from the looking direction down to the middle of a polar pattern, or to black on a map."""


def pattern_figure(entry: Entry, purpose: Purpose) -> Figure:
    """Beam patterns of one array in its looking direction: polar at octaves, and over frequency, for both decoders."""
    figure = blank_figure(WIDTH, 2.7)
    figures = entry.figures
    image = None
    for column, (beam, name) in enumerate(BEAMS.items()):
        polar = figure.add_axes((0.01 + 0.262 * column, 0.085, 0.26, 0.79))
        _polar_patterns(polar, entry, purpose, figures.patterns[beam])
        axes = figure.add_axes((0.59 + 0.178 * column, 0.125, 0.162, 0.75))
        image = _pattern_map(axes, entry, purpose, figures.patterns[beam], labelled=column == 0)
        for left in (0.262 * column, 0.59 + 0.178 * column):
            figure.text(left, 0.985, name.capitalize(), fontsize=9, color=INK, weight="bold", va="top")
    _octave_legend(figure, purpose)
    if image is not None:
        bar = figure.colorbar(image, cax=figure.add_axes((0.936, 0.125, 0.012, 0.75)))
        bar.ax.tick_params(labelsize=SMALL, colors=INK, length=2)
        bar.set_ticks([-30, -20, -10, 0], labels=[minus(f"{level}") for level in (-30, -20, -10, 0)])
        bar.outline.set_visible(False)
        bar.set_label("dB re 0°", fontsize=SMALL, color=INK, labelpad=1)
    return figure


def _polar_patterns(axes: Axes, entry: Entry, purpose: Purpose, pattern: NDArray[np.float64]) -> None:
    axes.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal")
    axes.set_axis_off()
    from matplotlib.patches import Circle

    axes.add_patch(Circle((0, 0), 1.0, facecolor=PAPER, edgecolor=GREY, linewidth=0.9, zorder=0))
    for level in (-10.0, -20.0):
        ring = 1 + level / PATTERN_RANGE_DB
        axes.add_patch(Circle((0, 0), ring, fill=False, edgecolor=FAINT, linewidth=0.7, zorder=1))
        axes.text(ring * 0.71, -ring * 0.71, minus(f"{level:.0f}"), fontsize=6.5, color=SOFT, ha="center", va="center", zorder=4,
                  bbox={"facecolor": PAPER, "linewidth": 0, "pad": 0.6})  # fmt: skip
    for degrees, label, align in ((0, "0°", "center"), (90, "90°", "right"), (180, "180°", "center"), (-90, "", "left")):
        across, ahead = -math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        axes.plot([0, across], [0, ahead], color=FAINT, linewidth=0.7, zorder=1)
        axes.text(1.02 * across, 1.11 * ahead, label, fontsize=7, color=SOFT, ha=align, va="center")
    f = entry.figures.pattern_frequencies
    for hertz, colour, dashes in zip(purpose.octaves, _octave_colours(purpose), DASHES, strict=False):
        levels = decibels(pattern[int(np.argmin(np.abs(f - hertz)))])
        # Grating lobes would hide what is below the limit.
        thickness = 1.4 if hertz < entry.figures.aliasing_hz[0] else 0.7
        round_curve(axes, entry.figures.pattern_angles, 1 + levels / PATTERN_RANGE_DB, color=colour, linewidth=thickness,
                     linestyle=dashes)  # fmt: skip


def _pattern_map(axes: Axes, entry: Entry, purpose: Purpose, pattern: NDArray[np.float64], *, labelled: bool) -> Any:
    f = np.log2(entry.figures.pattern_frequencies)
    half = 0.5 * (f[1] - f[0])
    angles, order = signed(np.degrees(entry.figures.pattern_angles))
    step = angles[1] - angles[0]
    image = axes.imshow(
        decibels(pattern[:, order]), origin="lower", aspect="auto", interpolation="nearest", cmap=COLOUR_MAP,
        extent=(angles[0] - step / 2, angles[-1] - step / 2, f[0] - half, f[-1] + half), vmin=-PATTERN_RANGE_DB, vmax=0.0,
    )  # fmt: skip
    axes.set_xlim(-180, 180)
    axes.set_ylim(f[0], f[-1])
    ticks = [hertz for hertz in octaves(purpose) if f[0] - 0.01 <= math.log2(hertz) <= f[-1] + 0.01]
    axes.set_yticks([math.log2(hertz) for hertz in ticks], [short(hertz) if labelled else "" for hertz in ticks])
    axes.set_xticks([-90, 0, 90], [minus(f"{angle}°") for angle in (-90, 0, 90)])
    axes.tick_params(labelsize=7, colors=INK, length=2, pad=2)
    if labelled:
        axes.set_ylabel("Frequency (Hz)", fontsize=7.5, color=INK, labelpad=1)
    limit = entry.figures.aliasing_hz[0]
    if f[0] < math.log2(limit) < f[-1]:
        axes.axhline(math.log2(limit), color="white", linewidth=1.0, linestyle=(0, (4, 3)))
    for side in axes.spines.values():
        side.set_visible(False)
    return image


def _octave_legend(figure: Figure, purpose: Purpose) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=colour, linewidth=1.6, linestyle=dashes)
             for colour, dashes, _ in zip(_octave_colours(purpose), DASHES, purpose.octaves, strict=False)]  # fmt: skip
    figure.legend(lines, [hertz_in_words(hertz) for hertz in purpose.octaves], loc="lower left", bbox_to_anchor=(0.0, -0.02),
                  ncols=4, fontsize=7.5, frameon=False, handlelength=2.2, columnspacing=1.2, labelcolor=INK)  # fmt: skip


def _octave_colours(purpose: Purpose) -> list[str]:
    """Darker with frequency, in the colours of the maps."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps[COLOUR_MAP](share)) for share in np.linspace(0.78, 0.08, len(purpose.octaves))]
