"""The pictures of a scene, each a matplotlib Figure of a size that prints well; nothing here touches global state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.report.mirror import mirror_direction
from arrayscene.report.palette import COLOUR_MAP, frequency_ticks, hertz_in_words, source_colour, time_ticks, time_unit
from arrayscene.report.profile import DirectionProfile, direction_profile
from arrayscene.report.scene_json import third_octaves
from arrayscene.report.sentences import minus
from arrayscene.report.spectra import mel
from arrayscene.scene import Path, Scene, Source

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DYNAMIC_RANGE_DB = 70.0
"""Decibels from the brightest to the darkest colour of a spectrogram."""

_WIDTH = 8.2
_LEAST_SPREAD = 0.05
"""Power that a map shows at full contrast even where it varies less, so that noise does not look like a source."""
_INK = "#1f2328"
_FAINT = "#d0d4d9"
_SMALL = 8.5


def sound_map_figure(scene: Scene) -> Figure:
    """Steered response power over azimuth and time, the sources on top: thin where they are silent, bold where they sound.

    Sources that move are drawn along their tracks.
    """
    profile = direction_profile(scene.sound_map)
    if profile is None:
        return _note("No sound map: the recording is too short for one.")
    figure = _figure(_WIDTH, 3.5)
    axes = figure.add_axes((0.085, 0.15, 0.775, 0.81))
    half = profile.width_deg / 2
    bottom, top = float(profile.centres_deg[0]) - half, float(profile.centres_deg[-1]) + half
    low, high = (float(value) for value in np.percentile(profile.power, (5, 99.8)))
    image = axes.imshow(
        profile.power, origin="lower", aspect="auto", interpolation="nearest", cmap=COLOUR_MAP,
        extent=(profile.start_s, profile.stop_s, bottom, top), vmin=low, vmax=max(high, low + _LEAST_SPREAD),
    )  # fmt: skip
    for number, source in enumerate(scene.sources, start=1):
        if source.path is not None:
            _mark_path(axes, profile, scene, source.path, number)
            continue
        place = _place(profile, scene, source)
        if place is not None:
            _mark_row(axes, place, source, number)
    axes.set_ylim(bottom, top)
    step = 90 if profile.full_circle else 30
    ticks = np.arange(math.ceil(bottom / step) * step, top + 1e-6, step)
    axes.set_yticks(ticks, [minus(f"{_wrapped(tick):.0f}°") for tick in ticks])
    axes.set_ylabel(f"{profile.angle.capitalize()}" + (" (left is up)" if profile.angle == "azimuth" else ""), fontsize=9)
    _time_axis(axes, scene.duration)
    bar = figure.colorbar(image, cax=figure.add_axes((0.908, 0.15, 0.014, 0.81)))
    bar.ax.tick_params(labelsize=_SMALL, colors=_INK, length=2)
    bar.outline.set_visible(False)
    bar.set_label("Steered response power", fontsize=_SMALL, color=_INK)
    return figure


def polar_figure(scene: Scene) -> Figure:
    """Steered response power around the array, averaged over time; front is up, left is left."""
    profile = direction_profile(scene.sound_map)
    if profile is None or profile.angle != "azimuth":
        return _note("No map around the array: it hears no azimuth.", width=4.2, height=4.2)
    figure, axes = _compass(1.3)
    mean = profile.power.mean(axis=1)
    spread = max(float(np.ptp(mean)), _LEAST_SPREAD)
    radius = 0.12 + 0.88 * (mean - mean.min()) / spread
    angle = np.radians(profile.centres_deg)
    across, ahead = -radius * np.sin(angle), radius * np.cos(angle)
    if not profile.full_circle:
        across, ahead = np.append(across, 0.0), np.append(ahead, 0.0)
    axes.fill(across, ahead, facecolor="#8c96a3", edgecolor=_INK, alpha=0.55, linewidth=1.0)
    _directions(axes, scene, inner=0.0, outer=1.0)
    return figure


def top_view_figure(scene: Scene) -> Figure:
    """The microphones from above, to scale, with the direction of every source; front is up, left is left."""
    figure, axes = _compass(1.3)
    positions = np.asarray(scene.array.positions)
    centred = positions - positions.mean(axis=0)
    extent = float(np.linalg.norm(centred[:, :2], axis=1).max()) or 1.0
    scale = 0.55 / extent
    axes.scatter(-scale * centred[:, 1], scale * centred[:, 0], s=26, color=_INK, zorder=4)
    channels = scene.array.channels or range(1, len(positions) + 1)
    if len(positions) <= 16 and np.ptp(centred[:, :2], axis=0).max() > 0:
        for channel, (x, y, _) in zip(channels, centred, strict=True):
            away = math.hypot(x, y) or 1.0
            axes.text(-scale * y - 0.09 * y / away, scale * x + 0.09 * (x / away if (x or y) else 1.0), str(channel),
                      fontsize=7.5, color=_INK, ha="center", va="center", zorder=4)  # fmt: skip
    bar = _round_length(extent)
    axes.plot([-1.2, -1.2 + scale * bar], [-1.25, -1.25], color=_INK, linewidth=2, solid_capstyle="butt")
    label = f"{bar * 100:g} cm" if bar < 1 else f"{bar:g} m"
    axes.text(-1.2, -1.2, label, fontsize=_SMALL, color=_INK, va="bottom")
    _directions(axes, scene, inner=0.72, outer=1.0)
    return figure


def activity_figure(scene: Scene) -> Figure:
    """When every source sounds."""
    if not scene.sources:
        return _note("No source was found, so there is no activity to show.", height=1.2)
    n_sources = len(scene.sources)
    height = 0.62 + 0.34 * n_sources
    figure = _figure(_WIDTH, height)
    axes = figure.add_axes((0.085, 0.48 / height, 0.775, 1.0 - 0.58 / height))
    least = scene.duration / 1500
    for number, source in enumerate(scene.sources, start=1):
        axes.axhline(number, color=_FAINT, linewidth=0.8, zorder=1)
        active = np.reshape(source.active, (-1, 2))
        bars = [(float(start), max(float(stop - start), least)) for start, stop in active]
        axes.broken_barh(bars, (number - 0.34, 0.68), color=source_colour(number).fill, linewidth=0, zorder=2)
    axes.set_ylim(n_sources + 0.6, 0.4)
    axes.set_yticks(range(1, n_sources + 1), [f"Source {number}" for number in range(1, n_sources + 1)])
    _time_axis(axes, scene.duration)
    return figure


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
    n_rows = len(spectrograms)
    row, below, above = 1.15, 0.5, 0.1
    height = n_rows * row + below + above
    figure = _figure(_WIDTH, height)
    high = brightest_db(spectrograms)
    top = float(mel(sample_rate / 2))
    image = None
    for index, (levels, label) in enumerate(zip(spectrograms, labels, strict=True)):
        axes = figure.add_axes((0.085, (below + (n_rows - 1 - index) * row) / height, 0.81, (row - 0.1) / height))
        image = axes.imshow(
            levels, origin="lower", aspect="auto", interpolation="nearest", cmap=COLOUR_MAP,
            extent=(0.0, levels.shape[1] * column_seconds, 0.0, top), vmin=high - DYNAMIC_RANGE_DB, vmax=high,
        )  # fmt: skip
        axes.set_yticks(*zip(*[(float(mel(hz)), text) for hz, text in frequency_ticks(sample_rate)], strict=True))
        axes.text(0.008, 0.93, label, transform=axes.transAxes, fontsize=9, color="white", weight="bold", va="top",
                  bbox={"facecolor": "black", "alpha": 0.55, "linewidth": 0, "pad": 2.5})  # fmt: skip
        _time_axis(axes, duration, labelled=index == n_rows - 1)
    if image is not None:
        bar = figure.colorbar(image, cax=figure.add_axes((0.925, below / height, 0.014, 1.0 - (below + above + 0.1) / height)))
        bar.ax.tick_params(labelsize=_SMALL, colors=_INK, length=2)
        bar.outline.set_visible(False)
        bar.set_label("Level (dB re full scale)", fontsize=_SMALL, color=_INK)
    return figure


def brightest_db(spectrograms: Sequence[NDArray[np.float32]]) -> float:
    """Level of the brightest colour of a common scale: the next 5 dB above the loudest point, at least -60 dB."""
    return max(5.0 * math.ceil(max(float(levels.max()) for levels in spectrograms) / 5.0), -60.0)


def reliability_figure(scene: Scene) -> Figure:
    """Reliability, residual, condition number and noise gain over frequency; thin a frequency, bold a third-octave band."""
    trust = scene.reliability
    shown = trust.frequencies >= 50.0
    if not shown.any():
        return _note("No reliability figures: the recording is too short.")
    figure = _figure(_WIDTH, 6.2)
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
            axes.axhline(0.0, color="#8c96a3", linewidth=0.8, linestyle=(0, (4, 3)))
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
                          transform=axes.get_xaxis_transform(), fontsize=_SMALL, color="#9a4400", ha="right")  # fmt: skip
    return figure


def uncertainty_figure(scene: Scene) -> Figure:
    """The expected error of every source over frequency and time, relative to the source."""
    shown = [(n, source.uncertainty) for n, source in enumerate(scene.sources, start=1) if source.uncertainty is not None]
    row, below, above = 1.15, 0.5, 0.1
    height = len(shown) * row + below + above
    figure = _figure(_WIDTH, height)
    top = float(mel(scene.sample_rate / 2))
    image = None
    for index, (number, unsure) in enumerate(shown):
        axes = figure.add_axes((0.085, (below + (len(shown) - 1 - index) * row) / height, 0.81, (row - 0.1) / height))
        audible = unsure.power > 1e-5 * max(float(unsure.power.max()), 1e-30)
        ratio = 10 * np.log10(np.maximum(unsure.variance, 1e-30) / np.maximum(unsure.power, 1e-30))
        half = (unsure.frequencies[1] - unsure.frequencies[0]) / 2 if len(unsure.frequencies) > 1 else scene.sample_rate / 4
        edges = mel(np.clip(np.append(unsure.frequencies - half, unsure.frequencies[-1] + half), 0, scene.sample_rate / 2))
        step = 2 * float(unsure.times[0])
        axes.set_facecolor(_FAINT)
        image = axes.pcolormesh(
            np.arange(len(unsure.times) + 1) * step, edges, np.ma.masked_invalid(np.where(audible, ratio, np.nan)),
            cmap=COLOUR_MAP, vmin=-25.0, vmax=0.0, rasterized=True,
        )  # fmt: skip
        axes.set_ylim(0.0, top)
        axes.set_yticks(*zip(*[(float(mel(hz)), text) for hz, text in frequency_ticks(scene.sample_rate)], strict=True))
        axes.text(0.008, 0.93, f"Source {number}", transform=axes.transAxes, fontsize=9, color="white", weight="bold", va="top",
                  bbox={"facecolor": "black", "alpha": 0.55, "linewidth": 0, "pad": 2.5})  # fmt: skip
        _time_axis(axes, scene.duration, labelled=index == len(shown) - 1)
    if image is not None:
        bar = figure.colorbar(image, cax=figure.add_axes((0.925, below / height, 0.014, 1.0 - (below + above + 0.1) / height)))
        bar.ax.tick_params(labelsize=_SMALL, colors=_INK, length=2)
        bar.outline.set_visible(False)
        bar.set_label("Expected error (dB)", fontsize=_SMALL, color=_INK)
    return figure


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, facecolor="white")


def _note(text: str, *, width: float = _WIDTH, height: float = 2.0) -> Figure:
    figure = _figure(width, height)
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=10, color=_INK, wrap=True)
    return figure


def _style(axes: Axes) -> None:
    axes.tick_params(labelsize=_SMALL, colors=_INK, length=3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#8c96a3")


def _time_axis(axes: Axes, duration: float, *, labelled: bool = True) -> None:
    _style(axes)
    ticks = time_ticks(duration)
    axes.set_xlim(0.0, max(duration, 1e-3))
    if labelled:
        axes.set_xticks([tick for tick, _ in ticks], [label for _, label in ticks])
        axes.set_xlabel(f"Time ({time_unit(duration)})", fontsize=9)
    else:
        # A tick costs a millisecond even without a label.
        axes.set_xticks([])


def _frequency_axis(axes: Axes, limits: tuple[float, float], *, labelled: bool) -> None:
    from matplotlib.ticker import NullLocator

    _style(axes)
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


def _wrapped(degrees: float) -> float:
    return 180.0 - (180.0 - degrees) % 360.0


def _place(profile: DirectionProfile, scene: Scene, source: Source) -> float | None:
    """Where a source sits on the profile's axis."""
    return _placed(profile, scene, source.azimuth, source.elevation)


