"""Orthogonal matching pursuit: few sources, coherent ones too, found by what they explain; for arrays of many microphones."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import ShapeError
from arrayscene.linalg import covariance
from arrayscene.localize.grid import FloatArray, Grid, direction_grid, to_angles, to_vectors
from arrayscene.localize.peaks import CLOSEST, Directions
from arrayscene.response import far_field

LOWEST_HZ, HIGHEST_HZ = 500.0, 8000.0
N_FREQS = 40
"""Frequencies used, evenly spread: more cost time and tell little."""

N_SNAPSHOTS = 4
"""Principal components of the covariance that stand for all frames."""

LEAST_DROP = 0.3
"""A further source must take this share of the residual of all before it, or it is not counted."""

MANY_MICS = 16
"""Microphones from which on pursuit is tried beside the votes of `SRPPHAT`."""

WELL_EXPLAINED = 0.2
"""It is believed where its directions leave less than this of the recording: little reverberation, many microphones."""

MAX_SOURCES = 8
SWEEPS = 2
"""Times that every direction is looked for again, given the others, when one is added."""


class OMP(nn.Module):
    """Simultaneous orthogonal matching pursuit over all frequencies.

    Direction after direction is added that takes most of the residual of Y(f) ~ A(f, u_1 ... u_n) X(f), summed over frequencies,
    each brought to unit power; Y holds the principal components of the covariance. After each addition every direction is sought
    again given the others, then all are refined off the grid. Coherent sources (one signal from several places) are told apart,
    which steered power and subspaces cannot do.

    Args:
        array: microphones; its rigid body is taken into account.
        frequencies: (freq,) hertz of the frames.
        grid: directions to scan; those that the array can tell apart by default.
        speed_of_sound: m/s.

    Cost: O(freq direction mic snapshot source^2). Meant for 16 microphones and more.

    Raises: ShapeError for frames of another number of microphones.

    Reference: J. A. Tropp, A. C. Gilbert and M. J. Strauss, "Algorithms for simultaneous sparse approximation. Part I: greedy
    pursuit", Signal Processing 2006.
    """

    def __init__(
        self, array: MicrophoneArray, frequencies: Tensor, *, grid: Grid | None = None, speed_of_sound: float = SPEED_OF_SOUND
    ) -> None:
        super().__init__()
        self.array, self.grid, self.speed_of_sound = array, direction_grid(array) if grid is None else grid, speed_of_sound
        highest = min(HIGHEST_HZ, 0.95 * float(frequencies[-1]))
        inside = ((frequencies >= LOWEST_HZ) & (frequencies <= highest)).nonzero()[:, 0]
        if len(inside) < 3:
            raise ShapeError(
                f"OMP: frequencies up to {float(frequencies[-1]):.0f} Hz leave fewer than 3 bins above {LOWEST_HZ:.0f} Hz"
            )
        self.bins = inside[:: max(len(inside) // N_FREQS, 1)]
        self.frequencies = frequencies[self.bins]
        self.dictionary = self._steer(self.grid.azimuth, self.grid.elevation)
        self.spacing = float(np.sqrt(4 * np.pi / len(self.grid.azimuth)))

    def forward(self, y: Tensor, n_sources: int | None = None) -> Directions:
        """Directions of the sources in frames (mic, freq, frame), strongest first; counted unless `n_sources` is given."""
        if y.ndim != 3 or y.shape[0] != self.array.n_mics:
            raise ShapeError(f"OMP: frames of shape {tuple(y.shape)} came; ({self.array.n_mics}, freq, frame) is needed")
        snapshots = _snapshots(y[:, self.bins])
        found: list[int] = []
        residual = float(snapshots.abs().square().sum())
        for _ in range(n_sources or MAX_SOURCES):
            trial = self._improve([*found, -1], snapshots)
            left = self._residual(self.dictionary[:, :, trial], snapshots)
            if n_sources is None and (residual <= 0 or 1 - left / residual < LEAST_DROP):
                break
            found, residual = trial, left
        azimuth, elevation = self._refine(found, snapshots)
        strongest = _by_strength(self._steer(azimuth, elevation), snapshots, azimuth, elevation)
        return strongest if self.grid.elevation_known else strongest._replace(elevation=np.zeros_like(elevation))

    def unexplained(self, y: Tensor, found: Directions) -> float:
        """Share, 0 to 1, of the frames (mic, freq, frame) that sources in the directions `found` leave over."""
        snapshots = _snapshots(y[:, self.bins])
        total = float(snapshots.abs().square().sum())
        return self._residual(self._steer(found.azimuth, found.elevation), snapshots) / max(total, 1e-30)

    def _improve(self, found: list[int], snapshots: Tensor) -> list[int]:
        """Seek the last direction, then each again given the others."""
        order = [len(found) - 1] + [n for _ in range(SWEEPS) for n in range(len(found))]
        for n in order:
            others = [index for m, index in enumerate(found) if m != n and index >= 0]
            remainder = _remove(self.dictionary[:, :, others], snapshots)
            gain = (self.dictionary.mH @ remainder).abs().square().sum(dim=(0, 2))
            for index in others:
                near = np.linalg.norm(self.grid.embedding - self.grid.embedding[index], axis=1) < CLOSEST / 2
                gain[torch.from_numpy(near)] = 0
            found = [*found[:n], int(gain.argmax()), *found[n + 1 :]]
        return found

    def _refine(self, found: list[int], snapshots: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Look around each direction in ever smaller steps, given the others."""
        vectors = to_vectors(self.grid.azimuth[found], self.grid.elevation[found])
        step = self.spacing
        while step > np.deg2rad(0.2):
            step /= 2
            for n in range(len(found)):
                around = _around(vectors[n], step)
                candidates = self._steer(*to_angles(around))
                others = self._steer(*to_angles(np.delete(vectors, n, axis=0)))
                gain = (candidates.mH @ _remove(others, snapshots)).abs().square().sum(dim=(0, 2))
                vectors[n] = around[int(gain.argmax())]
        azimuth, elevation = to_angles(vectors)
        return azimuth.astype(np.float64), elevation.astype(np.float64)

    def _steer(self, azimuth: FloatArray, elevation: FloatArray) -> Tensor:
        """(freq, mic, direction) responses of unit norm."""
        if not len(azimuth):
            return torch.zeros(len(self.bins), self.array.n_mics, 0, dtype=torch.complex64)
        A = far_field(
            self.array,
            torch.tensor(azimuth),
            torch.tensor(elevation),
            frequencies=self.frequencies,
            speed_of_sound=self.speed_of_sound,
        ).matrix()
        return (A / A.abs().square().sum(1, keepdim=True).sqrt()).to(torch.complex64)

    @staticmethod
    def _residual(A: Tensor, snapshots: Tensor) -> float:
        return float(_remove(A, snapshots).abs().square().sum())


