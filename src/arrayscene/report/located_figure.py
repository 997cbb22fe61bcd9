"""The picture of located sources: a compass, a map over the sphere, or the plane around a wide array."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from arrayscene.localize.grid import direction_grid, to_vectors
from arrayscene.localize.located import Located, LocatedSource
from arrayscene.report.drawing import FAINT, GREY, INK, SOFT
from arrayscene.report.palette import COLOUR_MAP, source_colour
from arrayscene.report.sentences import minus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SECTOR, _SPREAD = np.deg2rad(4.0), np.deg2rad(6.0)


def located_figure(located: Located) -> Figure:
    """Draw the map and the sources, numbered as in the table; dashed marks with a question mark are what would fit as well.

    Where azimuth alone is told: a compass, front up and left left, with the votes of every direction. Where elevation is told
    too: azimuth and elevation. For a wide array: the plane around it with the sources to scale.

    Returns:
        A matplotlib Figure; it touches no global state of matplotlib.
    """
    from matplotlib.figure import Figure

    grid = direction_grid(located.array)
    figure = Figure(figsize=(6.4, 6.0), layout="constrained", facecolor="white")
    if any(source.position is not None for source in located.sources):
        _plane(figure.add_subplot(), located)
        legend = "Dots: microphones. Numbers: sources; bars: twice the error of the distance; dotted: distance unknown"
    elif grid.azimuth_known and grid.elevation_known:
        figure.set_size_inches(8.2, 4.6)
        _sphere(figure.add_subplot(), located)
        legend = "The brighter, the more votes for that direction. Numbers: sources"
    elif grid.azimuth_known:
        _compass(figure.add_subplot(projection="polar"), located)
        legend = "Grey: votes for each direction. Lines: sources; arcs across them: error of the azimuth"
    else:
        figure.set_size_inches(8.2, 3.6)
        _upright(figure.add_subplot(), located)
        legend = "Line: votes for each elevation. Numbers: sources"
    if any(source.alternatives for source in located.sources):
        legend += "; question marks: would fit as well"
    figure.supxlabel(legend + ".", fontsize=7.5, color=SOFT)
    count = len(located.sources)
    words = "no source" if not count else "1 source" if count == 1 else f"{count} sources"
    figure.suptitle(f"{located.array.name}: {words}, {located.duration:.3g} s", fontsize=11, color=INK)
    return figure


def _compass(axes: Axes, located: Located) -> None:
    axes.set_theta_zero_location("N")  # type: ignore[attr-defined]
    edges = np.arange(-np.pi, np.pi + 1e-9, _SECTOR)
    votes, _ = np.histogram(located.azimuth, edges, weights=located.power)
    axes.bar(edges[:-1] + _SECTOR / 2, votes / max(float(votes.max()), 1e-30), width=_SECTOR, color=GREY, alpha=0.6)
    for number, source in enumerate(located.sources, start=1):
        if source.azimuth is None:
            axes.plot(0.0, 0.0, marker="o", markersize=16, color=source_colour(number).fill)
            axes.text(0.0, 0.0, str(number), ha="center", va="center", fontsize=9, color=source_colour(number).ink)
            continue
        for azimuth, _ in source.alternatives:
            if azimuth is not None:
                _ray(axes, azimuth, number, "?", dashed=True)
        _ray(axes, source.azimuth, number, str(number))
        if source.azimuth_error is not None:
            arc = np.linspace(-1, 1, 9) * source.azimuth_error + source.azimuth
            axes.plot(arc, np.full(9, 1.08), color=source_colour(number).fill, linewidth=3, solid_capstyle="butt")
    axes.set_ylim(0, 1.3)
    axes.set_yticks([])
    ticks = np.arange(0, 360, 45)
    axes.set_xticks(np.deg2rad(ticks), [minus(f"{tick if tick <= 180 else tick - 360}°") for tick in ticks], color=INK)
    axes.grid(color=FAINT)
    axes.spines["polar"].set_color(FAINT)


def _ray(axes: Axes, azimuth: float, number: int, label: str, dashed: bool = False) -> None:
    colour = source_colour(number)
    axes.plot([azimuth, azimuth], [0, 1.12], color=colour.fill, linewidth=2, linestyle="--" if dashed else "-", zorder=3)
    box = {"boxstyle": "circle", "facecolor": "white" if dashed else colour.fill, "edgecolor": colour.fill}
    ink = colour.fill if dashed else colour.ink
    axes.text(azimuth, 1.2, label, ha="center", va="center", fontsize=9, color=ink, bbox=box, zorder=4)


def _sphere(axes: Axes, located: Located) -> None:
    azimuth, elevation = np.degrees(located.azimuth), np.degrees(located.elevation)
    toward = to_vectors(located.azimuth, located.elevation)
    # Votes are single points; a few degrees wide they can be seen.
    smooth = np.exp((toward @ toward.T - 1) / _SPREAD**2) @ located.power
    axes.tripcolor(azimuth, elevation, smooth, shading="gouraud", cmap=COLOUR_MAP)
    axes.set(xlim=(180, -180), ylim=(-90, 90), xlabel="Azimuth (left is left)", ylabel="Elevation")
    for number, source in enumerate(located.sources, start=1):
        for other in source.alternatives:
            if other[0] is not None and other[1] is not None:
                _mark(axes, np.degrees(other[0]), np.degrees(other[1]), number, "?")
        if source.azimuth is not None and source.elevation is not None:
            _mark(axes, np.degrees(source.azimuth), np.degrees(source.elevation), number, str(number))
    axes.set_xticks(range(-180, 181, 45), [minus(f"{tick}°") for tick in range(-180, 181, 45)])
    axes.set_yticks(range(-90, 91, 30), [minus(f"{tick}°") for tick in range(-90, 91, 30)])


def _upright(axes: Axes, located: Located) -> None:
    axes.plot(np.degrees(located.elevation), located.power, color=INK)
    for number, source in enumerate(located.sources, start=1):
        if source.elevation is not None:
            axes.axvline(float(np.degrees(source.elevation)), color=source_colour(number).fill, linewidth=2)
            _mark(axes, float(np.degrees(source.elevation)), 1.05, number, str(number))
    axes.set(xlim=(-90, 90), ylim=(0, 1.15), xlabel="Elevation, degrees", yticks=[])


def _plane(axes: Axes, located: Located) -> None:
    positions = located.array.positions
    known = [source.position for source in located.sources if source.position is not None]
    extent = 1.3 * max(float(np.abs(np.array([*positions, *known])[:, :2]).max()), 0.5)
    axes.scatter(-positions[:, 1], positions[:, 0], s=18, color=INK, zorder=3, label="microphones")
    for number, source in enumerate(located.sources, start=1):
        if source.position is not None:
            _error_bar(axes, source, number)
            _mark(axes, -source.position[1], source.position[0], number, str(number))
            _mirrored(axes, source, number)
        elif source.azimuth is not None:
            ahead = extent * np.array([np.cos(source.azimuth), np.sin(source.azimuth)])
            axes.plot([0, -ahead[1]], [0, ahead[0]], color=source_colour(number).fill, linestyle=":")
            _mark(axes, -0.95 * ahead[1], 0.95 * ahead[0], number, str(number))
    axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal")
    ticks = axes.get_xticks()
    axes.set_xticks(ticks, [minus(f"{-tick + 0.0:g}") for tick in ticks])
    axes.set(xlim=(-extent, extent), xlabel="y, left (m)", ylabel="x, front (m)")
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)


def _error_bar(axes: Axes, source: LocatedSource, number: int) -> None:
    """Two standard deviations of the distance either way, along the line of sight."""
    if source.position is None or source.distance is None or source.distance_error is None:
        return
    share = np.array([-2.0, 2.0]) * source.distance_error / source.distance
    ends = source.position[:2] * (1 + share.clip(-1)[:, None])
    axes.plot(-ends[:, 1], ends[:, 0], color=source_colour(number).fill, linewidth=2, alpha=0.7, zorder=2)


def _mirrored(axes: Axes, source: LocatedSource, number: int) -> None:
    for azimuth, _ in source.alternatives:
        if azimuth is not None and source.distance is not None:
            _mark(axes, -source.distance * np.sin(azimuth), source.distance * np.cos(azimuth), number, "?")


def _mark(axes: Axes, x: float, y: float, number: int, label: str) -> None:
    colour = source_colour(number)
    doubtful = label == "?"
    box = {
        "boxstyle": "circle",
        "facecolor": "white" if doubtful else colour.fill,
        "edgecolor": colour.fill if doubtful else "white",
        "linewidth": 1.2,
    }
    ink = colour.fill if doubtful else colour.ink
    axes.text(float(x), float(y), label, ha="center", va="center", fontsize=9, color=ink, bbox=box, zorder=5)
