"""What the maps over directions share: the grid, the response to it, the band, and sources as the peaks of a map."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import ShapeError
from arrayscene.localize.grid import Grid, direction_grid, to_angles, to_vectors
from arrayscene.localize.peaks import CLOSEST, Directions
from arrayscene.localize.reliable_bins import reliable_bins
from arrayscene.response import Response, far_field

BAND_HZ = (500.0, 4000.0)
"""Below, small arrays tell little; above, most of them alias and speech is weak."""

NEIGHBOURS = 8
"""Points around a peak to which the parabola is fitted that finds its top between the points."""


class Spectrum(nn.Module):
    """A map over directions, from the covariances of all frames at all frequencies of a band (abstract).

    Args:
        array: microphones.
        frequencies: (freq,) hertz of the frames.
        grid: directions to scan; those that the array can tell apart by default.
        response: what the array hears from every direction of `grid`, such as a measured one; by default plane waves, around the
            array's rigid body if it has one.
        band: lowest and highest frequency used, hertz.
        masked: whether only bins count in which one wavefront dominates (see `reliable_bins`), or all alike.
        speed_of_sound: m/s.

    Raises:
        ShapeError: no bin in the band, or a response that has not one source a direction.
        GeometryError: an array of one microphone.
    """

    def __init__(
        self,
        array: MicrophoneArray,
        frequencies: Tensor,
        *,
        grid: Grid | None = None,
        response: Response | None = None,
        band: tuple[float, float] = BAND_HZ,
        masked: bool = True,
        speed_of_sound: float = SPEED_OF_SOUND,
    ) -> None:
        super().__init__()
        who = type(self).__name__
        self.array, self.grid = array, direction_grid(array) if grid is None else grid
        self.masked, self.speed_of_sound = masked, speed_of_sound
        self.bins = ((frequencies >= band[0]) & (frequencies < band[1])).nonzero()[:, 0]
        if not len(self.bins):
            raise ShapeError(f"{who}: no frequency lies in {band[0]:g} to {band[1]:g} Hz; give another band")
        self.frequencies = frequencies[self.bins]
        self.response = response

    def power(self, y: Tensor, n_sources: int = 1) -> Tensor:
        """(direction,) map of frames (mic, freq, frame); `n_sources` matters to subspace methods only."""
        raise NotImplementedError

    def forward(self, y: Tensor, n_sources: int = 1) -> Directions:
        """Directions of the `n_sources` highest peaks, off the grid, highest first.

        Raises: ShapeError for frames of another number of microphones, or a count below 1.
        """
        if n_sources < 1:
            raise ShapeError(f"{type(self).__name__}: n_sources={n_sources} came; 1 or more is needed")
        return map_peaks(self.power(y, n_sources).double().numpy(), self.grid, n_sources)

    def _steering(self) -> Tensor:
        """(freq, mic, direction) complex64 response to the grid."""
        response = self.response
        if response is None:
            response = far_field(
                self.array,
                torch.tensor(self.grid.azimuth),
                torch.tensor(self.grid.elevation),
                frequencies=self.frequencies,
                speed_of_sound=self.speed_of_sound,
            )
        A = response.matrix(self.frequencies)
        if A.shape[-2:] != (self.array.n_mics, len(self.grid.azimuth)):
            raise ShapeError(
                f"{type(self).__name__}: a response of {tuple(A.shape)} came; (freq, {self.array.n_mics} microphones,"
                f" {len(self.grid.azimuth)} directions of the grid) is needed"
            )
        return A.to(torch.complex64)

    def _frames(self, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """(freq, mic, frame) of the band, and (freq, frame) weights where bins are masked."""
        if y.ndim != 3 or y.shape[0] != self.array.n_mics:
            raise ShapeError(
                f"{type(self).__name__}: frames of shape {tuple(y.shape)} came; ({self.array.n_mics}, freq, frame) is needed"
            )
        part = y[:, int(self.bins[0]) : int(self.bins[-1]) + 1].to(torch.complex64)
        return part.movedim(0, 1).contiguous(), reliable_bins(part) if self.masked else None


def map_peaks(power: NDArray[np.float64], grid: Grid, n_sources: int) -> Directions:
    """The highest peaks of a map, at least 10 degrees apart as the array tells directions apart, refined off the grid.

    Args:
        power: (direction,) on `grid`, any scale.
        grid: directions.
        n_sources: how many; filled with the best directions left where there are fewer peaks.
    """
    chosen: list[int] = []
    order = np.argsort(-power, kind="stable")
    for peaks_only in (True, False):
        for index in order:
            if len(chosen) >= n_sources:
                break
            away = np.linalg.norm(grid.embedding - grid.embedding[index], axis=1)
            is_peak = not peaks_only or power[index] >= power[away < CLOSEST / 2].max()
            if is_peak and all(away[other] >= CLOSEST for other in chosen):
                chosen.append(int(index))
    chosen.sort(key=lambda index: -power[index])
    lowest = power.min()
    support = (power[chosen] - lowest) / max(power.max() - lowest, np.finfo(float).tiny)
    refined = np.array([_top(power, grid, index) for index in chosen], dtype=np.float64).reshape(-1, 3)
    azimuth, elevation = (np.asarray(angle, dtype=np.float64) for angle in to_angles(refined))
    return Directions(azimuth, elevation if grid.elevation_known else np.zeros_like(elevation), support)


def _top(power: NDArray[np.float64], grid: Grid, index: int) -> NDArray[np.float64]:
    """(3,) where a parabola through the neighbours of a peak has its top; the peak itself where that lies elsewhere."""
    vectors = to_vectors(grid.azimuth, grid.elevation)
    peak = vectors[index]
    near = np.argsort(-(vectors @ peak), kind="stable")[: NEIGHBOURS + 1]
    east = np.array([-np.sin(grid.azimuth[index]), np.cos(grid.azimuth[index]), 0.0])
    across = vectors[near] @ np.stack([east, np.cross(peak, east)], axis=-1)
    # Neighbours on a circle, or above each other, tell one angle only.
    free = np.ptp(across, axis=0) > 0.1 * np.ptp(across, axis=0).max()
    x = across[:, free]
    products = np.stack([x[:, i] * x[:, j] for i in range(x.shape[1]) for j in range(i, x.shape[1])], axis=-1)
    design = np.concatenate([np.ones((len(x), 1)), x, products], axis=1)
    fit = np.linalg.lstsq(design, power[near], rcond=None)[0]
    n = x.shape[1]
    slope, curvature = fit[1 : n + 1], np.zeros((n, n))
    curvature[np.triu_indices(n)] = fit[n + 1 :]
    curvature = curvature + curvature.T
    if np.linalg.eigvalsh(curvature).max() >= 0:
        return np.asarray(peak)
    step = -np.linalg.solve(curvature, slope)
    if np.linalg.norm(step) > np.linalg.norm(x, axis=1).max() / 2:
        return np.asarray(peak)
    return np.asarray(peak + np.stack([east, np.cross(peak, east)])[free].T @ step)
