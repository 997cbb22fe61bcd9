"""The direction that a flat or straight array cannot tell from the one it reports."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]

_UPRIGHT = 1e-3
"""Horizontal part of a unit axis below which a line of microphones counts as vertical (0.06 degrees)."""


def mirror_direction(
    positions: FloatArray, azimuth: float, elevation: float | None, ambiguity: str
) -> tuple[float, float] | None:
    """Mirror image of a direction that gives the array the same delays.

    Planar array ("mirror"): d' = d - 2 (d . n) n with n the normal of the plane. Line array ("cone"): of all
    directions on the cone about the axis, the reflection across the vertical plane through the axis, which keeps the elevation.

    Args:
        positions: (mic, 3) metres.
        azimuth: radians.
        elevation: radians; None counts as the horizon.
        ambiguity: "none", "mirror" or "cone".

    Returns:
        (azimuth, elevation) in radians, azimuth in (-pi, pi]; None when nothing is ambiguous or when the line is vertical,
        where every azimuth is equally possible.
    """
    if ambiguity not in ("mirror", "cone"):
        return None
    centred = np.asarray(positions, dtype=np.float64) - np.mean(positions, axis=0)
    principal = np.linalg.svd(centred, full_matrices=True)[2]
    up = elevation or 0.0
    if ambiguity == "mirror":
        normal = principal[2]
    else:
        axis = principal[0]
        if math.hypot(axis[0], axis[1]) < _UPRIGHT:
            return None
        normal = np.array([-axis[1], axis[0], 0.0]) / math.hypot(axis[0], axis[1])
    towards = np.array([math.cos(up) * math.cos(azimuth), math.cos(up) * math.sin(azimuth), math.sin(up)])
    image = towards - 2.0 * (towards @ normal) * normal
    mirrored = math.atan2(image[1], image[0])
    return (math.pi if mirrored == -math.pi else mirrored), math.asin(float(np.clip(image[2], -1.0, 1.0)))
