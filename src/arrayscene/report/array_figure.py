"""The picture of a microphone array: where the microphones are, which file channel each one is, and where azimuth 0 points."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray
from arrayscene.array_measures import FLAT
from arrayscene.report.drawing import FAINT, INK
from arrayscene.report.palette import source_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BODY = "#f4f4f2"
_FAR = 0.35
_ZERO = "#D55E00"

_CROWD = 12
"""Microphones above which the views of an array in space label only what is near the eye, and a map names every microphone."""


def array_figure(array: MicrophoneArray) -> Figure:
    """Draw an array from above, where it has height also from the side, and where it has many microphones as a map.

    From above, x (front, azimuth 0) points up the page and y (left) to the left, as for a person who stands behind the
    device. Numbers are file channels counted from 1. The second panel looks from the right, or from behind where the array
    is wider than it is deep. Light marks are the microphones in the half farther from the eye. Strokes are the axes of
    directional microphones; colours are sub-arrays.

    Args:
        array: what to draw.

    Returns:
        A matplotlib Figure, 15 cm wide or 26 cm with several panels; it touches no global state of matplotlib.
    """
    from matplotlib.figure import Figure

    spread = np.ptp(array.positions, axis=0)
    tall = bool(spread[2] > FLAT * array.aperture)
    crowded = tall and array.n_mics > _CROWD
    figure = Figure(figsize=(10.2 if tall else 5.9, 10.4 if crowded else 6.2), facecolor="white")
    grid = figure.add_gridspec(2 if crowded else 1, 2 if tall else 1, height_ratios=[1.0, 0.72] if crowded else None)
    scale, unit = (1e3, "mm") if array.aperture < 0.3 else (1e2, "cm") if array.aperture < 3 else (1.0, "m")
    view = _View(array, scale, crowded)

    above = figure.add_subplot(grid[0, 0])
    above.set(xlim=(view.reach, -view.reach), ylim=(-view.reach, view.reach))
    above.set(xlabel=f"y, left ({unit})", ylabel=f"x, front ({unit})")
    view.draw(above, (1, 0), toward=2)
    above.set_title("from above", fontsize=10, color=INK)
    _zero_arrow(above, (0.0, view.reach), "azimuth 0°")
    above.annotate("90°", (0.97 * view.reach, 0.03 * view.reach), ha="left", va="bottom", color=_ZERO, fontsize=9)
    if tall:
        side = figure.add_subplot(grid[0, 1])
        _side_view(side, view, unit, from_behind=bool(spread[1] > spread[0]))
    if crowded:
        _map(figure.add_subplot(grid[1, :]), view, unit)
    heading = f"{array.name}: {array.n_mics} microphones, aperture {array.aperture * scale:.3g} {unit}"
    figure.suptitle(heading, fontsize=12, color=INK)
    words = f"Numbers are file channels. Azimuth 0: {array.zero_direction}."
    if crowded:
        words = f"Numbers are file channels; the map has all of them. Azimuth 0: {array.zero_direction}."
    figure.text(0.5, 0.015, textwrap.fill(words, 120 if tall else 74), ha="center", va="bottom", fontsize=8.5, color=INK)
    figure.subplots_adjust(
        left=0.07 if tall else 0.13, right=0.98, top=0.93 if crowded else 0.88, bottom=0.1 if crowded else 0.17,
        wspace=0.18, hspace=0.2,
    )  # fmt: skip
    return figure


class _View:
    """What all views of one array share: its points in the unit of the page, its colours, its size."""

    def __init__(self, array: MicrophoneArray, scale: float, crowded: bool) -> None:
        self.array, self.scale, self.crowded = array, scale, crowded
        self.points = array.positions * scale
        self.colours = [source_colour(block).fill for block in array.blocks or (1,) * array.n_mics]
        self.radius = (array.body_radius or 0.0) * scale
        self.reach = 1.45 * max(float(np.abs(self.points).max()), self.radius) or 1.0

    def draw(self, axes: Axes, shown: tuple[int, int], toward: int, sign: float = 1.0) -> None:
        """One view onto the plane of two coordinates; the third, times `sign`, grows towards the eye."""
        axes.set_aspect("equal")
        axes.grid(color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=8.5, colors=INK)
        for spine in axes.spines.values():
            spine.set_color(FAINT)
        self._draw_body(axes, upright=toward != 2)
        depth = sign * self.points[:, toward]
        # In a flat view nothing is far.
        far = (np.ptp(depth) > FLAT * self.array.aperture * self.scale) & (depth < (depth.max() + depth.min()) / 2 - 1e-9)
        across, ahead = self.points[:, shown[0]], self.points[:, shown[1]]
        self._draw_axes(axes, across, ahead, shown, far)
        # The far ones first, so that they lie beneath the near ones.
        for half, alpha in ((far, _FAR), (~far, 1.0)):
            colours = [self.colours[mic] for mic in np.flatnonzero(half)]
            size = 24 if self.array.n_mics > 40 else 46
            axes.scatter(across[half], ahead[half], s=size, c=colours, alpha=alpha, edgecolors="white", zorder=3)
        labelled = [mic for mic in range(self.array.n_mics) if not (self.crowded and far[mic])]
        self.label(axes, (across, ahead), labelled, apart=0.05 * self.reach, centre=0.03 * self.reach)

    def label(
        self,
        axes: Axes,
        points: tuple[NDArray[np.float64], NDArray[np.float64]],
        labelled: Sequence[int],
        apart: float,
        centre: float,
    ) -> None:
        """Number the microphones, outwards of their marks on the page; those nearer than `apart` share a label."""
        from matplotlib.patheffects import withStroke

        across, ahead = points
        size = 6.5 if self.array.n_mics > 40 else 8.5 if self.array.n_mics > 12 else 10
        for group in _together(points, labelled, apart):
            x, y = float(across[group].mean()), float(ahead[group].mean())
            away = np.array([-x if axes.xaxis_inverted() else x, y]) / max(np.hypot(x, y), centre)
            if np.hypot(*away) < 0.99:
                away = np.array([-0.7, -0.7])
            if self.array.directivity is not None and any(self.array.directivity[mic] < 1 for mic in group):
                # Mostly the stroke of its axis is there.
                away = -away
            # The label of several microphones stands clear of the outermost.
            offset = (4.0 if self.array.n_mics > 40 else 6.5) * (1.0 if len(group) == 1 else 1.6)
            axes.annotate(
                _numbers([self.array.file_channels[mic] for mic in group]), (x, y), xytext=tuple(offset * away),
                textcoords="offset points", ha=_aligned(away[0], "right", "left"), va=_aligned(away[1], "top", "bottom"),
                fontsize=size, color=INK, zorder=4, path_effects=[withStroke(linewidth=2.0, foreground="white")],
            )  # fmt: skip

    def _draw_body(self, axes: Axes, upright: bool) -> None:
        from matplotlib.patches import Circle

        if not self.radius:
            return
        if upright and self.array.body_shape == "cylinder":
            axes.axvspan(-self.radius, self.radius, facecolor=_BODY, edgecolor=FAINT, linewidth=1.0, zorder=0)
        else:
            axes.add_patch(Circle((0.0, 0.0), self.radius, facecolor=_BODY, edgecolor=FAINT, linewidth=1.0))

    def _draw_axes(
        self,
        axes: Axes,
        across: NDArray[np.float64],
        ahead: NDArray[np.float64],
        shown: tuple[int, int],
        far: NDArray[np.bool_],
    ) -> None:
        if self.array.directivity is None or self.array.orientations is None:
            return
        strokes = 0.16 * self.reach * self.array.orientations[:, shown]
        for mic, p in enumerate(self.array.directivity):
            if p < 1:
                tip = (across[mic] + strokes[mic, 0], ahead[mic] + strokes[mic, 1])
                axes.plot(
                    [across[mic], tip[0]], [ahead[mic], tip[1]], color=self.colours[mic], linewidth=1.3, solid_capstyle="round",
                    alpha=_FAR if far[mic] else 1.0, zorder=2,
                )  # fmt: skip


def _side_view(axes: Axes, view: _View, unit: str, *, from_behind: bool) -> None:
    reach = view.reach
    if from_behind:
        axes.set(xlim=(reach, -reach), xlabel=f"y, left ({unit})")
        axes.set_title("from behind, looking towards azimuth 0°", fontsize=10, color=INK)
        view.draw(axes, (1, 2), toward=0, sign=-1.0)
    else:
        axes.set(xlim=(-reach, reach), xlabel=f"x, front ({unit})")
        axes.set_title("from the right", fontsize=10, color=INK)
        view.draw(axes, (0, 2), toward=1, sign=-1.0)
        _zero_arrow(axes, (reach, 0.0), "azimuth 0°")
    axes.set(ylim=(-reach, reach), ylabel=f"z, up ({unit})")


def _map(axes: Axes, view: _View, unit: str) -> None:
    """Every microphone by its direction from the middle: azimuth, and elevation or, around a cylinder, height."""
    array = view.array
    middle = np.zeros(3) if array.body_radius is not None else view.points.mean(axis=0)
    x, y, z = (view.points - middle).T
    azimuth = np.rad2deg(np.arctan2(y, x))
    flat = np.hypot(x, y)
    upright = array.body_radius is not None and array.body_shape == "cylinder"
    height = z if upright else np.rad2deg(np.arctan2(z, flat))
    axes.scatter(azimuth, height, s=24 if array.n_mics > 40 else 46, c=view.colours, edgecolors="white", zorder=3)
    lowest, highest = (float(height.min()), float(height.max())) if upright else (-90.0, 90.0)
    margin = 0.12 * (highest - lowest)
    axes.set(xlim=(190, -190), ylim=(lowest - margin, highest + margin), xticks=range(-180, 181, 45))
    axes.set(xlabel="azimuth (degrees)", ylabel=f"z, up ({unit})" if upright else "elevation (degrees)")
    if not upright:
        axes.set(yticks=range(-90, 91, 30))
    axes.set_title("map: all microphones, seen from the middle", fontsize=10, color=INK)
    axes.grid(color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.axvline(0.0, color=_ZERO, linewidth=1.0, zorder=1)
    axes.tick_params(labelsize=8.5, colors=INK)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    for group in _together((azimuth, height * 180 / (highest - lowest)), range(array.n_mics), 4.0):
        words = _numbers([array.file_channels[mic] for mic in group])
        place = (float(azimuth[group].mean()), float(height[group].mean()))
        axes.annotate(words, place, xytext=(0, 5), textcoords="offset points", ha="center", va="bottom", fontsize=8, color=INK)


def _aligned(away: float, before: str, after: str) -> str:
    return "center" if abs(away) < 0.35 else after if away > 0 else before


def _together(points: Sequence[NDArray[np.float64]], mics: Sequence[int], distance: float) -> list[list[int]]:
    """Microphones that a view shows so near to each other that one label names them all."""
    places = np.column_stack(points)
    groups: list[list[int]] = []
    for mic in mics:
        near = [group for group in groups if np.linalg.norm(places[group] - places[mic], axis=1).min() < distance]
        groups = [group for group in groups if group not in near]
        groups.append([member for group in near for member in group] + [mic])
    return groups


def _numbers(channels: Sequence[int]) -> str:
    """1, 2, 5-8: runs of three and more in short."""
    runs: list[list[int]] = []
    for channel in sorted(channels):
        if runs and channel == runs[-1][-1] + 1:
            runs[-1].append(channel)
        else:
            runs.append([channel])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def _zero_arrow(axes: Axes, tip: tuple[float, float], words: str) -> None:
    axes.annotate(
        "", xy=(0.98 * tip[0], 0.98 * tip[1]), xytext=(0.8 * tip[0], 0.8 * tip[1]),
        arrowprops={"arrowstyle": "-|>", "color": _ZERO, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}, zorder=2,
    )  # fmt: skip
    sideways = tip[0] != 0.0
    axes.annotate(
        words, (0.9 * tip[0], 0.9 * tip[1]), xytext=(8, 10) if sideways else (6, 0), textcoords="offset points",
        ha="right" if sideways else "left", va="center", color=_ZERO, fontsize=9,
    )  # fmt: skip
