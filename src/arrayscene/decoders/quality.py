"""Figures of merit of a linear decoder D for a response A, per frequency and source; differentiable, in linear units."""

from __future__ import annotations

import torch
from torch import Tensor


def gain(D: Tensor, A: Tensor) -> Tensor:
    """Complex gain (..., freq, source) of every source through the array and its row of D: the diagonal of D A.

    Args:
        D: (..., freq, source, mic).
        A: (..., freq, mic, source).
    """
    return (D * A.mT).sum(-1)


def noise_gain(D: Tensor) -> Tensor:
    """Power (..., freq, source) of unit sensor noise at the output: |d_n|^2."""
    return D.abs().square().sum(-1)


def white_noise_gain(D: Tensor, A: Tensor) -> Tensor:
    """White noise gain (..., freq, source), |d_n a_n|^2 / |d_n|^2: the array's gain against sensor noise.

    At most |a_n|^2, the number of microphones for unit responses, which delay-and-sum reaches; below 1 the decoder amplifies
    the microphones' own noise.

    Reference: H. Cox, R. Zeskind and M. Owen, "Robust adaptive beamforming", IEEE Trans. ASSP, 1987.
    """
    return gain(D, A).abs().square() / _positive(noise_gain(D))


def directivity_factor(D: Tensor, A: Tensor, diffuse: Tensor) -> Tensor:
    """Directivity factor (..., freq, source), |d_n a_n|^2 / (d_n Gamma d_n^H); 10 log10 of it is the directivity index.

    Args:
        D: (..., freq, source, mic).
        A: (..., freq, mic, source), in the units of `diffuse`.
        diffuse: (..., freq, mic, mic) covariance Gamma of an isotropic field, see `Response.diffuse`.
    """
    heard = (D @ diffuse * D.conj()).sum(-1).real
    return gain(D, A).abs().square() / _positive(heard)


def encoding_error(D: Tensor, A: Tensor) -> Tensor:
    """Power (..., freq, source) of each row of D A - I: what a unit source loses, and what leaks in from the others."""
    product = D @ A
    return (product - torch.eye(product.shape[-1], dtype=product.dtype, device=product.device)).abs().square().sum(-1)


def condition(A: Tensor) -> Tensor:
    """Condition number (..., freq) of A: how far its inverse can amplify an error."""
    ratio: Tensor = torch.linalg.cond(A.detach())
    return ratio


def _positive(power: Tensor) -> Tensor:
    return power.clamp_min(torch.finfo(power.dtype).tiny)
