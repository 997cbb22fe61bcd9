"""Where an array looks, and a grid in front of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray
from arrayscene.imaging.grids import MapGrid

WIDTH = 1.4
"""Side of the square in front of an array over its distance: 35 degrees to either side."""

STEPS = 40
"""Steps along that side."""


def looks_towards(array: MicrophoneArray) -> NDArray[np.float64]:
    """(3,) unit vector: at right angles to a flat array, to the front where it has one, else upwards; x for any other array."""
    if array.ambiguity != "mirror":
        return np.array([1.0, 0.0, 0.0])
    centred = array.positions - array.positions.mean(axis=0)
    normal = np.round(np.linalg.svd(centred)[2][2], 9)
    side = 1.0 if normal @ [1.0, 1e-3, 1e-6] >= 0 else -1.0
    return np.asarray(side * normal / np.linalg.norm(normal))


def plane_in_front(array: MicrophoneArray, distance: float, step: float | None = None) -> MapGrid:
    """A square plane before an array, as wide as it sees well.

    Args:
        array: which may lie flat and look upwards, as acoular's do, or stand.
        distance: metres from the array's origin.
        step: metres from point to point; a fortieth of the side if None.

    Raises: GeometryError for a distance or step that is not positive.
    """
    towards, half = looks_towards(array), WIDTH * distance / 2
    increment = 2 * half / STEPS if step is None else step
    if towards[2] > 0.999:
        return MapGrid.plane((-half, half), (-half, half), distance, increment)
    return MapGrid.facing(distance * towards, 2 * half, 2 * half, increment)
