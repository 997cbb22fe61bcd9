"""The pictures of where and when a scene sounds; each is a matplotlib Figure of a size that prints well."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from arrayscene.report.drawing import (
    FAINT,
    GREY,
    INK,
    PAPER,
    SMALL,
    SOFT,
    WIDTH,
    blank_figure,
    broken,
    colour_bar,
    note,
    time_axis,
)
from arrayscene.report.mirror import mirror_direction
from arrayscene.report.palette import COLOUR_MAP, source_colour
from arrayscene.report.profile import DirectionProfile, direction_profile
from arrayscene.report.sentences import minus
from arrayscene.scene import Path, Scene, Source

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEAST_SPREAD = 0.05
"""Power that a map shows at full contrast even where it varies less, so that noise does not look like a source."""


def sound_map_figure(scene: Scene) -> Figure:
    """Steered response power over azimuth and time, the sources on top: thin where they are silent, bold where they sound.

    Sources that move are drawn along their tracks.
    """
    profile = direction_profile(scene.sound_map)
    if profile is None:
        return note("No sound map: the recording is too short for one.")
    figure = blank_figure(WIDTH, 3.5)
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
    time_axis(axes, scene.duration)
    colour_bar(figure, image, (0.908, 0.15, 0.014, 0.81), "Steered response power")
    return figure


def polar_figure(scene: Scene) -> Figure:
    """Steered response power around the array, averaged over time; front is up, left is left."""
    profile = direction_profile(scene.sound_map)
    if profile is None or profile.angle != "azimuth":
        return note("No map around the array: it hears no azimuth.", width=4.2, height=4.2)
    figure, axes = _compass(1.3)
    mean = profile.power.mean(axis=1)
    spread = max(float(np.ptp(mean)), _LEAST_SPREAD)
    radius = 0.12 + 0.88 * (mean - mean.min()) / spread
    angle = np.radians(profile.centres_deg)
    across, ahead = -radius * np.sin(angle), radius * np.cos(angle)
    if not profile.full_circle:
        across, ahead = np.append(across, 0.0), np.append(ahead, 0.0)
    axes.fill(across, ahead, facecolor=GREY, edgecolor=INK, alpha=0.55, linewidth=1.0)
    _directions(axes, scene, inner=0.0, outer=1.0)
    return figure


def top_view_figure(scene: Scene) -> Figure:
    """The microphones from above, to scale, with the direction of every source; front is up, left is left."""
    figure, axes = _compass(1.3)
    positions = np.asarray(scene.array.positions)
    centred = positions - positions.mean(axis=0)
    extent = float(np.linalg.norm(centred[:, :2], axis=1).max()) or 1.0
    scale = 0.55 / extent
    axes.scatter(-scale * centred[:, 1], scale * centred[:, 0], s=26, color=INK, zorder=4)
    channels = scene.array.channels or range(1, len(positions) + 1)
    if len(positions) <= 16 and np.ptp(centred[:, :2], axis=0).max() > 0:
        for channel, (x, y, _) in zip(channels, centred, strict=True):
            away = math.hypot(x, y) or 1.0
            axes.text(-scale * y - 0.09 * y / away, scale * x + 0.09 * (x / away if (x or y) else 1.0), str(channel),
                      fontsize=7.5, color=INK, ha="center", va="center", zorder=4)  # fmt: skip
    bar = _round_length(extent)
    axes.plot([-1.2, -1.2 + scale * bar], [-1.25, -1.25], color=INK, linewidth=2, solid_capstyle="butt")
    label = f"{bar * 100:g} cm" if bar < 1 else f"{bar:g} m"
    axes.text(-1.2, -1.2, label, fontsize=SMALL, color=INK, va="bottom")
    _directions(axes, scene, inner=0.72, outer=1.0)
    return figure


def activity_figure(scene: Scene) -> Figure:
    """When every source sounds."""
    if not scene.sources:
        return note("No source was found, so there is no activity to show.", height=1.2)
    n_sources = len(scene.sources)
    height = 0.62 + 0.34 * n_sources
    figure = blank_figure(WIDTH, height)
    axes = figure.add_axes((0.085, 0.48 / height, 0.775, 1.0 - 0.58 / height))
    least = scene.duration / 1500
    for number, source in enumerate(scene.sources, start=1):
        axes.axhline(number, color=FAINT, linewidth=0.8, zorder=1)
        active = np.reshape(source.active, (-1, 2))
        bars = [(float(start), max(float(stop - start), least)) for start, stop in active]
        axes.broken_barh(bars, (number - 0.34, 0.68), color=source_colour(number).fill, linewidth=0, zorder=2)
    axes.set_ylim(n_sources + 0.6, 0.4)
    axes.set_yticks(range(1, n_sources + 1), [f"Source {number}" for number in range(1, n_sources + 1)])
    time_axis(axes, scene.duration)
    return figure


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
              fontsize=SMALL, weight="bold", color=look.ink,
              bbox={"boxstyle": "circle,pad=0.25", "facecolor": look.fill, "linewidth": 0})  # fmt: skip


def _mark_path(axes: Axes, profile: DirectionProfile, scene: Scene, path: Path, number: int) -> None:
    n = len(path.times)
    azimuth = [None] * n if path.azimuth is None else path.azimuth
    elevation = [None] * n if path.elevation is None else path.elevation
    places = [_placed(profile, scene, a, e) for a, e in zip(azimuth, elevation, strict=True)]
    line = np.array([np.nan if place is None else place for place in places])
    if profile.full_circle:
        line = broken(line)
    axes.plot(path.times, line, color="white", linewidth=0.7, alpha=0.7, linestyle=(0, (2, 3)))
    # One moment to either side belongs to both kinds of line, so that they join.
    sounds = np.where(path.active | np.append(path.active[1:], False), line, np.nan)
    for colour, width in (("black", 3.8), (source_colour(number).fill, 2.4), ("white", 0.8)):
        axes.plot(path.times, sounds, color=colour, linewidth=width)
    known = np.flatnonzero(np.isfinite(line))
    if len(known):
        look = source_colour(number)
        badge = {"boxstyle": "circle,pad=0.25", "facecolor": look.fill, "edgecolor": "white", "linewidth": 0.8}
        axes.text(path.times[known[0]], line[known[0]], str(number), ha="center", va="center", fontsize=SMALL, weight="bold",
                  color=look.ink, zorder=6, bbox=badge)  # fmt: skip


def _compass(reach: float) -> tuple[Figure, Axes]:
    """Square axes seen from above: +x (front) up, +y (left) to the left, a circle of radius 1."""
    from matplotlib.patches import Circle

    figure = blank_figure(4.2, 4.2)
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.96), xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set_axis_off()
    axes.add_patch(Circle((0, 0), 1.0, facecolor=PAPER, edgecolor=GREY, linewidth=1.0, zorder=0))
    for degrees, label in ((0, "0° front"), (90, "90°\nleft"), (180, "180° back"), (-90, "\N{MINUS SIGN}90°\nright")):
        across, ahead = -math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        axes.plot([0, across], [0, ahead], color=FAINT, linewidth=0.8, zorder=0)
        axes.text(1.2 * across, 1.22 * ahead, label, fontsize=SMALL, color=SOFT, ha="center", va="center")
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
            _badge(axes, across, ahead, f"{number}?", "white", INK, look.fill)
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
