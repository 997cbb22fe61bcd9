"""The picture of a microphone array: where the microphones are, which file channel each one is, and where azimuth 0 points."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import FLAT, MicrophoneArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK = "#1f2328"
_FAINT = "#d0d4d9"
_MICROPHONE = "#0072B2"
_BELOW = "#9ecae1"
_ZERO = "#D55E00"


def array_figure(array: MicrophoneArray) -> Figure:
    """Draw an array from above and, where it has height, from the side.

    From above, x (front, azimuth 0) points up the page and y (left) to the left, as for a person who stands behind the
    device. Numbers are file channels counted from 1. The second panel looks from the right, or from behind where the array
    is wider than it is deep. Light marks are the microphones below the middle height (farther from the eye, from above).

    Args:
        array: what to draw.

    Returns:
        A matplotlib Figure, 15 cm wide or 26 cm with two panels; it touches no global state of matplotlib.
    """
    from matplotlib.figure import Figure

    spread = np.ptp(array.positions, axis=0)
    tall = bool(spread[2] > FLAT * array.aperture)
    figure = Figure(figsize=(10.2 if tall else 5.9, 6.2), facecolor="white")
    panels = figure.subplots(1, 2 if tall else 1, squeeze=False)[0]
    scale, unit = (1e3, "mm") if array.aperture < 0.3 else (1e2, "cm") if array.aperture < 3 else (1.0, "m")
    points = array.positions * scale
    reach = _reach(points, array.body_radius, scale)
    below = tall & (points[:, 2] < (points[:, 2].max() + points[:, 2].min()) / 2 - 1e-9)

    panels[0].set(xlim=(reach, -reach), ylim=(-reach, reach), xlabel=f"y, left ({unit})", ylabel=f"x, front ({unit})")
    _panel(panels[0], (points[:, 1], points[:, 0]), array, below, reach, scale)
    panels[0].set_title("from above", fontsize=10, color=_INK)
    _zero_arrow(panels[0], (0.0, reach), "azimuth 0°")
    panels[0].annotate("90°", (0.97 * reach, 0.03 * reach), ha="left", va="bottom", color=_ZERO, fontsize=9)
    if tall:
        _side_view(panels[1], points, array, reach, scale, unit, from_behind=bool(spread[1] > spread[0]))
    heading = f"{array.name}: {array.n_mics} microphones, aperture {array.aperture * scale:.3g} {unit}"
    figure.suptitle(heading, fontsize=12, color=_INK)
    words = f"Numbers are file channels. Azimuth 0: {array.zero_direction}."
    figure.text(0.5, 0.015, textwrap.fill(words, 120 if tall else 74), ha="center", va="bottom", fontsize=8.5, color=_INK)
    figure.subplots_adjust(left=0.07 if tall else 0.13, right=0.98, top=0.88, bottom=0.17, wspace=0.18)
    return figure


def _side_view(
    axes: Axes, points: NDArray[np.float64], array: MicrophoneArray, reach: float, scale: float, unit: str, *, from_behind: bool
) -> None:
    across = points[:, 1] if from_behind else points[:, 0]
    if from_behind:
        axes.set(xlim=(reach, -reach), xlabel=f"y, left ({unit})")
        axes.set_title("from behind, looking towards azimuth 0°", fontsize=10, color=_INK)
    else:
        axes.set(xlim=(-reach, reach), xlabel=f"x, front ({unit})")
        axes.set_title("from the right", fontsize=10, color=_INK)
        _zero_arrow(axes, (reach, 0.0), "azimuth 0°")
    axes.set(ylim=(-reach, reach), ylabel=f"z, up ({unit})")
    _panel(axes, (across, points[:, 2]), array, np.zeros(array.n_mics, dtype=bool), reach, scale)


def _panel(
    axes: Axes,
    points: tuple[NDArray[np.float64], NDArray[np.float64]],
    array: MicrophoneArray,
    below: NDArray[np.bool_],
    reach: float,
    scale: float,
) -> None:
    from matplotlib.patches import Circle
    from matplotlib.patheffects import withStroke

    axes.set_aspect("equal")
    axes.grid(color=_FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8.5, colors=_INK)
    for spine in axes.spines.values():
        spine.set_color(_FAINT)
    if array.body_radius is not None:
        axes.add_patch(Circle((0.0, 0.0), array.body_radius * scale, facecolor="#f4f4f2", edgecolor=_FAINT, linewidth=1.0))
    small = array.n_mics > 40
    order = np.argsort(~below, kind="stable")
    across, ahead = points
    colours = np.where(below[order], _BELOW, _MICROPHONE).tolist()
    axes.scatter(across[order], ahead[order], s=24 if small else 46, c=colours, edgecolors="white", zorder=3)
    offset = 4.0 if small else 6.5
    across, ahead = points
    for group in _together(points, 0.02 * reach):
        x, y = float(across[group].mean()), float(ahead[group].mean())
        # Labels lie outwards of their marks, on the page, where y grows to the left.
        away = np.array([-x if axes.xaxis_inverted() else x, y]) / max(np.hypot(x, y), 0.03 * reach)
        if np.hypot(*away) < 0.99:
            away = np.array([-0.7, -0.7])
        axes.annotate(
            ", ".join(str(array.file_channels[mic]) for mic in group), (x, y), xytext=tuple(offset * away),
            textcoords="offset points", ha=_aligned(away[0], "right", "left"), va=_aligned(away[1], "top", "bottom"),
            fontsize=6.5 if small else 8.5 if array.n_mics > 12 else 10, color=_INK, zorder=4,
            path_effects=[withStroke(linewidth=2.0, foreground="white")],
        )  # fmt: skip


def _aligned(away: float, before: str, after: str) -> str:
    return "center" if abs(away) < 0.35 else after if away > 0 else before


def _together(points: Sequence[NDArray[np.float64]], distance: float) -> list[list[int]]:
    """Microphones that this view shows in one place, so that one label names them all."""
    groups: list[list[int]] = []
    for mic, place in enumerate(zip(*points, strict=True)):
        for group in groups:
            if np.hypot(points[0][group[0]] - place[0], points[1][group[0]] - place[1]) < distance:
                group.append(mic)
                break
        else:
            groups.append([mic])
    return groups


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


def _reach(points: NDArray[np.float64], body_radius: float | None, scale: float) -> float:
    return 1.45 * max(float(np.abs(points).max()), (body_radius or 0.0) * scale) or 1.0
