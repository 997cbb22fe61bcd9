"""How much diagonal loading a beamformer needs: found for every frequency and source at once in the covariance's eigenvectors.

With R = Q diag(l_m) Q^H and p_m = |q_m^H a|^2, what the beamformer (R + mu I)^-1 a does is a sum over m for any mu, and grows or
falls steadily with mu, so that halving an interval finds the mu that meets a requirement exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from arrayscene.decoders.bisection import bisect

LEAST, MOST = 1e-12, 1e12
"""Range of mu, relative to the mean eigenvalue of the covariance."""


def loading_for_white_noise_gain(R: Tensor, A: Tensor, floor: float) -> Tensor:
    """The least mu (..., freq, source) with which the white noise gain of (R + mu I)^-1 a_n is at least `floor`.

    (sum_m p_m / (l_m + mu))^2 / sum_m p_m / (l_m + mu)^2 grows with mu to |a_n|^2, delay-and-sum's; a floor above that gives
    delay-and-sum.

    Args:
        R: (..., freq, mic, mic) covariance to be minimised.
        A: (..., freq, mic, source).
        floor: linear.

    Reference: H. Cox, R. Zeskind and M. Owen, "Robust adaptive beamforming", IEEE Trans. ASSP, 1987.
    """

    def white_noise_gain(values: Tensor, power: Tensor, mu: Tensor) -> Tensor:
        shares = power / (values + mu)
        return shares.sum(-1).square() / (shares / (values + mu)).sum(-1).clamp_min(torch.finfo(shares.dtype).tiny)

    return _search(white_noise_gain, R, A, torch.tensor(floor, dtype=torch.float64, device=A.device))


def loading_for_uncertainty(R: Tensor, A: Tensor, uncertainty: Tensor) -> Tensor:
    """The mu (..., freq, source) of the robust Capon beamformer, whose steering vector may lie anywhere in a ball around a_n.

    Of all vectors in the ball, that of the most power at the output is a_n - (I + R / mu)^-1 a_n, on its surface:
    sum_m p_m (mu / (l_m + mu))^2 = e sum_m p_m. The beamformer (R + mu I)^-1 a_n goes with it.

    Args:
        R: (..., freq, mic, mic) covariance of the recording.
        A: (..., freq, mic, source).
        uncertainty: e, squared radius of the ball relative to |a_n|^2, 0 <= e < 1, that broadcasts with (..., freq, source).

    Reference: J. Li, P. Stoica and Z. Wang, "On robust Capon beamforming and diagonal loading", IEEE TSP 2003.
    """

    def error(values: Tensor, power: Tensor, mu: Tensor) -> Tensor:
        total = power.sum(-1).clamp_min(torch.finfo(power.dtype).tiny)
        return (power * (mu / (values + mu)).square()).sum(-1) / total

    return _search(error, R, A, uncertainty)


def _search(figure: Callable[[Tensor, Tensor, Tensor], Tensor], R: Tensor, A: Tensor, target: Tensor) -> Tensor:
    """The mu (..., freq, source) at which `figure(l, p, mu)` reaches the target; `figure` sums over its last axis."""
    with torch.no_grad():
        values, vectors = torch.linalg.eigh(R)
        values = values.clamp_min(0)
        level = values.mean(-1).clamp_min(torch.finfo(values.dtype).tiny / LEAST)
        power = (vectors.mH @ A).abs().square().mT
        values, level = values[..., None, :], level[..., None].expand(power.shape[:-1])
        low, high = (torch.full_like(level, math.log(end)) for end in (LEAST, MOST))
        t = bisect(lambda t: figure(values, power, (level * t.exp())[..., None]), target, low, high)
        mu: Tensor = level * t.exp()
    return mu
