"""From noise to a sample: plain functions of a denoiser.

A denoiser is `denoise(x, sigma) -> E[x0 | x0 + sigma n = x]`, n of unit variance (complex n: E|n|^2 = 1). Guidance replaces the
denoiser (`arrayscene.diffusion.guidance`); the samplers do not know. Every leading axis of x is a batch axis, draws among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from arrayscene.errors import ConvergenceError

Denoiser = Callable[[Tensor, float], Tensor]

Report = Callable[[int, Tensor], None]
"""Called with the number of steps done and what the denoiser made of the last of them."""

Noise = Callable[[], Tensor]
"""A fresh n in the shape of x, of unit variance."""


def euler(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, report: Report | None = None) -> Tensor:
    """First-order steps along the probability-flow equation dx / dsigma = (x - D(x, sigma)) / sigma.

    Exact in the limit of many steps, where the denoiser is exact and x comes from the first noise level.

    Args:
        denoise: denoiser.
        x: signals with noise of standard deviation sigmas[0].
        sigmas: (step + 1,) falling, usually to 0; see `noise_levels`.
        report: progress; what it raises ends the sampling.

    Returns: a draw, of the shape of x.

    Raises: ConvergenceError for a denoiser that returns NaN or infinity; step and sigma are named.

    Cost: a call of the denoiser a step.

    Reference: Karras et al., NeurIPS 2022, Algorithm 1 without its second-order correction.
    """
    for step, (sigma, following) in enumerate(level_pairs(sigmas)):
        clean = finite(denoise(x, sigma), step, sigma)
        x = clean + (following / sigma) * (x - clean)
        tell(report, step, clean)
    return x


def heun(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, report: Report | None = None) -> Tensor:
    """Second-order steps along the same equation; exact in the limit of many steps, with fewer of them.

    Arguments, result and errors as of `euler`. Cost: two calls a step, one in the last.

    Reference: Karras et al., NeurIPS 2022, Algorithm 1.
    """
    for step, (sigma, following) in enumerate(level_pairs(sigmas)):
        clean = finite(denoise(x, sigma), step, sigma)
        slope = (x - clean) / sigma
        ahead = x + (following - sigma) * slope
        if following > 0:
            clean = finite(denoise(ahead, following), step, following)
            ahead = x + (following - sigma) * 0.5 * (slope + (ahead - clean) / following)
        x = ahead
        tell(report, step, clean)
    return x


def stochastic(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, *, churn: float = 2.0, report: Report | None = None
) -> Tensor:
    """Noise added before every step and taken out by it: what a step got wrong is forgotten.

    Exact in the limit of many steps, whatever the churn, which is spread over them.

    Args:
        denoise: denoiser.
        x: as of `euler`.
        sigmas: as of `euler`.
        noise: draws n.
        churn: every level is raised by the factor 1 + churn / steps, at most by sqrt(2); 0 is `euler`.
        report: as of `euler`.

    Cost: a call of the denoiser a step.

    Reference: Karras et al., NeurIPS 2022, Algorithm 2, with first-order steps.
    """
    pairs = level_pairs(sigmas)
    raised = 1 + min(churn / len(pairs), math.sqrt(2) - 1)
    for step, (sigma, following) in enumerate(pairs):
        louder = sigma * raised
        if churn > 0:
            x = x + math.sqrt(louder**2 - sigma**2) * noise()
        clean = finite(denoise(x, louder), step, louder)
        x = clean + (following / louder) * (x - clean)
        tell(report, step, clean)
    return x


def renoised(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, *, eta: float = 0.3, report: Report | None = None
) -> Tensor:
    """Denoise, then noise of the next level: x' = D + sigma' (sqrt(1 - eta) e + sqrt(eta) n), e = (x - D) / sigma.

    Not exact for eta > 0, however many the steps: e has less than unit variance, so that draws come out too close to their mean;
    with eta = 0 it is `euler`. Few steps make more of it than of the others.

    Arguments as of `stochastic`; eta: share of the noise that is fresh. Cost: a call of the denoiser a step.

    Reference: Y. Zhu et al., "Denoising diffusion models for plug-and-play image restoration", CVPRW 2023, Algorithm 1.
    """
    for step, (sigma, following) in enumerate(level_pairs(sigmas)):
        clean = finite(denoise(x, sigma), step, sigma)
        fresh = noise() if eta > 0 and following > 0 else torch.zeros_like(x)
        x = clean + following * (math.sqrt(1 - eta) * (x - clean) / sigma + math.sqrt(eta) * fresh)
        tell(report, step, clean)
    return x


def level_pairs(sigmas: Tensor) -> list[tuple[float, float]]:
    """Each level and the one after it."""
    levels = [float(sigma) for sigma in sigmas]
    return list(pairwise(levels))


def finite(clean: Tensor, step: int, sigma: float) -> Tensor:
    """What the denoiser returned. Raises: ConvergenceError for NaN or infinity, with the step and the level."""
    if not bool(torch.isfinite(torch.view_as_real(clean) if clean.is_complex() else clean).all()):
        raise ConvergenceError(f"diffusion: the denoiser returned NaN or infinity in step {step + 1}, at sigma {sigma:.4g}")
    return clean


def tell(report: Report | None, step: int, clean: Tensor) -> None:
    """After a step, whoever wants to know."""
    if report is not None:
        report(step + 1, clean)
