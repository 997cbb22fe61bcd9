"""Transfer functions from the points of a grid to the microphones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import GeometryError
from arrayscene.imaging.grids import MapGrid
from arrayscene.kernels.spherical import spherical_waves
from arrayscene.response import MatrixResponse, Response, RigidSphere, SphericalWave, far_field

CHUNK = 1 << 23
"""Complex values made at a time: 64 MB."""

_CLOSEST = 1e-3
"""Metres from a point to a microphone or the origin."""

_BODY = 1.05
"""Distance from the middle of a rigid body, relative to its microphones', from which on its response is known."""

_SAME_DISTANCE = 1.02
"""Ratio of distances that a rigid sphere's response takes for one; the wavefront's curvature hardly differs."""


def grid_response(array: MicrophoneArray, grid: MapGrid, frequencies: Tensor, speed_of_sound: float = SPEED_OF_SOUND) -> Response:
    """What an array hears of sources at the points of a grid.

    Spherical waves in free field or around the array's rigid sphere; plane waves where the grid is far, or the body a rigid
    cylinder, for which no near field is known here. Unit pressure at the array's origin, were there no body.

    Args:
        array: microphones.
        grid: where sources may be.
        frequencies: (freq,) hertz.
        speed_of_sound: m/s.

    Returns: a response to one source at each point, in their order.

    Raises: GeometryError for a point on a microphone, at the array's origin, or inside of its body.
    """
    points = torch.tensor(grid.points, dtype=torch.float64)
    azimuth, elevation = torch.atan2(points[:, 1], points[:, 0]), torch.atan2(points[:, 2], points[:, :2].norm(dim=1))
    if grid.far:
        return far_field(array, azimuth, elevation, frequencies=frequencies, speed_of_sound=speed_of_sound)
    _check_distances(array, grid)
    if array.body_radius is None:
        return SphericalWave(array, points, frequencies=frequencies, speed_of_sound=speed_of_sound)
    if array.body_shape == "cylinder":
        return far_field(array, azimuth, elevation, frequencies=frequencies, speed_of_sound=speed_of_sound)
    distances = np.linalg.norm(grid.points, axis=1)
    classes = np.floor(np.log(distances / distances.min()) / np.log(_SAME_DISTANCE) + 1e-9).astype(int)
    parts, order = [], []
    for one in np.unique(classes):
        here = np.flatnonzero(classes == one)
        distance = float(distances[here].mean())
        parts.append(
            RigidSphere(
                array,
                azimuth[here],
                elevation[here],
                frequencies=frequencies,
                speed_of_sound=speed_of_sound,
                distance=distance,
            )
        )
        order.append(here)
    return parts[0] if len(parts) == 1 else _Shells(parts, torch.from_numpy(np.argsort(np.concatenate(order))))


def possible_points(array: MicrophoneArray, grid: MapGrid) -> NDArray[np.bool_]:
    """(point,) whether a source can be there; of boxes, which may hold the array, those on it are left out, of others none.

    Left out are points within half a step of a microphone or of the array's origin, where levels are given, and inside its body.
    """
    if grid.kind != "box":
        return np.ones(grid.n_points, dtype=np.bool_)
    from scipy.spatial import cKDTree

    apart = max(_CLOSEST, grid.increment / 2)
    to_microphone, _ = cKDTree(array.positions).query(grid.points)
    to_origin = np.linalg.norm(grid.points, axis=1)
    inside = _BODY * float(np.linalg.norm(array.positions, axis=1).max()) if array.body_radius is not None else 0.0
    if array.body_radius is not None and array.body_shape == "cylinder":
        inside = 0.0
    return np.asarray((to_microphone > apart) & (to_origin > max(apart, inside)))


def transfer_chunks(response: Response, frequencies: Tensor, n_points: int) -> Iterator[tuple[int, Tensor]]:
    """Transfer functions, a few frequencies at a time.

    Args:
        response: to the points.
        frequencies: (freq,) hertz.
        n_points: of the grid.

    Yields: the index of the first frequency, and (freq, mic, point) complex64.

    Raises: GeometryError for a response to another number of sources, or values that are not finite.
    """
    waves = response if isinstance(response, SphericalWave) and _is_plain(response) else None
    if waves is not None:
        shape: tuple[int, ...] = (len(frequencies), len(waves.positions), len(waves.places))
    else:
        probe = response.matrix() if isinstance(response, MatrixResponse) else response.matrix(frequencies[:1])
        shape = tuple(probe.shape)
    if len(shape) != 3 or shape[-1] != n_points:
        raise GeometryError(
            f"sound map: a response {shape} came for a grid of {n_points} points; (freq, mic, {n_points}) is needed"
        )
    size = max(1, CHUNK // (shape[1] * n_points))
    if waves is not None:
        between = torch.linalg.vector_norm(waves.places[None, :, :] - waves.positions[:, None, :], dim=-1)
        origin = waves.places.norm(dim=-1)
        strength, detour = origin / between, between - origin
    for first in range(0, len(frequencies), size):
        place = slice(first, first + size)
        if waves is not None:
            A = spherical_waves(strength, detour, 2 * torch.pi * frequencies[place] / waves.speed_of_sound)
        elif isinstance(response, MatrixResponse):
            response.matrix(frequencies)
            A = probe[place].to(torch.complex64)
        else:
            A = response.matrix(frequencies[place]).to(torch.complex64)
        # A sum is finite only where all of it is.
        if not bool(torch.view_as_real(A).sum().isfinite()):
            raise GeometryError("sound map: the response has values that are not finite; mend it")
        yield first, A


class _Shells(Response):
    """Sources at several distances from a rigid sphere, in any order.

    What `Joined(...).select(...)` gives, without making the whole matrix twice to look at its shape.
    """

    def __init__(self, shells: list[RigidSphere], order: Tensor) -> None:
        super().__init__(shells[0].frequencies)
        self.shells, self.order = shells, order

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """A, complex128 (freq, mic, source)."""
        return torch.cat([shell.matrix(frequencies) for shell in self.shells], dim=-1)[..., self.order]


def _is_plain(waves: SphericalWave) -> bool:
    """Whether nothing but distance tells between the microphones, so that the kernel may make the matrices."""
    batched = waves.positions.ndim > 2 or waves.places.ndim > 2
    return waves.pattern is None and waves.air is None and not batched and not waves.positions.requires_grad


def _check_distances(array: MicrophoneArray, grid: MapGrid) -> None:
    from scipy.spatial import cKDTree

    nearest, _ = cKDTree(grid.points).query(array.positions)
    mic = int(np.argmin(nearest))
    if not nearest[mic] > _CLOSEST:
        raise GeometryError(
            f"grid: a point lies {1e3 * nearest[mic]:.2f} mm from microphone {mic + 1}, where a source would be infinitely loud;"
            " move or shift the grid"
        )
    distances = np.linalg.norm(grid.points, axis=1)
    closest = float(distances.min())
    if not closest > _CLOSEST:
        raise GeometryError("grid: a point lies at the array's origin, where levels are given; move or shift the grid")
    outside = float(np.linalg.norm(array.positions, axis=1).max()) if array.body_radius is not None else 0.0
    if array.body_radius is not None and array.body_shape == "sphere" and closest < _BODY * outside:
        raise GeometryError(
            f"grid: a point lies {closest:.3g} m from the middle of the array's body of {array.body_radius:g} m; at least"
            f" {_BODY * outside:.3g} m is needed"
        )