def _placed(profile: DirectionProfile, scene: Scene, azimuth: float | None, elevation: float | None) -> float | None:
    """A direction on the profile's axis; its mirror image stands in where a line array's half of the circle lacks it."""
    if profile.angle == "elevation":
        return None if elevation is None else profile.place(math.degrees(elevation))
    if azimuth is None:
        return None
    place = profile.place(math.degrees(azimuth))
    image = mirror_direction(scene.array.positions, azimuth, elevation, scene.ambiguity)
    return profile.place(math.degrees(image[0])) if place is None and image else place


def _mark_row(axes: Axes, place: float, source: Source, number: int) -> None:
    active = np.reshape(source.active, (-1, 2))
    axes.axhline(place, color="white", linewidth=0.7, alpha=0.7, linestyle=(0, (2, 3)))
    for colour, width in (("black", 3.4), ("white", 1.6)):
        axes.hlines([place] * len(active), active[:, 0], active[:, 1], color=colour, linewidth=width)
    look = source_colour(number)
    axes.text(1.022, place, str(number), transform=axes.get_yaxis_transform(), ha="center", va="center",
              fontsize=_SMALL, weight="bold", color=look.ink,
              bbox={"boxstyle": "circle,pad=0.25", "facecolor": look.fill, "linewidth": 0})  # fmt: skip