def _snapshots(y: Tensor) -> Tensor:
    """(freq, mic, snapshot): principal components of every covariance, unit power at each frequency."""
    values, vectors = torch.linalg.eigh(covariance(y.to(torch.complex128)))
    values, vectors = values[:, -N_SNAPSHOTS:].clamp_min(0), vectors[:, :, -N_SNAPSHOTS:]
    share = values / values.sum(-1, keepdim=True).clamp_min(1e-30)
    snapshots: Tensor = (vectors * share.sqrt()[:, None, :]).to(torch.complex64)
    return snapshots


def _remove(A: Tensor, snapshots: Tensor) -> Tensor:
    """What the columns of A (freq, mic, source) cannot explain of the snapshots."""
    if not A.shape[-1]:
        return snapshots
    return snapshots - A @ _amplitudes(A, snapshots)


def _amplitudes(A: Tensor, snapshots: Tensor) -> Tensor:
    gram = A.mH @ A + 1e-4 * torch.eye(A.shape[-1], dtype=A.dtype)
    amplitudes: Tensor = torch.linalg.solve(gram, A.mH @ snapshots)
    return amplitudes


def _around(vector: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """(9, 3) the direction and eight around it, `step` radians away."""
    azimuth, _ = to_angles(vector)
    east = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    north = np.cross(vector, east)
    moved = [vector + step * (i * east + j * north) for i in (0, -1, 1) for j in (0, -1, 1)]
    return np.asarray([v / np.linalg.norm(v) for v in moved])


def _by_strength(A: Tensor, snapshots: Tensor, azimuth: NDArray[np.float64], elevation: NDArray[np.float64]) -> Directions:
    if not len(azimuth):
        return Directions(azimuth, elevation, np.zeros(0))
    power = _amplitudes(A, snapshots).abs().square().sum(dim=(0, 2)).double().numpy()
    order = np.argsort(-power)
    return Directions(azimuth[order], elevation[order], power[order] / max(power.max(), 1e-30))
