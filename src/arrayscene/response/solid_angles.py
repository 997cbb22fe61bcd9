"""How much of the sphere each of several directions stands for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import SphericalVoronoi

FLAT = 1e-3
"""Thickness of a set of directions, relative to its width, below which it lies in a plane."""


def solid_angles(vectors: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], float]:
    """Share of the sphere that is nearer to each unit vector (direction, 3) than to the others, and the widest gap.

    The shares (direction,) add up to 1; vectors that coincide, as at the pole of a grid in azimuth and elevation, divide theirs.
    The gap is the angle, in radians, from the place on the sphere that is farthest from all directions to the nearest of them;
    infinite, with equal shares, where fewer than four directions came or all lie in a plane.

    Cost: O(direction^2) for the gap.
    """
    points, which, counts = np.unique(np.round(vectors, 9), axis=0, return_inverse=True, return_counts=True)
    extents = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if len(points) < 4 or extents[-1] < FLAT * extents[0]:
        return np.full(len(vectors), 1 / len(vectors)), math.inf
    cells = SphericalVoronoi(points / np.linalg.norm(points, axis=1, keepdims=True), threshold=1e-8)
    shares = (cells.calculate_areas() / counts)[which.ravel()]
    # The corners of the cells are the places farthest from all directions.
    nearest = (cells.vertices @ cells.points.T).max(axis=1)
    return shares / shares.sum(), float(np.arccos(np.clip(nearest.min(), -1, 1)))
