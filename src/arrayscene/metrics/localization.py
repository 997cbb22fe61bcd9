"""Errors of directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def angular_error(
    azimuth: ArrayLike, elevation: ArrayLike, true_azimuth: ArrayLike, true_elevation: ArrayLike
) -> NDArray[np.float64]:
    """Angle between two directions on the sphere (great circle).

    tan(angle) = |u x v| / (u . v) with u, v the unit vectors of both directions; unlike the arc cosine of u . v it stays exact
    near 0 and pi.

    Target: the true direction from the array's origin to the source.

    Args:
        azimuth: radians; all four of any shapes that broadcast.
        elevation: radians.
        true_azimuth: radians.
        true_elevation: radians.

    Returns:
        radians in [0, pi], of the broadcast shape.

    Cost: negligible.

    Reference: K. Gade, "A non-singular horizontal position representation", Journal of Navigation 63(3), 2010.
    """
    estimate, truth = np.broadcast_arrays(_unit(azimuth, elevation), _unit(true_azimuth, true_elevation))
    across = np.linalg.norm(np.cross(estimate, truth), axis=-1)
    along = np.sum(estimate * truth, axis=-1)
    return np.asarray(np.arctan2(across, along))


def _unit(azimuth: ArrayLike, elevation: ArrayLike) -> NDArray[np.float64]:
    """(..., 3) unit vectors."""
    azimuth, elevation = np.broadcast_arrays(np.asarray(azimuth, np.float64), np.asarray(elevation, np.float64))
    return np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=-1)