def _mark_path(axes: Axes, profile: DirectionProfile, scene: Scene, path: Path, number: int) -> None:
    n = len(path.times)
    azimuth = [None] * n if path.azimuth is None else path.azimuth
    elevation = [None] * n if path.elevation is None else path.elevation
    places = [_placed(profile, scene, a, e) for a, e in zip(azimuth, elevation, strict=True)]
    line = np.array([np.nan if place is None else place for place in places])
    if profile.full_circle:
        # No line from one edge of the circle to the other.
        line[1:][np.abs(np.diff(line)) > 180] = np.nan
    axes.plot(path.times, line, color="white", linewidth=0.7, alpha=0.7, linestyle=(0, (2, 3)))
    # One moment to either side belongs to both kinds of line, so that they join.
    sounds = np.where(path.active | np.append(path.active[1:], False), line, np.nan)
    for colour, width in (("black", 3.8), (source_colour(number).fill, 2.4), ("white", 0.8)):
        axes.plot(path.times, sounds, color=colour, linewidth=width)
    known = np.flatnonzero(np.isfinite(line))
    if len(known):
        look = source_colour(number)
        badge = {"boxstyle": "circle,pad=0.25", "facecolor": look.fill, "edgecolor": "white", "linewidth": 0.8}
        axes.text(path.times[known[0]], line[known[0]], str(number), ha="center", va="center", fontsize=_SMALL, weight="bold",
                  color=look.ink, zorder=6, bbox=badge)  # fmt: skip


