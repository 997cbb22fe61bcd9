"""DAMAS: the sources whose beams add up to the conventional map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from arrayscene.errors import ShapeError
from arrayscene.imaging.method import ImagingMethod, beams
from arrayscene.imaging.steering import Formulation, steering_vectors
from arrayscene.kernels.point_spread import nonnegative_sweeps, point_spread

MOST_POINTS = 15_000
"""Points whose point spread, single precision, takes 0.9 GB."""


@dataclass(frozen=True)
class Damas(ImagingMethod):
    """DAMAS: uncorrelated monopoles x >= 0 with S^T x = B, by Gauss-Seidel sweeps from the conventional map B on.

    S_ji is the map at point i of a unit source at j, with the diagonal of its matrix. A B that lacks it is taken as 0 where it is
    negative; then a weak source beside a strong one comes out somewhat too weak, by 0.2 to 0.6 dB with 64 microphones. An S
    that lacked it too would be exact without noise, but is next to blind to sound from all around, and noise makes that up.

    Attributes:
        steering: formulation of the steering vectors.
        remove_diagonal: whether the diagonal of C is left out.
        n_iter: sweeps; more resolve more, and low frequencies need more.

    Cost: O(freq point^2 mic) as matrix products, and O(point^2) a sweep; memory of point^2.

    Raises: ShapeError for more than 15,000 points, or fewer than one sweep.

    Reference: T. F. Brooks and W. M. Humphreys, "A deconvolution approach for the mapping of acoustic sources (DAMAS) determined
    from phased microphone arrays", Journal of Sound and Vibration 2006.
    """

    name: ClassVar[str] = "damas"
    title: ClassVar[str] = "DAMAS"
    shows_sources: ClassVar[bool] = True

    steering: Formulation = "true level"
    remove_diagonal: bool = True
    n_iter: int = 100

    def __post_init__(self) -> None:
        if self.n_iter < 1:
            raise ShapeError(f"Damas: n_iter = {self.n_iter} came; at least 1 is needed")

    def _map(self, C: Tensor, A: Tensor) -> Tensor:
        check_size(A, "Damas")
        dirty = beams(C, A, self.steering, self.remove_diagonal)[0].clamp_min(0.0)
        W = steering_vectors(A, self.steering)
        found = []
        for y, w, a in zip(dirty, W, A, strict=True):
            found.append(nonnegative_sweeps(point_spread(w, a, remove_diagonal=False), y, y, self.n_iter)[0])
        return torch.stack(found)


def check_size(A: Tensor, who: str) -> None:
    """Refuse more points than a matrix of their pairs has room for."""
    if A.shape[-1] > MOST_POINTS:
        raise ShapeError(
            f"{who}: {A.shape[-1]} points came; the point spread of more than {MOST_POINTS} takes too much memory: take a larger"
            " step, a smaller grid, or CleanSC"
        )
