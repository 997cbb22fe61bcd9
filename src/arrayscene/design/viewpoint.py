"""Directions that an array is judged in: where it looks, the circle through that, and what it takes for one another."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray
from arrayscene.array_measures import FLAT
from arrayscene.localize.grid import to_angles

Vectors = NDArray[np.float64]

FRONT, LEFT, UP = np.eye(3)

CONE_STEP = 20.0
"""Degrees between the directions that stand for a cone."""

_NAMES = {"the front": FRONT, "the left": LEFT, "straight up": UP, "the back": -FRONT, "the right": -LEFT, "straight down": -UP}


class View(NamedTuple):
    """A circle of directions.

    Attributes:
        ahead: (3,) unit vector at angle 0, the looking direction.
        side: (3,) unit vector at angle 90 degrees.
    """

    ahead: Vectors
    side: Vectors

    def circle(self, angles: NDArray[np.float64]) -> Vectors:
        """(angle, 3) unit vectors at `angles`, radians from `ahead` towards `side`."""
        return np.cos(angles)[:, None] * self.ahead + np.sin(angles)[:, None] * self.side

    def along(self, angles: NDArray[np.float64]) -> Vectors:
        """(angle, 3) unit vectors of growing angle, tangents of the circle."""
        return np.cos(angles)[:, None] * self.side - np.sin(angles)[:, None] * self.ahead

    def across(self) -> View:
        """The circle through `ahead` at a right angle to this one."""
        return View(self.ahead, np.cross(self.ahead, self.side))

    def in_words(self) -> str:
        """What the angles mean."""
        return f"0° is {_direction_in_words(self.ahead)}, 90° {_direction_in_words(self.side)}"


HORIZON = View(FRONT, LEFT)


def facing(array: MicrophoneArray) -> View:
    """The view of an array that is turned to its scene: square to its plane or line; to the front where it has neither.

    Of a plane's two sides the one that looks more to the front, or up for a level array.
    """
    if array.axes_rank == 3:
        return HORIZON
    axes = principal_axes(array.positions)
    if array.axes_rank == 2:
        ahead = axes[2] if axes[2] @ (FRONT + 0.1 * UP + 0.01 * LEFT) > 0 else -axes[2]
        return View(ahead, _square_to(ahead, LEFT, FRONT))
    ahead = _square_to(axes[0], FRONT, LEFT)
    return View(ahead, axes[0] if axes[0] @ (LEFT + 0.1 * UP + 0.01 * FRONT) > 0 else -axes[0])


def tangents(toward: Vectors) -> Vectors:
    """(2, source, 3) two directions in which (source, 3) directions can move, perpendicular to them and to each other."""
    pole = np.where(np.abs(toward[:, 2:]) < 0.9, UP, FRONT)
    first = np.cross(pole, toward)
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    return np.stack([first, np.cross(toward, first)])


def doubles(array: MicrophoneArray, toward: Vectors, *, level: bool = False) -> Vectors:
    """(double, source, 3) directions whose delays are those of (source, 3) directions: their images on the cone or in the mirror.

    Args:
        array: microphones; a cone is stood for by turns of `CONE_STEP`.
        toward: (source, 3) unit vectors.
        level: whether all sources are known to be level with the array, so that only azimuths can be doubles.
    """
    positions = array.positions * (1.0, 1.0, 0.0) if level else array.positions
    axes = principal_axes(positions)
    rank = int(np.count_nonzero(np.ptp(positions @ axes.T, axis=0) > FLAT * array.aperture))
    if rank == 3 or (level and rank == 2):
        return np.empty((0, *toward.shape))
    if rank == 2 or (level and rank == 1):
        normal = np.cross(UP, axes[0]) if level else axes[2]
        return (toward - 2 * (toward @ normal)[:, None] * normal)[None]
    line = UP if level else axes[0]
    beside = toward - (toward @ line)[:, None] * line
    turned = np.cross(line, beside)
    turns = np.radians(np.arange(CONE_STEP, 360.0, CONE_STEP))[:, None, None]
    return np.asarray(toward - beside + np.cos(turns) * beside + np.sin(turns) * turned)


def principal_axes(positions: Vectors) -> Vectors:
    """(3, 3) unit vectors, rows, by falling extent of the array along them."""
    return np.asarray(np.linalg.svd(positions - positions.mean(axis=0), full_matrices=True)[2])


def _square_to(axis: Vectors, wanted: Vectors, otherwise: Vectors) -> Vectors:
    """The unit vector perpendicular to `axis` that is nearest to `wanted`, or to `otherwise` where that is along `axis`."""
    chosen = wanted if abs(wanted @ axis) < 0.9 else otherwise
    square = chosen - (chosen @ axis) * axis
    return np.asarray(square / np.linalg.norm(square))


def _direction_in_words(vector: Vectors) -> str:
    for name, axis in _NAMES.items():
        if vector @ axis > math.cos(math.radians(2.0)):
            return name
    azimuth, elevation = (math.degrees(float(angle)) for angle in to_angles(vector))
    return f"azimuth {azimuth:.0f}°, elevation {elevation:.0f}°".replace("-", "\N{MINUS SIGN}")
