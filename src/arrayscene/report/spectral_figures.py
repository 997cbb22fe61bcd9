"""The pictures of a scene over frequency: spectrograms, how far to trust it, and what draws leave open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from arrayscene.report.drawing import FAINT, GREY, INK, SMALL, WIDTH, blank_figure, colour_bar, note, open_frame, time_axis
from arrayscene.report.palette import COLOUR_MAP, frequency_ticks, hertz_in_words, source_colour
from arrayscene.report.scene_json import third_octaves
from arrayscene.report.spectra import mel
from arrayscene.scene import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

DYNAMIC_RANGE_DB: Final = 70.0
"""Decibels from the brightest to the darkest colour of a spectrogram."""

_LEAST_RATIO_DB: Final = -25.0
"""Expected error, relative to its source, of the darkest colour."""


def spectrogram_figure(
    spectrograms: Sequence[NDArray[np.float32]], labels: Sequence[str], column_seconds: float, duration: float, sample_rate: int
) -> Figure:
    """Spectrograms above each other on one time axis and one colour scale.

    Args:
        spectrograms: each (band, column) in dB, as `spectra.spectrogram` makes them.
        labels: a name for each.
        column_seconds: seconds a column spans.
        duration: seconds shown.
        sample_rate: hertz; the bands reach half of it, evenly in mel.
    """
    high = brightest_db(spectrograms)
    strips = _Strips(labels, duration, sample_rate)
    image = None
    for index, levels in enumerate(spectrograms):
        axes = strips.add(index)
        image = axes.imshow(
            levels, origin="lower", aspect="auto", interpolation="nearest", cmap=COLOUR_MAP,
            extent=(0.0, levels.shape[1] * column_seconds, 0.0, strips.top), vmin=high - DYNAMIC_RANGE_DB, vmax=high,
        )  # fmt: skip
        strips.finish(axes, index)
    return strips.scaled(image, "Level (dB re full scale)")


def brightest_db(spectrograms: Sequence[NDArray[np.float32]]) -> float:
    """Level of the brightest colour of a common scale: the next 5 dB above the loudest point, at least -60 dB."""
    return max(5.0 * math.ceil(max(float(levels.max()) for levels in spectrograms) / 5.0), -60.0)


def reliability_figure(scene: Scene) -> Figure:
    """Reliability, residual, condition number and noise gain over frequency; thin a frequency, bold a third-octave band."""
    trust = scene.reliability
    shown = trust.frequencies >= 50.0
    if not shown.any():
        return note("No reliability figures: the recording is too short.")
    figure = blank_figure(WIDTH, 6.2)
    bands = third_octaves(scene)
    limits = (50.0, float(trust.frequencies.max()))
    panels = (
        ("reliability", trust.reliability, "Reliability"),
        ("residual_db", trust.residual_db, "Residual (dB)"),
        ("condition", trust.condition, "Condition number"),
        ("noise_gain_db", trust.noise_gain_db, "Noise gain (dB)"),
    )
    for index, (key, values, label) in enumerate(panels):
        axes = figure.add_axes((0.085, 0.075 + 0.228 * (3 - index), 0.895, 0.205))
        axes.set_xscale("log")
        if key == "condition":
            _decades(axes, values[shown])
        elif key == "reliability":
            axes.set_ylim(0.0, 1.02)
        else:
            axes.axhline(0.0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.plot(trust.frequencies[shown], np.where(np.isfinite(values), values, np.nan)[shown], color="#9dbbd4", linewidth=0.7)
        known = [(band["frequency_hz"], band[key]) for band in bands if band[key] is not None]
        if known:
            axes.plot(*zip(*known, strict=True), color=source_colour(1).fill, linewidth=1.8, marker="o", markersize=3)
        _frequency_axis(axes, limits, labelled=index == 3)
        axes.set_ylabel(label, fontsize=9)
        if limits[0] < trust.aliasing_hz < limits[1]:
            axes.axvline(trust.aliasing_hz, color=source_colour(2).fill, linewidth=1.2, linestyle=(0, (5, 2)))
            if index == 0:
                axes.text(trust.aliasing_hz, 1.02, f"spatial aliasing above {hertz_in_words(trust.aliasing_hz)}",
                          transform=axes.get_xaxis_transform(), fontsize=SMALL, color="#9a4400", ha="right")  # fmt: skip
    return figure


def uncertainty_figure(scene: Scene) -> Figure:
    """The expected error of every source over frequency and time, relative to the source."""
    shown = [(n, source.uncertainty) for n, source in enumerate(scene.sources, start=1) if source.uncertainty is not None]
    strips = _Strips([f"Source {n}" for n, _ in shown], scene.duration, scene.sample_rate)
    image = None
    for index, (_, unsure) in enumerate(shown):
        axes = strips.add(index)
        audible = unsure.power > 1e-5 * max(float(unsure.power.max()), 1e-30)
        ratio = 10 * np.log10(np.maximum(unsure.variance, 1e-30) / np.maximum(unsure.power, 1e-30))
        half = (unsure.frequencies[1] - unsure.frequencies[0]) / 2 if len(unsure.frequencies) > 1 else scene.sample_rate / 4
        edges = mel(np.clip(np.append(unsure.frequencies - half, unsure.frequencies[-1] + half), 0, scene.sample_rate / 2))
        step = 2 * float(unsure.times[0])
        axes.set_facecolor(FAINT)
        image = axes.pcolormesh(
            np.arange(len(unsure.times) + 1) * step, edges, np.ma.masked_invalid(np.where(audible, ratio, np.nan)),
            cmap=COLOUR_MAP, vmin=_LEAST_RATIO_DB, vmax=0.0, rasterized=True,
        )  # fmt: skip
        axes.set_ylim(0.0, strips.top)
        strips.finish(axes, index)
    return strips.scaled(image, "Expected error (dB)")


class _Strips:
    """A sheet of strips over time, above each other, with axes in mel to half the sample rate and one colour scale."""

    row, below, above = 1.15, 0.5, 0.1

    def __init__(self, labels: Sequence[str], duration: float, sample_rate: int) -> None:
        self.labels, self.duration, self.sample_rate = labels, duration, sample_rate
        self.top = float(mel(sample_rate / 2))
        self.height = len(labels) * self.row + self.below + self.above
        self.figure = blank_figure(WIDTH, self.height)

    def add(self, index: int) -> Axes:
        bottom = self.below + (len(self.labels) - 1 - index) * self.row
        return self.figure.add_axes((0.085, bottom / self.height, 0.81, (self.row - 0.1) / self.height))

    def finish(self, axes: Axes, index: int) -> None:
        axes.set_yticks(*zip(*[(float(mel(hz)), text) for hz, text in frequency_ticks(self.sample_rate)], strict=True))
        axes.text(0.008, 0.93, self.labels[index], transform=axes.transAxes, fontsize=9, color="white", weight="bold", va="top",
                  bbox={"facecolor": "black", "alpha": 0.55, "linewidth": 0, "pad": 2.5})  # fmt: skip
        time_axis(axes, self.duration, labelled=index == len(self.labels) - 1)

    def scaled(self, image: ScalarMappable | None, label: str) -> Figure:
        if image is not None:
            margins = self.below + self.above + 0.1
            colour_bar(self.figure, image, (0.925, self.below / self.height, 0.014, 1.0 - margins / self.height), label)
        return self.figure


def _frequency_axis(axes: Axes, limits: tuple[float, float], *, labelled: bool) -> None:
    from matplotlib.ticker import NullLocator

    axes.tick_params(labelsize=SMALL, colors=INK, length=3)
    open_frame(axes)
    axes.grid(True, color="#eceef0", linewidth=0.8)
    ticks = [hz for hz in (63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000) if limits[0] <= hz <= limits[1] * 1.001]
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(*limits)
    axes.set_xticks(ticks, [hertz_in_words(hz) if labelled else "" for hz in ticks])
    if labelled:
        axes.set_xlabel("Frequency", fontsize=9)


def _decades(axes: Axes, values: NDArray[np.floating[Any]]) -> None:
    """Logarithmic y axis from 1 in plain numbers; the powers that matplotlib writes cost a tenth of a second of typesetting."""
    from matplotlib.ticker import NullLocator

    finite = values[np.isfinite(values)]
    top = max(1, math.ceil(math.log10(float(np.clip(finite.max(initial=1.0), 1.0, 1e6)))))
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0.9, 10.0**top)
    axes.set_yticks([10.0**power for power in range(top + 1)], [f"{10**power:,}" for power in range(top + 1)])
