"""Denoisers that know the recording: D(x, sigma) of the prior becomes an estimate of E[x0 | x0 + sigma n = x, y].

Each takes a denoiser and returns one, so that any sampler draws from the posterior instead of the prior.
"""

from __future__ import annotations

import torch
from torch import Tensor

from arrayscene.diffusion.likelihood import Likelihood
from arrayscene.diffusion.samplers import Denoiser, Noise, Report, finite, level_pairs, tell


def proximal(denoise: Denoiser, likelihood: Likelihood, *, sigma_data: float | Tensor = 1.0) -> Denoiser:
    """The recording weighed against the prior's answer.

    S = argmin -log p(y | S) + |S - D|^2 / r^2,   r^2 = sigma^2 v / (sigma^2 + v)

    r^2 is the variance of x0 given x under a Gaussian prior of variance v = sigma_data^2. For such a prior, S is the exact
    posterior mean and samplers that are exact draw from the exact posterior; for others, r^2 is a guess of what D got wrong.
    Conjugate gradients that end early make S come out too close to D. No gradient goes through the network.

    Args:
        denoise: the prior's.
        likelihood: of the recording.
        sigma_data: standard deviation of the prior; a number or a tensor that broadcasts with x.

    Cost: a call of the denoiser and a proximal step.

    Reference: the Gaussian case of J. Song et al., "Pseudoinverse-guided diffusion models for inverse problems", ICLR
    2023, eq. (7).
    """

    def guided(x: Tensor, sigma: float) -> Tensor:
        variance = sigma**2 * sigma_data**2 / (sigma**2 + sigma_data**2)
        return likelihood.proximal(denoise(x, sigma), variance)

    return guided


def diffpir(denoise: Denoiser, likelihood: Likelihood, *, strength: float = 1.0) -> Denoiser:
    """The same step with r^2 = sigma^2 / strength, whatever the prior's variance.

    Not exact, not even for a Gaussian prior: at loud noise it trusts the prior's answer less than it should.

    Reference: Y. Zhu et al., CVPRW 2023, eq. (12).
    """

    def guided(x: Tensor, sigma: float) -> Tensor:
        return likelihood.proximal(denoise(x, sigma), sigma**2 / strength)

    return guided


def dps(denoise: Denoiser, likelihood: Likelihood, *, strength: float = 1.0) -> Denoiser:
    """Diffusion posterior sampling: a step against the gradient of -log p(y | D(x, sigma)), through the denoiser.

    Not exact: it takes D for x0 and forgets that D errs. The step is sigma^2, the one that the score asks for, but
    over the last axis never more than `strength` sigma in the mean square, beyond which it would not converge.

    Cost: a call of the denoiser and one backwards through it.

    Reference: H. Chung et al., "Diffusion posterior sampling for general noisy inverse problems", ICLR 2023, Algorithm 1.
    """

    def guided(x: Tensor, sigma: float) -> Tensor:
        with torch.inference_mode(False), torch.enable_grad():
            seen = x.detach().clone().requires_grad_()
            clean = denoise(seen, sigma)
            (gradient,) = torch.autograd.grad(likelihood.energy(clean).sum(), seen)
        # Autograd gives twice the conjugate derivative of a complex x.
        step = sigma**2 * (gradient / 2 if x.is_complex() else gradient)
        size = step.abs().square().mean(-1, keepdim=True).sqrt()
        most = strength * sigma
        return clean.detach() - step * (most / size.clamp_min(most))

    return guided


def red_diff(
    denoise: Denoiser,
    likelihood: Likelihood,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    *,
    strength: float = 0.25,
    report: Report | None = None,
) -> Tensor:
    """Regularisation by denoising: a single answer that neither the recording nor the denoiser would change.

    mu = prox(mu + strength (D(mu + sigma n, sigma) - mu)), for sigma from loud to quiet

    Not a sampler and not exact: it seeks a single answer, without its spread; for a Gaussian prior of variance 1 it hovers around
    the posterior's mean.

    Args:
        denoise: the prior's.
        likelihood: of the recording.
        x: start.
        sigmas: as of `arrayscene.diffusion.samplers.euler`.
        noise: draws n.
        strength: share of the denoiser's correction.
        report: progress.

    Reference: M. Mardani et al., "A variational perspective on solving inverse problems with diffusion models", ICLR 2024,
    eq. (9), with a proximal step in place of a gradient step.
    """
    for step, (sigma, _) in enumerate(level_pairs(sigmas)):
        clean = finite(denoise(x + sigma * noise(), sigma), step, sigma)
        x = likelihood.proximal(x + strength * (clean - x), strength * sigma**2 / (1 + sigma**2))
        tell(report, step, x)
    return x
