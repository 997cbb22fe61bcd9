"""What the pictures of a comparison share: line styles, octaves, circles of directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.design.compare import Entry
from arrayscene.design.purposes import Purpose

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMALL = 8.0

# Told apart in grey as well.
DASHES: tuple[Any, ...] = (
    "-", (0, (6, 2)), (0, (2, 1.3)), (0, (7, 2, 1.5, 2)), (0, (1, 1)), (0, (10, 2)), (0, (4, 1, 1, 1, 1, 1)),
)  # fmt: skip


def title(entry: Entry) -> str:
    """Number and label, shortened, with nothing that matplotlib would take for a formula."""
    label = entry.label if len(entry.label) <= 24 else entry.label[:23] + "…"
    return f"{entry.number}  {label}".replace("$", r"\$")


def dashes(entry: Entry) -> Any:
    """The line style of an array."""
    return DASHES[(entry.number - 1) % len(DASHES)]


def octaves(purpose: Purpose) -> Sequence[float]:
    """Octaves on the axes of a purpose, hertz."""
    return [hertz for hertz in (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0) if hertz >= purpose.shown[0]]


def short(hertz: float) -> str:
    """125, 1k: for axes in hertz."""
    return f"{hertz:.0f}" if hertz < 1000 else f"{hertz / 1000:g}k"


def round_curve(axes: Axes, angles: NDArray[np.float64], radius: NDArray[np.float64], **style: Any) -> None:
    """A closed curve around the middle: radius 0 to 1 over angles from the top, counter-clockwise."""
    away = np.clip(np.append(radius, radius[0]), 0.0, 1.0)
    turn = np.append(angles, angles[0])
    axes.plot(-away * np.sin(turn), away * np.cos(turn), zorder=3, solid_joinstyle="round", **style)


def signed(degrees: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Angles from -180 to 180 with both ends, and the order in which values of 0 to 360 degrees belong to all but the last."""
    order = np.argsort((degrees + 180.0) % 360.0)
    first = (degrees[order] + 180.0) % 360.0 - 180.0
    return np.append(first, first[0] + 360.0), order


def decibels(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power in dB."""
    return np.asarray(10 * np.log10(np.maximum(power, 1e-9)))
