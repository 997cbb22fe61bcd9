"""Directions to look in: only those that the array can tell apart."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.arguments import check_kind
from arrayscene.array import MicrophoneArray
from arrayscene.array_points import fibonacci_sphere
from arrayscene.errors import GeometryError

FloatArray = NDArray[np.floating[Any]]

AZIMUTH_STEP = np.deg2rad(2.0)
ELEVATIONS = np.deg2rad([0.0, 15.0, 30.0, 45.0, 60.0])
NEARLY_FLAT = 0.3
"""Height of an array, relative to its width, below which it tells elevation no better than a flat one."""

SPHERE_POINTS = 2600
"""Near-uniform points on the whole sphere: about 4 degrees apart."""


class Grid(NamedTuple):
    """Directions, and where they lie as the array sees them.

    Attributes:
        azimuth, elevation: (direction,) radians.
        embedding: (direction, k) coordinates, of modulus up to 1, whose distance says how different two directions are to this
            array.
        azimuth_known, elevation_known: whether the data can tell that angle; what they cannot tell is taken as 0.
        cells: (direction,) how much of the embedding each direction stands for, relative to others; None where all are alike.
    """

    azimuth: FloatArray
    elevation: FloatArray
    embedding: FloatArray
    azimuth_known: bool = True
    elevation_known: bool = True
    cells: FloatArray | None = None


def direction_grid(array: MicrophoneArray) -> Grid:
    """The directions that `array` can tell apart.

    A line of microphones gets a half circle in the horizontal plane, in front of it where it has a front (of each cone of
    directions around the line one is kept); a flat array gets the half sphere on its upper or front side; any other array the
    whole sphere. A flat array that lies level resolves azimuth well and elevation badly, so there directions differ by azimuth
    alone.

    Raises: GeometryError for an array of one microphone.
    """
    check_kind("directions", array, MicrophoneArray, "a MicrophoneArray, such as MicrophoneArray.preset('respeaker-usb-4'),")
    if array.ambiguity == "all":
        raise GeometryError(f"array {array.name!r} has one microphone; directions need at least two")
    axes, extents = _principal_axes(array.positions)
    if array.ambiguity == "cone":
        return _half_circle(axes[0])
    normal = axes[2]
    if extents[2] < NEARLY_FLAT and abs(normal[2]) > 0.9:
        return _rings()
    if array.ambiguity == "mirror":
        # Of the two sides of an upright array, the one towards the front.
        side = normal if normal @ [1.0, 1e-3, 1e-6] >= 0 else -normal
        points = fibonacci_sphere(SPHERE_POINTS)
        points = points[points @ side >= 0]
        return Grid(*to_angles(points), embedding=points @ axes[:2].T, cells=points @ side)
    points = fibonacci_sphere(SPHERE_POINTS)
    # Along an axis in which the array is short, delays and so directions differ less.
    # An element of the sphere with the normal n is squeezed to det(E) |E^-1 n| of it by the extents E.
    cells = np.linalg.norm(points @ (axes / extents[:, None]).T, axis=1) * np.prod(extents)
    return Grid(*to_angles(points), embedding=points @ (axes * extents[:, None]).T, cells=cells)


def with_zenith(grid: Grid) -> Grid:
    """The grid of a level array with straight up as one more direction, the last: sound from there differs from all azimuths."""
    return grid._replace(
        azimuth=np.append(grid.azimuth, 0.0),
        elevation=np.append(grid.elevation, np.pi / 2),
        embedding=np.concatenate([grid.embedding, np.zeros_like(grid.embedding[:1])]),
    )


def embed(grid: Grid, azimuth: float, elevation: float) -> FloatArray:
    """(k,) embedding of a direction in radians: that of the grid's nearest direction."""
    return np.asarray(grid.embedding[nearest_index(grid, azimuth, elevation)])


def nearest_index(grid: Grid, azimuth: float, elevation: float) -> int:
    """Of the grid's direction that is nearest to one in radians."""
    cosines = to_vectors(grid.azimuth, grid.elevation) @ to_vectors(np.asarray(azimuth), np.asarray(elevation))
    return int(np.argmax(cosines))


def to_vectors(azimuth: FloatArray, elevation: FloatArray) -> FloatArray:
    """(..., 3) unit vectors of directions in radians."""
    return np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=-1)


def to_angles(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Azimuth and elevation in radians of vectors (..., 3) of any length."""
    return np.arctan2(vectors[..., 1], vectors[..., 0]), np.arctan2(vectors[..., 2], np.hypot(vectors[..., 0], vectors[..., 1]))


def _principal_axes(positions: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(3, 3) unit vectors, rows by falling extent of the array along them, and (3,) those extents relative to the largest."""
    _, extents, axes = np.linalg.svd(positions - positions.mean(axis=0), full_matrices=True)
    return np.asarray(axes), np.asarray(np.pad(extents, (0, 3 - len(extents))) / extents[0])


def _rings() -> Grid:
    azimuth = np.arange(-np.pi + AZIMUTH_STEP, np.pi + 1e-9, AZIMUTH_STEP)
    azimuth, elevation = (part.ravel() for part in np.meshgrid(azimuth, ELEVATIONS, indexing="ij"))
    # In a room the best elevation of a small level array is biased towards the middle of the range: it only takes up mismatch.
    return Grid(azimuth, elevation, np.stack([np.cos(azimuth), np.sin(azimuth)], axis=-1), elevation_known=False)


def _half_circle(axis: FloatArray) -> Grid:
    if abs(axis[2]) > 0.9:
        elevation = np.arange(-np.pi / 2, np.pi / 2 + 1e-9, AZIMUTH_STEP / 2)
        sine = np.sin(elevation)[:, None]
        return Grid(np.zeros_like(elevation), elevation, sine, azimuth_known=False, cells=np.cos(elevation))
    broadside = np.arctan2(axis[1], axis[0]) - np.pi / 2
    # Of the two half circles the one with more of the front, or of the left where the line points to the front.
    if np.cos(broadside) < -1e-9 or (abs(np.cos(broadside)) <= 1e-9 and np.sin(broadside) < 0):
        broadside += np.pi
    azimuth = broadside + np.arange(-np.pi / 2, np.pi / 2 + 1e-9, AZIMUTH_STEP / 2)
    azimuth = np.arctan2(np.sin(azimuth), np.cos(azimuth))
    vectors = to_vectors(azimuth, np.zeros_like(azimuth))
    along = vectors @ axis
    cells = np.sqrt(np.clip(1 - along**2, 0, None))
    return Grid(azimuth, np.zeros_like(azimuth), along[:, None], elevation_known=False, cells=cells)
