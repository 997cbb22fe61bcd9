"""How much to regularise an inverse: Tikhonov's mu for every frequency at once, in closed form over the singular values.

With A = U S V^H, Tikhonov's solution leaves the residual sum_i (1 - f_i)^2 P_i + P_rest and has the power
sum_i f_i^2 P_i / s_i^2, where f_i = s_i^2 / (s_i^2 + mu), P_i is the recording's mean power along u_i and P_rest what lies
outside the range of A. All three choices of mu weigh these two against each other; none needs the sources.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.decoders.bisection import bisect

LEAST = 1e-10
"""Least mu, relative to the largest squared singular value, so that an A of deficient rank stays solvable."""

N_COARSE, N_FINE = 40, 12
"""Values of log mu at which the L-curve and cross-validation are looked at, first over the whole range."""


class Spectrum(NamedTuple):
    """A recording as the singular vectors of A see it.

    Attributes:
        s: (..., freq, k) singular values, falling, k the smaller of mic and source.
        power: (..., freq, k) P_i, mean power of the recording along the left singular vectors.
        rest: (..., freq) P_rest, mean power outside the range of A.
        n_rest: mic - k, dimensions of that rest.
    """

    s: Tensor
    power: Tensor
    rest: Tensor
    n_rest: int


def spectrum(U: Tensor, s: Tensor, R: Tensor) -> Spectrum:
    """The recording of covariance R (..., freq, mic, mic) along the singular vectors U (..., freq, mic, k)."""
    power = (U.conj() * (R @ U)).sum(-2).real.clamp_min(0)
    n_rest = U.shape[-2] - U.shape[-1]
    total = R.diagonal(dim1=-2, dim2=-1).real.sum(-1)
    # Exactly nothing where nothing is outside: cross-validation would take rounding for noise.
    rest = (total - power.sum(-1)).clamp_min(0) if n_rest else torch.zeros_like(power[..., 0])
    return Spectrum(s.expand_as(power), power, rest, n_rest)


def noise_power(seen: Spectrum, R: Tensor) -> Tensor:
    """Sensor noise (..., freq) at one microphone, from the recording itself.

    With more microphones than sources, the mean power that no source can explain: it holds the noise, and whatever else A does
    not model. Otherwise the least eigenvalue of R, which is exact while a source pauses and too much while all sound.
    """
    if seen.n_rest:
        return seen.rest / seen.n_rest
    least: Tensor = torch.linalg.eigvalsh(R)[..., 0].clamp_min(0)
    return least


def discrepancy(seen: Spectrum, noise: Tensor) -> Tensor:
    """The mu (..., freq) that leaves as much of the recording unexplained as there is noise in it (Morozov's principle).

    sum_i (1 - f_i)^2 P_i = k sigma^2, over the range of A; at most s_1^2, where the noise is louder than the sources.

    Args:
        seen: the recording along the singular vectors.
        noise: (..., freq) power of the noise at one microphone, sigma^2.

    Reference: V. A. Morozov, "On the solution of functional equations by the method of regularization", Soviet Math. Dokl. 1966.
    """
    low, high = _range(seen)

    def residual(t: Tensor) -> Tensor:
        return (_filters(seen, t)[1].square() * seen.power).sum(-1)

    return bisect(residual, noise * seen.s.shape[-1], low, high).exp()


def l_curve(seen: Spectrum) -> Tensor:
    """The mu (..., freq) at the corner of log residual against log power: where the curvature is largest.

    The corner needs noise that blows the solution up before the sources are lost; where there is none (A well conditioned, or
    little noise) any bend of the curve can win.

    Reference: P. C. Hansen and D. P. O'Leary, "The use of the L-curve in the regularization of discrete ill-posed problems",
    SIAM J. Sci. Comput. 1993.
    """
    return _highest(_curvature, seen)


def cross_validation(seen: Spectrum) -> Tensor:
    """The mu (..., freq) that best predicts each measurement from the others: the least generalised cross-validation.

    G = (sum_i (1 - f_i)^2 P_i + P_rest) / (sum_i (1 - f_i) + mic - k)^2.

    Reference: G. H. Golub, M. Heath and G. Wahba, "Generalized cross-validation as a method for choosing a good ridge
    parameter", Technometrics 1979.
    """
    return _highest(_predictability, seen)


def _curvature(seen: Spectrum, t: Tensor) -> Tensor:
    tiny = torch.finfo(t.dtype).tiny
    f, g = _filters(seen, t)
    weighted = seen.power / seen.s.square().clamp_min(tiny)
    # Derivatives of log residual and log power by log mu, along which df = -f (1 - f).
    rho = ((g**2 * seen.power).sum(-1) + seen.rest).clamp_min(tiny)
    rho_1 = 2 * (g**2 * f * seen.power).sum(-1) / rho
    rho_2 = 2 * (g**2 * f * (3 * f - 1) * seen.power).sum(-1) / rho - rho_1**2
    eta = (f**2 * weighted).sum(-1).clamp_min(tiny)
    eta_1 = -2 * (f**2 * g * weighted).sum(-1) / eta
    eta_2 = -2 * (f**2 * g * (3 * f - 2) * weighted).sum(-1) / eta - eta_1**2
    # Where the curve stands still its curvature is rounding.
    return (rho_1 * eta_2 - rho_2 * eta_1) / (rho_1**2 + eta_1**2).clamp_min(1e-10) ** 1.5


def _predictability(seen: Spectrum, t: Tensor) -> Tensor:
    g = _filters(seen, t)[1]
    residual = (g**2 * seen.power).sum(-1) + seen.rest
    # Relative to the recording, so that its level decides nothing.
    level = (seen.power.sum(-1) + seen.rest).clamp_min(torch.finfo(t.dtype).tiny)
    return -(residual / level) / (g.sum(-1) + seen.n_rest).square().clamp_min(torch.finfo(t.dtype).tiny)


def _filters(seen: Spectrum, t: Tensor) -> tuple[Tensor, Tensor]:
    """The f_i (..., k) and 1 - f_i at log mu = t."""
    squared, mu = seen.s.square(), t.exp()[..., None]
    return squared / (squared + mu), mu / (squared + mu)


def _range(seen: Spectrum) -> tuple[Tensor, Tensor]:
    """Least and largest log mu (..., freq)."""
    highest = seen.s[..., 0].square().clamp_min(torch.finfo(seen.s.dtype).tiny * 1e20).log()
    return highest + math.log(LEAST), highest


def _highest(score: Callable[[Spectrum, Tensor], Tensor], seen: Spectrum) -> Tensor:
    """The mu (..., freq) at which the score is highest: on a grid, on a finer one around its best, and between its points."""
    with torch.no_grad():
        low, high = _range(seen)
        every = Spectrum(seen.s[..., None, :], seen.power[..., None, :], seen.rest[..., None], seen.n_rest)
        for n_points in (N_COARSE, N_FINE):
            step = (high - low) / (n_points - 1)
            t = low[..., None] + step[..., None] * torch.arange(n_points, dtype=low.dtype, device=low.device)
            scores = score(every, t)
            top = scores.amax(-1, keepdim=True)
            # Where the score is flat, the least mu, and not whichever value is higher by rounding.
            best = (scores >= top - 1e-9 * top.abs()).to(torch.uint8).argmax(-1, keepdim=True).clamp(1, n_points - 2)
            middle = t.gather(-1, best)[..., 0]
            low, high = middle - step, middle + step
        before, at, after = (scores.gather(-1, best + shift)[..., 0] for shift in (-1, 0, 1))
        bend = 2 * at - before - after
        shift = 0.5 * (after - before) / torch.where(bend > 0, bend, torch.inf)
        return (middle + step * shift.clamp(-1, 1)).exp()
