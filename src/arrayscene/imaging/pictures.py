"""Sound maps as acousticians draw them: levels in colour down to a few decibels below the maximum, in metres, equal scales."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.errors import ShapeError
from arrayscene.imaging.result import SoundMap
from arrayscene.localize.grid import to_angles, to_vectors
from arrayscene.report.drawing import FAINT, INK, SOFT
from arrayscene.report.sentences import minus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

COLOUR_MAP = "magma_r"
"""The palette of all figures turned round: paper white where nothing is, dark where it is loud, readable in grey."""

_LABELLED = 6
"""Sources named in a picture at most."""

_EDGE = 0.85
"""Share of the width from which on labels stand to the left of their sources."""


def map_figure(
    sound_map: SoundMap, band: int = 0, *, range_db: float = 15.0, top_db: float | None = None, microphones: bool = False
) -> Figure:
    """Draw one band of a map.

    A plane is drawn as the array sees it, a box as its three views with the loudest point along each line of sight, a sphere by
    azimuth and elevation. Rings are the sources that `SoundMap.sources` finds, each at its loudest point, with their levels.

    Args:
        sound_map: what to draw.
        band: index.
        range_db: decibels from the highest level drawn to the lowest.
        top_db: highest level of the scale; the map's if None.
        microphones: whether to draw them, as small crosses, on a plane or in a box.

    Returns: a matplotlib Figure; it touches no global state of matplotlib.

    Raises: ShapeError for a band that is not there or a range that is not positive.
    """
    from matplotlib.figure import Figure

    if not 0 <= band < len(sound_map.bands):
        raise ShapeError(f"map figure: band {band} came; the map has bands 0 to {len(sound_map.bands) - 1}")
    if not 0 < range_db <= 200:
        raise ShapeError(f"map figure: a range of {range_db} dB came; more than 0 and at most 200 is needed, such as 15")
    highest = float(sound_map.levels_db[band].max())
    top = top_db if top_db is not None else highest if math.isfinite(highest) else 0.0
    figure = Figure(figsize=_size(sound_map), dpi=120, facecolor="white", layout="constrained")
    draw = {"plane": _plane, "sphere": _sphere, "box": _box}[sound_map.grid.kind]
    image = draw(figure, _Shown(sound_map, band, (top - range_db, top), microphones))
    bar = figure.colorbar(image, ax=figure.axes, shrink=0.92, pad=0.02, aspect=28)
    bar.set_label(f"Sound pressure level ({sound_map.unit})" if sound_map.calibrated else f"Level ({sound_map.unit})", fontsize=9)
    bar.ax.tick_params(labelsize=8, colors=INK)
    bar.outline.set_edgecolor(FAINT)
    title = sound_map.bands[band].name[0].upper() + sound_map.bands[band].name[1:]
    figure.suptitle(f"{title}, {sound_map.method.partition(' (')[0]}", fontsize=11, color=INK)
    figure.supxlabel(_caption(sound_map, highest, microphones), fontsize=7.5, color=SOFT)
    return figure


class _Shown(NamedTuple):
    """What a picture shows of a map: one band, levels from the lowest to the highest in dB, the microphones or not."""

    sound_map: SoundMap
    band: int
    scale: tuple[float, float]
    microphones: bool

    @property
    def levels(self) -> NDArray[np.float64]:
        """(point,) dB."""
        return np.asarray(self.sound_map.levels_db[self.band])


def _size(sound_map: SoundMap) -> tuple[float, float]:
    grid = sound_map.grid
    if grid.kind == "sphere":
        return 8.2, 4.6
    if grid.kind == "box":
        return 10.4, 4.4
    height, width = (float(np.ptp(axis)) + grid.increment for axis in grid.axes)
    ratio = min(max(height / width, 0.35), 2.2)
    return (6.4, 1.5 + 4.7 * ratio) if ratio <= 1 else (1.7 + 5.6 / ratio, 7.1)


def _caption(sound_map: SoundMap, highest: float, microphones: bool) -> str:
    where = "1 m from the source" if sound_map.reference == "1 m" else "the array's origin"
    values = "sources" if sound_map.shows_sources else "beams"
    words = f"Power of {values}, levels at {where}"
    if math.isfinite(highest):
        words += f"; highest {minus(f'{highest:.1f}')} {sound_map.unit}"
    if sound_map.duration:
        words += f"; {sound_map.start:.2f} to {sound_map.start + sound_map.duration:.2f} s"
    words += "\nRings: sources, with their levels" + (" (sum of the points around)" if sound_map.shows_sources else "")
    if microphones and sound_map.grid.kind != "sphere":
        words += "; crosses: microphones"
    return words


def _plane(figure: Figure, shown: _Shown) -> AxesImage:
    grid = shown.sound_map.grid
    assert grid.across is not None
    assert grid.up is not None
    view = _View(grid.across, grid.up, (grid.axes[1], grid.axes[0]), (grid.labels[1], grid.labels[0]))
    return _flat(figure.subplots(), shown, shown.levels.reshape(grid.shape), view)


def _box(figure: Figure, shown: _Shown) -> AxesImage:
    grid, unit = shown.sound_map.grid, np.eye(3)
    views = (("from above", 1, 0, 2), ("from the right", 0, 2, 1), ("from behind", 1, 2, 0))
    for axes, (title, across, up, along) in zip(figure.subplots(1, 3), views, strict=True):
        seen = shown.levels.reshape(grid.shape).max(axis=along)
        view = _View(unit[across], unit[up], (grid.axes[across], grid.axes[up]), (grid.labels[across], grid.labels[up]))
        image = _flat(axes, shown, seen if up < across else seen.T, view)
        axes.set_title(title, fontsize=9, color=INK)
    return image


class _View(NamedTuple):
    """Two directions at right angles, coordinates along them, and what these are."""

    across: NDArray[np.float64]
    up: NDArray[np.float64]
    lines: tuple[NDArray[np.float64], NDArray[np.float64]]
    labels: tuple[str, str]


def _flat(axes: Axes, shown: _Shown, levels: NDArray[np.float64], view: _View) -> AxesImage:
    """Levels (up, across) in metres, with the sources and the microphones."""
    sound_map = shown.sound_map
    image = _show(axes, levels, *view.lines, sound_map.grid.increment, shown.scale, smooth=not sound_map.shows_sources)
    axes.set_xlabel(f"{view.labels[0]} (m)", fontsize=9)
    axes.set_ylabel(f"{view.labels[1]} (m)", fontsize=9)
    if "left" in view.labels[0]:
        # Left is left for a person who stands at the array.
        axes.invert_xaxis()
    if shown.microphones:
        _crosses(axes, sound_map.array.positions @ view.across, sound_map.array.positions @ view.up)
    _rings(axes, shown, lambda point: (float(point @ view.across), float(point @ view.up)))
    return image


def _sphere(figure: Figure, shown: _Shown) -> AxesImage:
    from scipy.spatial import cKDTree

    grid = shown.sound_map.grid
    unit = grid.points / np.linalg.norm(grid.points, axis=1, keepdims=True)
    azimuth, elevation = np.arange(-180.0, 181.0), np.arange(-90.0, 91.0)
    looks = to_vectors(*np.meshgrid(np.radians(azimuth), np.radians(elevation)))
    apart, nearest = cKDTree(unit).query(looks)
    # Half a sphere leaves the other half white.
    spacing = grid.increment / np.linalg.norm(grid.points[0])
    axes = figure.subplots()
    levels = np.where(apart <= spacing, shown.levels[nearest], -np.inf)
    image = _show(axes, levels, azimuth, elevation, 1.0, shown.scale, smooth=False)
    axes.invert_xaxis()
    axes.set(xticks=range(-180, 181, 45), yticks=range(-90, 91, 30))
    axes.set_xlabel("Azimuth (degrees, left positive)", fontsize=9)
    axes.set_ylabel("Elevation (degrees)", fontsize=9)
    _rings(axes, shown, _azimuth_and_elevation)
    return image


def _azimuth_and_elevation(point: NDArray[np.float64]) -> tuple[float, float]:
    """Degrees."""
    azimuth, elevation = np.degrees(to_angles(point))
    return float(azimuth), float(elevation)


def _show(
    axes: Axes,
    values: NDArray[np.float64],
    across: NDArray[np.float64],
    up: NDArray[np.float64],
    step: float,
    scale: tuple[float, float],
    *,
    smooth: bool,
) -> AxesImage:
    """Levels as an image, a cell around each point; what lies below the scale is left white."""
    from matplotlib import colormaps

    low, high = scale
    shown = np.ma.masked_less(values, low) if not smooth else np.maximum(values, low - 10)
    half = step / 2
    extent = (float(across[0]) - half, float(across[-1]) + half, float(up[0]) - half, float(up[-1]) + half)
    image = axes.imshow(
        shown,
        origin="lower",
        extent=extent,
        vmin=low,
        vmax=high,
        cmap=colormaps[COLOUR_MAP].with_extremes(under=(1.0, 1.0, 1.0, 0.0)),
        interpolation="bicubic" if smooth else "nearest",
        aspect="equal",
    )
    # The grid lies beneath the sound, and shows where there is none.
    image.set_zorder(1)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors=INK, length=3)
    axes.grid(True, color=FAINT, linewidth=0.5)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    return image


def _crosses(axes: Axes, across: NDArray[np.float64], up: NDArray[np.float64]) -> None:
    left, right = sorted(axes.get_xlim())
    low, high = axes.get_ylim()
    inside = (across >= left) & (across <= right) & (up >= low) & (up <= high)
    axes.plot(across[inside], up[inside], "+", color="#0072B2", markersize=4, markeredgewidth=0.7, zorder=3)


def _rings(axes: Axes, shown: _Shown, place: Callable[[NDArray[np.float64]], tuple[float, float]]) -> None:
    """A ring with its level around each source; `place` says where a point (3,) is on the axes."""
    for source in shown.sound_map.sources(shown.band, at_most=_LABELLED):
        if source.level_db >= shown.scale[0]:
            _ring(axes, place(shown.sound_map.grid.points[source.point]), source.level_db)


def _ring(axes: Axes, place: tuple[float, float], level: float) -> None:
    from matplotlib.patheffects import withStroke

    outline = [withStroke(linewidth=2.4, foreground="white")]
    axes.plot(*place, "o", markersize=12, markerfacecolor="none", markeredgecolor=INK, zorder=4, path_effects=outline)
    # Near the right edge the label would run into the colour bar.
    first, last = axes.get_xlim()
    leftwards = (place[0] - first) / (last - first) > _EDGE
    axes.annotate(
        minus(f"{level:.1f}"),
        place,
        xytext=(-8 if leftwards else 8, 5),
        textcoords="offset points",
        ha="right" if leftwards else "left",
        fontsize=8,
        color=INK,
        zorder=5,
        path_effects=outline,
    )
