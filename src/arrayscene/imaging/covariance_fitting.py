"""Covariance matrix fitting: the monopoles that explain the cross-spectral matrix best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from arrayscene.errors import ShapeError
from arrayscene.imaging.damas import check_size
from arrayscene.imaging.method import ImagingMethod, beam_power, without_diagonal
from arrayscene.kernels.inner import real_inner
from arrayscene.kernels.point_spread import nonnegative_sweeps, point_spread


@dataclass(frozen=True)
class CovarianceFitting(ImagingMethod):
    """Covariance matrix fitting (CMF): powers x >= 0 of uncorrelated monopoles with the least |C - sum_i x_i a_i a_i^H|^2.

    Without the diagonal only the other entries are fitted, so noise of the microphones does not count. Solved by coordinate
    descent on the normal equations.

    Attributes:
        remove_diagonal: whether the diagonal of C is left out.
        n_iter: sweeps at most.
        tolerance: largest change of a sweep, relative to the strongest source, at which to stop.

    Cost: O(freq point^2 mic) as matrix products, and O(point^2) a sweep at most, where only points with a source count; memory of
    point^2.

    Raises: ShapeError for more than 15,000 points, or fewer than one sweep.

    Reference: T. Yardibi, J. Li, P. Stoica and L. N. Cattafesta, "Sparsity constrained deconvolution approaches for acoustic
    source mapping", Journal of the Acoustical Society of America 2008, equation (20).
    """

    name: ClassVar[str] = "cmf"
    title: ClassVar[str] = "covariance matrix fitting"
    shows_sources: ClassVar[bool] = True

    remove_diagonal: bool = True
    n_iter: int = 1000
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        if self.n_iter < 1 or self.tolerance < 0:
            raise ShapeError(
                f"CovarianceFitting: n_iter = {self.n_iter}, tolerance = {self.tolerance} came; at least 1 and 0 are needed"
            )

    def _map(self, C: Tensor, A: Tensor) -> Tensor:
        check_size(A, "CovarianceFitting")
        # Unit columns: a point far from the microphones must not look less likely for that.
        lengths = real_inner(A, A).clamp_min(torch.finfo(A.real.dtype).tiny)
        unit = A * lengths.rsqrt()[..., None, :]
        heard = beam_power(without_diagonal(C) if self.remove_diagonal else C, unit)
        found = []
        for y, a in zip(heard, unit, strict=True):
            S = point_spread(a, a, remove_diagonal=self.remove_diagonal)
            found.append(nonnegative_sweeps(S, y, torch.zeros_like(y), self.n_iter, self.tolerance)[0])
        return torch.stack(found) / lengths
