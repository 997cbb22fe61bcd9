"""Small Hermitian tools on (..., mic, mic) matrices; batched and differentiable."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


def covariance(y: Tensor) -> Tensor:
    """Spatial covariance (..., freq, mic, mic) of frames (..., mic, freq, frame): R = (1 / T) sum_t y y^H."""
    y = y.movedim(-3, -2)
    return y @ y.mH / y.shape[-1]


def weighted_covariance(y: Tensor, weights: Tensor) -> Tensor:
    """Spatial covariance of each class of bins, R_k = sum_t w_k y y^H / sum_t w_k; zero where all its weights are.

    Args:
        y: (..., mic, freq, frame).
        weights: (..., class, freq, frame), real, >= 0; one frequency stands for all.

    Returns: (..., freq, class, mic, mic), in the precision of y.
    """
    y = y.movedim(-3, -2)
    weights = weights.to(y.real.dtype).movedim(-3, -2)
    # Normalised first: quotients of sums would overflow or vanish where all weights are tiny.
    weights = weights / weights.sum(-1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
    weighted = weights[..., :, None, :] * y[..., None, :, :]
    R = (weighted.flatten(-3, -2) @ y.mH).reshape(*weighted.shape[:-1], y.shape[-2])
    return 0.5 * (R + R.mH)


def load_diagonal(matrix: Tensor, relative: float) -> Tensor:
    """Add `relative` times the mean of the diagonal (and a floor against all-zero matrices) to the diagonal."""
    diagonal = matrix.diagonal(dim1=-2, dim2=-1).real
    load = relative * diagonal.mean(-1) + torch.finfo(diagonal.dtype).tiny * 1e6
    return matrix + load[..., None, None] * torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)


class Principal(NamedTuple):
    """The direction in which one covariance stands out most from another.

    Attributes:
        value: (...) lambda, R_s w = lambda R_n w: the largest ratio of powers that a filter w^H can have.
        filter: (..., mic) w, with w^H R_n w = 1.
        vector: (..., mic) a = R_n w, with w^H a = 1: what R_s would be made of, lambda a a^H, were it of rank 1.
    """

    value: Tensor
    filter: Tensor
    vector: Tensor


def principal(R_s: Tensor, R_n: Tensor) -> Principal:
    """The generalised eigenvector of the largest eigenvalue of (R_s, R_n), without computing the others.

    C = L^-1 R_s L^-H with R_n = L L^H is squared 12 times, which leaves v v^H; w = L^-H v and a = L v. Unlike an eigenvalue
    decomposition this is fast in batches on any device, and its gradient stays finite where eigenvalues coincide. Values closer
    to each other than one part in a thousand are not told apart; then w loses at most that much of lambda.

    Args:
        R_s: (..., mic, mic) Hermitian, positive semidefinite.
        R_n: (..., mic, mic) Hermitian, positive definite: load it.
    """
    L = torch.linalg.cholesky(R_n)
    half = torch.linalg.solve_triangular(L, R_s, upper=False)
    C = torch.linalg.solve_triangular(L, half.mH, upper=False)
    tiny = torch.finfo(C.real.dtype).tiny
    power = C
    for _ in range(12):
        power = power / power.diagonal(dim1=-2, dim2=-1).real.sum(-1).clamp_min(tiny)[..., None, None]
        power = power @ power
    diagonal = power.diagonal(dim1=-2, dim2=-1).real
    largest = diagonal.argmax(-1)[..., None, None].expand(*power.shape[:-1], 1)
    v = power.gather(-1, largest)
    length = v.abs().square().sum(-2, keepdim=True).sqrt()
    v = v / length.clamp_min(tiny)
    value = (v.mH @ C @ v)[..., 0, 0].real
    return Principal(value, torch.linalg.solve_triangular(L.mH, v, upper=True)[..., 0], (L @ v)[..., 0])


def fit_response(y: Tensor, x: Tensor, loading: float = 1e-3) -> Tensor:
    """The A of y = A x that leaves the least residual.

    A = R_yx (R_xx + loading I)^-1, with the sources brought to unit power at each frequency first, so that `loading` is relative.

    Args:
        y: (..., mic, freq, frame) recording.
        x: (..., source, freq, frame) sources.
        loading: relative diagonal loading; keeps A finite where sources are silent or alike.

    Returns: (..., freq, mic, source), complex128.
    """
    y, x = y.movedim(-3, -2).to(torch.complex128), x.movedim(-3, -2).to(torch.complex128)
    n_frames = x.shape[-1]
    power = x.abs().square().mean(-1, keepdim=True)
    scale = power.sqrt() + 1e-6 * power.amax(dim=(-3, -2, -1), keepdim=True).sqrt() + torch.finfo(torch.float64).tiny ** 0.5
    x = x / scale
    R_xx = x @ x.mH / n_frames + loading * torch.eye(x.shape[-2], dtype=x.dtype, device=x.device)
    R_yx = y @ x.mH / n_frames
    A: Tensor = torch.linalg.solve(R_xx, R_yx, left=False) / scale.mT
    return A
