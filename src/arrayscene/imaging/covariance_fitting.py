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

    Without the diagonal only the other entries are fitted, so noise of the microphones does not count. But then sound from all
    around is next to invisible, and with it under them sources can fit the noise of the estimate. So points are chosen with a
    price on power first, |C - ...|^2 / 2 + mu sum_i x_i |a_i|^2, mu so many times the median magnitude of the beams, and fitted
    without it afterwards. Solved by coordinate descent on the normal equations.

    Attributes:
        remove_diagonal: whether the diagonal of C is left out.
        price: mu in medians where the diagonal is left out; 0 for plain nonnegative least squares.
        n_iter: sweeps at most.
        tolerance: largest change of a sweep, relative to the strongest source, at which to stop.

    Cost: O(freq point^2 mic) as matrix products, and O(point^2) a sweep at most, where only points with a source count; memory of
    point^2.

    Raises: ShapeError for more than 15,000 points, or fewer than one sweep.

    Reference: T. Yardibi, J. Li, P. Stoica and L. N. Cattafesta, "Sparsity constrained deconvolution approaches for acoustic
    source mapping", Journal of the Acoustical Society of America 2008, equation (20); for the second fit A. Belloni and
    V. Chernozhukov, "Least squares after model selection in high-dimensional sparse models", Bernoulli 2013.
    """

    name: ClassVar[str] = "cmf"
    title: ClassVar[str] = "covariance matrix fitting"
    shows_sources: ClassVar[bool] = True

    remove_diagonal: bool = True
    price: float = 2.0
    n_iter: int = 1000
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        if self.n_iter < 1 or not self.tolerance >= 0 or not self.price >= 0:
            raise ShapeError(
                f"CovarianceFitting: n_iter {self.n_iter}, tolerance {self.tolerance}, price {self.price} came; at least 1, 0 and"
                " 0 are needed"
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
            nothing = torch.zeros_like(y)
            if not self.remove_diagonal or not self.price:
                found.append(nonnegative_sweeps(S, y, nothing, self.n_iter, self.tolerance)[0])
                continue
            x, _ = nonnegative_sweeps(S, y - self.price * y.abs().median(), nothing, self.n_iter, self.tolerance)
            chosen = torch.nonzero(x).flatten()
            part = S[chosen][:, chosen].contiguous()
            x[chosen] = nonnegative_sweeps(part, y[chosen], x[chosen].to(y.dtype), self.n_iter, self.tolerance)[0]
            found.append(x)
        return torch.stack(found) / lengths
