"""Interpolation between scattered directions: weights that give back measured values, and how far they err in between."""

from __future__ import annotations

import torch
from torch import Tensor

RANGE = 3.0
"""Length of the kernel relative to the radius of the neighbourhood; from 1.5 to 6 the error was the same within 0.1 dB."""

AFFINE_FROM = 8
"""Neighbours from which on the trend may be affine; with fewer, leaving one out would leave it undetermined."""

FLATTEST = 1e-4
"""Extent of the neighbours along an axis, relative to the longest, below which they tell nothing along it."""


class Kriging:
    """Universal kriging on the sphere, each wanted direction from its nearest measured ones.

    v(u) = sum_i w_i(u) v(u_i), the w that minimise the variance of the error under a Matern-3/2 covariance of the chordal
    distance, and that reproduce every function b + <g, u> exactly. Delays of a free-field array and gains of first-order
    microphones are such functions, so that only what a body or a room adds is interpolated approximately.

    Args:
        known: (source, neighbour, 3) measured unit vectors near each wanted one, float64; no two coincide.
        toward: (source, 3) wanted unit vectors.

    Attributes:
        weights: (source, neighbour), sum 1; differentiable in `toward`. Where the nearest neighbours change they jump by little,
            because far neighbours have small ones.
        variance: (source,) of the error, in units of the values' own; 0 at measured directions.

    Cost: O(source neighbour^3).

    Reference: N. Cressie, "Statistics for Spatial Data", 1993, section 3.4 (universal kriging).
    """

    def __init__(self, known: Tensor, toward: Tensor) -> None:
        wanted = toward.to(known)[:, None, :]
        radius = (known - wanted.detach()).square().sum(-1).amax(-1).sqrt()
        self._length = RANGE * radius.clamp_min(1e-9)[:, None, None]
        self._centre, self._axes = _trend(known)
        n_trends = self._axes.shape[-1] + 1
        covariance = self._matern(known, known)
        trend = self._drift(known)
        # An axis along which the neighbours do not differ takes no part: 1 on the diagonal keeps the system solvable.
        unused = (trend == 0).all(dim=-2).to(trend.dtype)
        corner = torch.diag_embed(unused)
        system = torch.cat([torch.cat([covariance, trend], -1), torch.cat([trend.mT, corner], -1)], -2)
        inverse: Tensor = torch.linalg.inv(system)
        right = torch.cat([self._matern(wanted, known), self._drift(wanted)], -1)[:, 0]
        solved = (inverse @ right[..., None])[..., 0]
        self.weights: Tensor = solved[:, :-n_trends]
        self.variance: Tensor = (1 - (right * solved).sum(-1)).detach().clamp_min(0.0)
        self._precision = inverse[:, :-n_trends, :-n_trends]

    def leave_one_out(self, source: int, values: Tensor) -> Tensor:
        """What the others would have given for each neighbour of one wanted direction, from their values (..., neighbour).

        v_i - (B v)_i / B_ii, with B the upper left block of the inverse system.

        Reference: O. Dubrule, "Cross validation of kriging in a unique neighborhood", Mathematical Geology, 1983.
        """
        B = self._precision[source].to(values)
        error: Tensor = values @ B.mT / B.diagonal()
        return values - error

    def relative_variance(self) -> Tensor:
        """(source, neighbour) variance at the wanted direction relative to that at the neighbour when it is left out."""
        return self.variance[:, None] * self._precision.diagonal(dim1=-2, dim2=-1)

    def _matern(self, a: Tensor, b: Tensor) -> Tensor:
        squared = (a[..., :, None, :] - b[..., None, :, :]).square().sum(-1)
        # The tiny addition keeps the root differentiable at a measured direction.
        distance = (3 * squared + 1e-30).sqrt() / self._length
        return (1 + distance) * torch.exp(-distance)

    def _drift(self, vectors: Tensor) -> Tensor:
        affine = (vectors - self._centre) @ self._axes
        return torch.cat([torch.ones_like(vectors[..., :1]), affine], -1)


def _trend(known: Tensor) -> tuple[Tensor, Tensor]:
    """Centre (source, 1, 3) of the neighbours and the axes (source, 3, k) of an affine trend; those not spanned are zero."""
    centre = known.mean(-2, keepdim=True)
    if known.shape[-2] < AFFINE_FROM:
        return centre, known.new_zeros((len(known), 3, 0))
    _, extents, axes = torch.linalg.svd(known - centre, full_matrices=False)
    spanned = extents > FLATTEST * extents[:, :1]
    scale = torch.where(spanned, 1 / extents.clamp_min(1e-300), torch.zeros_like(extents))
    return centre, axes.mT * scale[:, None, :]
