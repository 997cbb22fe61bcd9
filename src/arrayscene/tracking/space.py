"""Where directions live: the sphere, a circle or half of one, and how to move on it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.localize import Grid
from arrayscene.localize.grid import to_vectors

FloatArray = NDArray[np.floating[Any]]


class Space(NamedTuple):
    """The unit vectors that an array can tell apart: those in a subspace, on one side of a plane if it mirrors.

    Attributes:
        span: (k, 3) orthonormal rows: all of space for the sphere, a plane for a circle.
        side: (3,) unit vector; directions against it look like their mirror images with it, which is kept. None: no mirror.
        measure: radians of the circle or steradians of the sphere that are left.
    """

    span: FloatArray
    side: FloatArray | None
    measure: float

    @property
    def n_tangents(self) -> int:
        """Ways to move: 2 on a sphere, 1 on a circle."""
        return len(self.span) - 1

    def project(self, vectors: FloatArray) -> FloatArray:
        """(..., 3) the nearest directions of the space to these vectors."""
        inside = vectors @ self.span.T @ self.span
        length = np.linalg.norm(inside, axis=-1, keepdims=True)
        # What stands at right angles to a plane has no direction in it; any one does.
        inside = np.where(length > 1e-9, inside / np.maximum(length, 1e-9), self.span[0])
        return np.asarray(inside if self.side is None else inside - 2 * np.minimum(inside @ self.side, 0)[..., None] * self.side)

    def tangents(self, vectors: FloatArray) -> FloatArray:
        """(..., k - 1, 3) an orthonormal basis of the ways to move from each direction: east, and where there is one, north."""
        if self.n_tangents == 1:
            first, second = self.span
            return np.asarray((vectors @ first)[..., None] * second - (vectors @ second)[..., None] * first)[..., None, :]
        # Near the poles east is nowhere; then any axis does.
        axis = np.where(np.abs(vectors[..., 2:]) < 0.99, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
        east = np.cross(axis, vectors)
        east /= np.linalg.norm(east, axis=-1, keepdims=True)
        return np.stack([east, np.cross(vectors, east)], axis=-2)


def space_of(grid: Grid) -> Space:
    """The space in which the directions of a grid differ."""
    vectors = to_vectors(grid.azimuth, grid.elevation)
    if not grid.elevation_known and grid.embedding.shape[1] == 2:
        return Space(np.eye(3)[:2], None, 2 * math.pi)
    if grid.embedding.shape[1] == 1:
        # A half circle from one end of the line to the other; its middle faces away from the line.
        middle = vectors[np.abs(grid.embedding[:, 0]).argmin()]
        end = vectors[grid.embedding[:, 0].argmax()]
        end = end - (end @ middle) * middle
        return Space(np.stack([middle, end / np.linalg.norm(end)]), middle, math.pi)
    mean = vectors.mean(axis=0)
    length = float(np.linalg.norm(mean))
    # Half a sphere has its centre of mass half a radius from the middle, a whole one in the middle.
    if length > 0.25:
        return Space(np.eye(3), mean / length, 2 * math.pi)
    return Space(np.eye(3), None, 4 * math.pi)


def move(vectors: FloatArray, basis: FloatArray, steps: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Go along great circles, and carry the basis along (parallel transport).

    Args:
        vectors: (..., 3) unit vectors.
        basis: (..., d, 3) orthonormal tangents.
        steps: (..., d) radians in that basis.
    """
    way = np.einsum("...d,...dx->...x", steps, basis)
    angle = np.linalg.norm(way, axis=-1, keepdims=True)
    ahead = way / np.maximum(angle, 1e-12)
    sine, cosine = np.sin(angle), np.cos(angle)
    along = np.einsum("...dx,...x->...d", basis, ahead)
    turn = -sine * vectors + (cosine - 1) * ahead
    return cosine * vectors + sine * ahead, basis + along[..., None] * turn[..., None, :]


def steps_to(vectors: FloatArray, basis: FloatArray, targets: FloatArray) -> FloatArray:
    """(..., d) radians in the basis that lead from unit vectors to others along great circles; the inverse of `move`."""
    along = np.sum(vectors * targets, axis=-1, keepdims=True)
    across = targets - along * vectors
    length = np.linalg.norm(across, axis=-1, keepdims=True)
    angle = np.arctan2(length, along)
    return np.asarray(np.einsum("...dx,...x->...d", basis, across * (angle / np.maximum(length, 1e-12))))
