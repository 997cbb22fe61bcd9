"""How loud the microphones themselves are: the power of white noise in a recording of sources whose responses are known."""

from __future__ import annotations

from typing import Final

import torch
from scipy.special import gammaincinv
from torch import Tensor

QUIET: Final = 0.05
"""Share of the frames, and of the frequencies, in which the microphones are taken to hear nothing but noise."""

GAP: Final = 1e-4
"""How far below the other level that of the quietest frames may be before it is taken for digital silence."""

SMALL: Final = 0.1
"""Share of the frequencies in which sources are taken to leave a direction to noise alone."""


def white_noise(y: Tensor, colour: Tensor) -> Tensor:
    """Power of the microphones' own, white noise, whatever the sources: what is left where and when they leave the least.

    The lower of two levels that are too high rather than too low: that of the quietest frames, if they hold Gaussian noise alone,
    and the least eigenvalue of the covariance, where a direction is left that hardly any source reaches. Each is one for every
    frequency; of them, the quietest count.

    Args:
        y: (..., mic, freq, frame).
        colour: (freq,) power of white noise relative to what it is in y.

    Returns: (...) real, in the units of y times colour.
    """
    n_mics = y.shape[-3]
    power = y.abs().square().mean(-3)
    # torch.quantile refuses large batches.
    quiet = power.kthvalue(max(round(QUIET * power.shape[-1]), 1)).values / (float(gammaincinv(n_mics, QUIET)) / n_mics)
    frames = y.movedim(-3, -2).to(torch.complex128)
    least = torch.linalg.eigvalsh(frames @ frames.mH / y.shape[-1])[..., 0]
    floor = 1e-6 * power.mean((-2, -1)) * colour.mean()
    in_quiet, in_least = (quiet * colour).double().quantile(QUIET, dim=-1), (least * colour).quantile(SMALL, dim=-1)
    # Frames without anything are no noise but a gap in the recording.
    level = torch.where(in_quiet < GAP * in_least, in_least, in_quiet.minimum(in_least))
    return level.maximum(torch.where(floor > 0, floor, 1))


def noise_power(y: Tensor, A: Tensor, *, n_iter: int = 50) -> Tensor:
    """Power of white noise that, with sources of some power, explains the covariance of a recording best.

    Maximum likelihood for R_yy = A diag(p) A^H + sigma^2 I, by expectation and maximisation: also as many sources as microphones,
    or more, leave room for noise, where their responses are known.

    Args:
        y: (..., mic, freq, frame).
        A: (..., freq, mic, source).
        n_iter: iterations.

    Returns: (..., freq) real sigma^2.

    Reference: M. I. Miller and D. R. Fuhrmann, "Maximum-likelihood narrow-band direction finding and the EM algorithm", IEEE
    TASSP 1990.
    """
    A = A.to(torch.complex128)
    frames = y.movedim(-3, -2).to(A.dtype)
    R_yy = frames @ frames.mH / y.shape[-1]
    n_mics, n_sources = A.shape[-2:]
    eye = torch.eye(n_mics, dtype=A.dtype, device=A.device)
    power = R_yy.diagonal(dim1=-2, dim2=-1).real.mean(-1)
    power = torch.where(power > 0, power, 1)
    noise, p = 1e-2 * power, power[..., None].expand(*power.shape, n_sources) / n_sources
    for _ in range(n_iter):
        PA = p[..., None] * A.mH
        W = torch.linalg.solve(A @ PA + noise[..., None, None] * eye, PA.mH).mH
        R_xx = W @ R_yy @ W.mH + torch.diag_embed(p).to(A.dtype) - W @ PA.mH
        left = R_yy - 2 * (A @ W @ R_yy) + A @ R_xx @ A.mH
        p = R_xx.diagonal(dim1=-2, dim2=-1).real.clamp_min(1e-6 * power[..., None])
        noise = (left.diagonal(dim1=-2, dim2=-1).real.mean(-1)).clamp_min(1e-6 * power)
    return noise