def _compass(reach: float) -> tuple[Figure, Axes]:
    """Square axes seen from above: +x (front) up, +y (left) to the left, a circle of radius 1."""
    from matplotlib.patches import Circle

    figure = _figure(4.2, 4.2)
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.96), xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set_axis_off()
    axes.add_patch(Circle((0, 0), 1.0, facecolor="#f6f8fa", edgecolor="#8c96a3", linewidth=1.0, zorder=0))
    for degrees, label in ((0, "0° front"), (90, "90°\nleft"), (180, "180° back"), (-90, "\N{MINUS SIGN}90°\nright")):
        across, ahead = -math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        axes.plot([0, across], [0, ahead], color=_FAINT, linewidth=0.8, zorder=0)
        axes.text(1.2 * across, 1.22 * ahead, label, fontsize=_SMALL, color="#59636e", ha="center", va="center")
    return figure, axes


def _directions(axes: Axes, scene: Scene, *, inner: float, outer: float) -> None:
    """A numbered mark on the circle for every source with a known azimuth; hollow and dashed where it may be as well."""
    for number, source in enumerate(scene.sources, start=1):
        if source.azimuth is None:
            continue
        look = source_colour(number)
        image = mirror_direction(scene.array.positions, source.azimuth, source.elevation, scene.ambiguity)
        if image and abs(math.remainder(image[0] - source.azimuth, math.tau)) > 0.02:
            across, ahead = -math.sin(image[0]), math.cos(image[0])
            axes.plot([inner * across, outer * across], [inner * ahead, outer * ahead], color=look.fill, linewidth=1.2,
                      linestyle=(0, (3, 3)), zorder=3)  # fmt: skip
            _badge(axes, across, ahead, f"{number}?", "white", _INK, look.fill)
        towards = source.azimuth
        if source.path is not None and source.path.azimuth is not None and source.path.active.any():
            # Arcs within each other: paths that cross would hide one another.
            been = np.where(source.path.active, np.unwrap(source.path.azimuth), np.nan)
            radius = outer - 0.06 * number
            axes.plot(-radius * np.sin(been), radius * np.cos(been), color=look.fill, linewidth=3.5, zorder=3)
            towards = float(source.path.azimuth[source.path.active][-1])
        across, ahead = -math.sin(towards), math.cos(towards)
        axes.plot([inner * across, outer * across], [inner * ahead, outer * ahead], color=look.fill, linewidth=2.2, zorder=3)
        _badge(axes, across, ahead, str(number), look.fill, look.ink, look.fill)


def _badge(axes: Axes, across: float, ahead: float, label: str, fill: str, ink: str, edge: str) -> None:
    axes.text(across, ahead, label, ha="center", va="center", fontsize=9, weight="bold", color=ink, zorder=5,
              bbox={"boxstyle": "circle,pad=0.28", "facecolor": fill, "edgecolor": edge, "linewidth": 1.5})  # fmt: skip


def _round_length(metres: float) -> float:
    """Largest 1, 2 or 5 times a power of ten below `metres`, for a scale bar."""
    decade = 10.0 ** math.floor(math.log10(metres))
    return next(step * decade for step in (5.0, 2.0, 1.0) if step * decade <= metres * 1.0001)
