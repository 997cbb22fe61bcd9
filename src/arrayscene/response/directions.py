"""What every response that knows where its microphones and sources are has to read: positions, directions, unit vectors."""

from __future__ import annotations

import torch
from torch import Tensor

from arrayscene.arguments import check_kind, shown
from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError, ShapeError


def even_azimuths(n_sources: int = 4) -> Tensor:
    """(source,) azimuths evenly around the horizon, radians in (-pi, pi], float64: the first in front, then counter-clockwise.

    Raises: ShapeError for fewer than one.
    """
    if n_sources < 1:
        raise ShapeError(f"even_azimuths: {n_sources} directions came; at least 1 is needed")
    turns = torch.arange(n_sources, dtype=torch.float64) * (2 * torch.pi / n_sources)
    return torch.where(turns > torch.pi + 1e-9, turns - 2 * torch.pi, turns)


def unit_vectors(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """(..., 3) unit vectors towards directions in radians: x front, y left, z up."""
    horizontal = torch.cos(elevation)
    return torch.stack([horizontal * torch.cos(azimuth), horizontal * torch.sin(azimuth), torch.sin(elevation)], dim=-1)


def mic_positions(array: MicrophoneArray | Tensor, who: str) -> Tensor:
    """(..., mic, 3) metres, float64, of an array or of positions given as a tensor.

    Raises: GeometryError for a tensor of another shape.
    """
    if isinstance(array, MicrophoneArray):
        return torch.tensor(array.positions, dtype=torch.float64)
    check_kind(who, array, Tensor, "a MicrophoneArray, or a tensor of positions,", GeometryError)
    if array.ndim < 2 or array.shape[-1] != 3:
        raise GeometryError(f"{who}: positions of shape {tuple(array.shape)} came; (..., mic, 3) metres is needed")
    return array.to(torch.float64)


def direction_pairs(azimuth: Tensor | float, elevation: Tensor | float, who: str) -> tuple[Tensor, Tensor]:
    """Azimuth and elevation, both (..., source) float64; one elevation serves all azimuths and the other way round.

    Raises: GeometryError for directions that are not finite or of different number.
    """
    try:
        azimuths, elevations = torch.as_tensor(azimuth, dtype=torch.float64), torch.as_tensor(elevation, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise GeometryError(
            f"{who}: azimuth {shown(azimuth)} and elevation {shown(elevation)} came; radians, a number or a tensor, are needed"
        ) from None
    try:
        # A single direction is a vector of one.
        shape = _broadcast(azimuths.shape, elevations.shape) or (1,)
    except RuntimeError as error:
        raise GeometryError(
            f"{who}: azimuths of shape {tuple(azimuths.shape)} and elevations of shape {tuple(elevations.shape)} came; one of"
            " each a source is needed"
        ) from error
    if not bool(torch.isfinite(azimuths).all() and torch.isfinite(elevations).all()):
        raise GeometryError(f"{who}: a direction that is not finite came; radians are needed")
    return azimuths.expand(shape), elevations.expand(shape)


def check_batches(positions: Tensor, sources: Tensor, who: str) -> None:
    """Refuse leading axes of positions (..., mic, 3) and of sources (..., source, 3) that do not fit each other.

    Raises: GeometryError showing both.
    """
    try:
        _broadcast(positions.shape[:-2], sources.shape[:-2])
    except RuntimeError as error:
        raise GeometryError(
            f"{who}: positions {tuple(positions.shape)} and sources {tuple(sources.shape)} came; leading axes that are equal,"
            " or 1, are needed"
        ) from error


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(torch.broadcast_shapes(*shapes))  # type: ignore[no-untyped-call]
