"""Curves of several arrays in one picture: figures of merit over frequency, aliasing and bounds over direction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from arrayscene.array_aliasing import AUDIBLE
from arrayscene.design.compare import Comparison
from arrayscene.design.drawing import SMALL, dashes, octaves, round_curve, short, signed, title
from arrayscene.design.measure import BEAMS, JUDGED_SNR_DB, SNR_DB
from arrayscene.design.purposes import Purpose
from arrayscene.report.drawing import FAINT, GREY, INK, PAPER, SOFT, WIDTH, blank_figure, open_frame
from arrayscene.report.palette import hertz_in_words, source_colour
from arrayscene.report.sentences import minus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


LOWEST_DB = -20.0
"""Below which curves over frequency are cut off."""


def curves_figure(comparison: Comparison) -> Figure:
    """Directivity index and white noise gain over frequency, for both decoders; lines: the mean, shaded: the middle 80 %."""
    height = 5.15 + 0.19 * math.ceil(len(comparison.entries) / 4)
    figure = blank_figure(WIDTH, height)
    purpose = comparison.purpose
    panels = (("directivity_index_db", "Directivity index (dB)"), ("white_noise_gain_db", "White noise gain (dB)"))
    for row, (key, label) in enumerate(panels):
        both = [getattr(entry.figures.figures[beam], key) for entry in comparison.entries for beam in BEAMS]
        # What directional microphones do not hear at all would leave the rest no room.
        low = max(min(0.0, *(float(values.min()) for values in both)), LOWEST_DB)
        high = max(float(values.max()) for values in both)
        for column, (beam, name) in enumerate(BEAMS.items()):
            axes = figure.add_axes((0.07 + 0.47 * column, (2.75 - 2.3 * row) / height, 0.435, 2.08 / height))
            _band(axes, purpose)
            axes.axhline(0.0, color=GREY, linewidth=0.8)
            if key == "white_noise_gain_db" and beam == "superdirective":
                _floor(axes, purpose)
            for entry in comparison.entries:
                values = getattr(entry.figures.figures[beam], key)
                colour = source_colour(entry.number).fill
                f = entry.figures.frequencies
                axes.fill_between(f, *np.quantile(values, (0.1, 0.9), axis=1), color=colour, alpha=0.13, linewidth=0)
                axes.plot(f, values.mean(1), color=colour, linewidth=1.8, linestyle=dashes(entry))
            axes.set_ylim(low - 0.06 * (high - low), high + 0.08 * (high - low))
            step = 5 if high - low > 12 else 2
            ticks = range(step * math.ceil(low / step - 0.1), math.floor(high) + 2, step)
            axes.set_yticks(ticks, [minus(str(tick)) for tick in ticks])
            _frequency_axis(axes, purpose, labelled=row == 1)
            if column == 0:
                axes.set_ylabel(label, fontsize=9)
            else:
                axes.tick_params(labelleft=False)
            if row == 0:
                axes.set_title(name.capitalize(), fontsize=9.5, color=INK, loc="left", pad=4, weight="bold")
    _legend(figure, comparison, top=0.995)
    return figure


def aliasing_figure(comparison: Comparison) -> Figure:
    """Frequency where spatial aliasing begins, over direction: the further out, the better; the rim is "not audible"."""
    height = 3.95 + 0.19 * len(comparison.entries)
    figure = blank_figure(4.2, height)
    axes = figure.add_axes((0.02, 0.0, 0.96, 4.03 / height))
    finite = [entry.figures.aliasing_hz[np.isfinite(entry.figures.aliasing_hz)] for entry in comparison.entries]
    lowest = min([float(values.min()) for values in finite if values.size] or [4000.0])
    inner = 1000.0 * 2.0 ** math.floor(math.log2(lowest / 1000.0) - 0.5)
    span = math.log2(AUDIBLE / inner)
    rings = [inner * 2.0**i for i in range(1, math.ceil(span - 0.3))] + [AUDIBLE]
    _compass(axes, [(math.log2(hertz / inner) / span, hertz_in_words(hertz)) for hertz in rings], comparison)
    for entry in comparison.entries:
        limits = np.minimum(entry.figures.aliasing_hz, AUDIBLE)
        round_curve(axes, entry.figures.circle, np.log2(limits / inner) / span, color=source_colour(entry.number).fill,
                     linewidth=1.8, linestyle=dashes(entry))  # fmt: skip
    _legend(figure, comparison, top=1.0, columns=1)
    return figure


def errors_figure(comparison: Comparison) -> Figure:
    """Lower bound on the direction error: over the SNR, and over direction at one SNR."""
    height = 3.15 + 0.19 * math.ceil(len(comparison.entries) / 4)
    figure = blank_figure(WIDTH, height)
    left = figure.add_axes((0.09, 0.48 / height, 0.40, 2.3 / height))
    right = figure.add_axes((0.57, 0.48 / height, 0.405, 2.3 / height))
    judged = SNR_DB.index(JUDGED_SNR_DB)
    for entry in comparison.entries:
        errors, style = entry.figures.angle_error_deg, {"color": source_colour(entry.number).fill, "linestyle": dashes(entry)}
        left.plot(SNR_DB, np.quantile(errors, 0.5, axis=1, method="lower"), linewidth=1.8, marker="o", markersize=3, **style)
        angles, order = signed(np.degrees(entry.figures.circle))
        # Where nothing is told the curve leaves the page.
        over = np.where(np.isfinite(errors[judged]), errors[judged], 1e9)[order]
        right.plot(angles, np.append(over, over[0]), linewidth=1.8, **style)
    _degrees_axis(left)
    _degrees_axis(right)
    left.set_xlabel("SNR at one microphone (dB)", fontsize=9)
    left.set_xticks(SNR_DB[::2], [minus(str(level)) for level in SNR_DB[::2]])
    left.set_ylabel("Least standard error of the angle", fontsize=9)
    left.axvline(JUDGED_SNR_DB, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    left.set_title("Median direction", fontsize=9.5, color=INK, loc="left", pad=4, weight="bold")
    right.set_xlim(-180, 180)
    right.set_xticks(range(-180, 181, 45), [minus(f"{angle}°") for angle in range(-180, 181, 45)])
    right.set_xlabel("Direction" if comparison.purpose.looks == "view" else "Azimuth (left is positive)", fontsize=9)
    right.set_title(f"At {JUDGED_SNR_DB} dB SNR", fontsize=9.5, color=INK, loc="left", pad=4, weight="bold")
    _legend(figure, comparison, top=0.995)
    return figure


def _compass(axes: Axes, rings: Sequence[tuple[float, str]], comparison: Comparison) -> None:
    """Axes seen from above: angle 0 up, 90 degrees to the left, a circle of radius 1 with labelled rings inside."""
    from matplotlib.patches import Circle

    axes.set(xlim=(-1.27, 1.27), ylim=(-1.27, 1.27), aspect="equal")
    axes.set_axis_off()
    axes.add_patch(Circle((0, 0), 1.0, facecolor=PAPER, edgecolor=GREY, linewidth=1.0, zorder=0))
    words = ("0°", "90°", "180°", "\N{MINUS SIGN}90°")
    if comparison.purpose.looks != "view":
        words = ("0° front", "90°\nleft", "180° back", "\N{MINUS SIGN}90°\nright")
    for degrees, label in zip((0, 90, 180, -90), words, strict=True):
        across, ahead = -math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        axes.plot([0, across], [0, ahead], color=FAINT, linewidth=0.8, zorder=0)
        axes.text(1.16 * across, 1.1 * ahead, label, fontsize=SMALL, color=SOFT, ha="center", va="center")
    for radius, label in rings:
        axes.add_patch(Circle((0, 0), radius, fill=False, edgecolor=FAINT, linewidth=0.8, zorder=1))
        axes.text(0.71 * radius, -0.71 * radius, label, fontsize=7.5, color=SOFT, ha="center", va="center", zorder=4,
                  bbox={"facecolor": PAPER, "linewidth": 0, "pad": 0.8})  # fmt: skip


def _legend(figure: Figure, comparison: Comparison, *, top: float, columns: int | None = None) -> None:
    from matplotlib.lines import Line2D

    entries = comparison.entries
    lines = [Line2D([], [], color=source_colour(entry.number).fill, linewidth=2.0, linestyle=dashes(entry)) for entry in entries]
    figure.legend(lines, [title(entry) for entry in entries], loc="upper left", bbox_to_anchor=(0.0, top),
                  ncols=columns or min(4, len(entries)), fontsize=SMALL, frameon=False, handlelength=3.0, columnspacing=1.6,
                  labelcolor=INK)  # fmt: skip


def _band(axes: Axes, purpose: Purpose) -> None:
    """Shade what is shown but not counted."""
    (low, high), (first, last) = purpose.shown, purpose.band
    for start, stop in ((low, first), (last, high)):
        if stop > 1.01 * start:
            axes.axvspan(start, stop, color="#f0f1f3", linewidth=0, zorder=0)


def _floor(axes: Axes, purpose: Purpose) -> None:
    axes.axhline(purpose.white_noise_gain_db, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.text(purpose.shown[0], purpose.white_noise_gain_db, "  floor", fontsize=7.5, color=SOFT, ha="left", va="bottom")


def _frequency_axis(axes: Axes, purpose: Purpose, *, labelled: bool) -> None:
    from matplotlib.ticker import NullLocator

    _style(axes)
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(*purpose.shown)
    ticks = [hertz for hertz in octaves(purpose) if hertz <= 1.01 * purpose.shown[1]]
    axes.set_xticks(ticks, [short(hertz) if labelled else "" for hertz in ticks])
    if labelled:
        axes.set_xlabel("Frequency (Hz)", fontsize=9)


def _degrees_axis(axes: Axes) -> None:
    """A logarithmic axis of degrees around what is drawn, to 90 degrees at most."""
    from matplotlib.ticker import NullLocator

    drawn = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in axes.get_lines()])
    drawn = drawn[np.isfinite(drawn) & (drawn < 90)]
    low, high = (float(drawn.min()), float(drawn.max())) if drawn.size else (0.1, 10.0)
    _style(axes)
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0.7 * low, min(90.0, max(1.4 * high, 10 * low)))
    ticks = [step * 10.0**power for power in range(-4, 2) for step in (1, 2, 5)]
    ticks = [tick for tick in ticks if axes.get_ylim()[0] <= tick <= axes.get_ylim()[1]]
    ticks = ticks if len(ticks) < 9 else [tick for tick in ticks if f"{tick:e}"[0] == "1"]
    axes.set_yticks(ticks, [f"{tick:g}°" for tick in ticks])


def _style(axes: Axes) -> None:
    axes.tick_params(labelsize=SMALL, colors=INK, length=3)
    axes.grid(True, color="#e6e8eb", linewidth=0.7)
    axes.set_axisbelow(True)
    open_frame(axes)
