"""Small Hermitian tools on (..., mic, mic) matrices; batched and differentiable."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

LOADING: Final = 1e-3
"""Of the sources' covariance where A is fitted: keeps A finite where sources are silent or alike."""


def squared_abs(x: Tensor) -> Tensor:
    """|x|^2 of complex x: twice as fast as the square of a modulus, which takes a root first."""
    return x.real.square() + x.imag.square()


def covariance(y: Tensor) -> Tensor:
    """Spatial covariance (..., freq, mic, mic) of frames (..., mic, freq, frame): R = (1 / T) sum_t y y^H."""
    # Transforms leave frames in another order in memory, in which the products are three times as slow.
    y = y.movedim(-3, -2).contiguous()
    return y @ y.mH / y.shape[-1]


def weighted_covariance(y: Tensor, weights: Tensor) -> Tensor:
    """Spatial covariance of each class of bins, R_k = sum_t w_k y y^H / sum_t w_k; zero where all its weights are.

    Args:
        y: (..., mic, freq, frame).
        weights: (..., class, freq, frame), real, >= 0; one frequency stands for all.

    Returns: (..., freq, class, mic, mic), in the precision of y.
    """
    y = y.movedim(-3, -2).contiguous()
    weights = weights.to(y.real.dtype).movedim(-3, -2).contiguous()
    # Normalised first: quotients of sums would overflow or vanish where all weights are tiny.
    weights = weights / weights.sum(-1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
    weighted = weights[..., :, None, :] * y[..., None, :, :]
    R = (weighted.flatten(-3, -2) @ y.mH).reshape(*weighted.shape[:-1], y.shape[-2])
    return 0.5 * (R + R.mH)


def apply(D: Tensor, y: Tensor) -> Tensor:
    """Decode: D y (..., source, freq, frame) for D (..., freq, source, mic) and frames y (..., mic, freq, frame)."""
    # As a product of contiguous matrices: twice as fast as a sum over the frames' own order in memory.
    return (D @ y.movedim(-3, -2).contiguous()).movedim(-2, -3)


def load_diagonal(matrix: Tensor, relative: float) -> Tensor:
    """Add `relative` times the mean of the diagonal (and a floor against all-zero matrices) to the diagonal."""
    diagonal = matrix.diagonal(dim1=-2, dim2=-1).real
    load = relative * diagonal.mean(-1) + torch.finfo(diagonal.dtype).tiny * 1e6
    return matrix + load[..., None, None] * torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)


def fit_response(y: Tensor, x: Tensor) -> Tensor:
    """The A of y = A x that leaves the least residual.

    A = R_yx (R_xx + LOADING I)^-1, with the sources brought to unit power at each frequency first, so that `LOADING` is relative.

    Args:
        y: (..., mic, freq, frame) recording.
        x: (..., source, freq, frame) sources.

    Returns: (..., freq, mic, source), complex128.
    """
    x = x.movedim(-3, -2).contiguous()
    R_yx, R_xx = (part @ x.mH / x.shape[-1] for part in (y.movedim(-3, -2), x))
    return _least_squares(R_yx.to(torch.complex128), R_xx.to(torch.complex128))


def fit_linear(R_yy: Tensor, D: Tensor) -> Tensor:
    """The A of y = A x that leaves the least residual where x = D y: `fit_response` from the covariance, without the frames.

    Args:
        R_yy: (..., freq, mic, mic) complex128 covariance of the recording.
        D: (..., freq, source, mic) complex128.

    Returns: (..., freq, mic, source), complex128.
    """
    R_yx = R_yy @ D.mH
    return _least_squares(R_yx, D @ R_yx)


def filtered_inverse(U: Tensor, inverse: Tensor, Vh: Tensor) -> Tensor:
    """V diag(inverse) U^H (..., source, mic): an inverse of A = U S V^H, each singular value with an inverse of its own."""
    D: Tensor = (Vh.mH * inverse[..., None, :]) @ U.mH
    return D


def _least_squares(R_yx: Tensor, R_xx: Tensor) -> Tensor:
    power = R_xx.diagonal(dim1=-2, dim2=-1).real
    tiny = torch.finfo(power.dtype).tiny
    level = power.clamp_min(tiny).sqrt() + 1e-6 * power.amax(dim=(-2, -1), keepdim=True).clamp_min(tiny).sqrt()
    unit = R_xx / (level[..., :, None] * level[..., None, :])
    unit = unit + LOADING * torch.eye(unit.shape[-1], dtype=unit.dtype, device=unit.device)
    A: Tensor = torch.linalg.solve(unit, R_yx / level[..., None, :], left=False) / level[..., None, :]
    return A
