"""From a start to draws of the sources of one stretch: the page on which the diffusion happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from arrayscene.decoders.posterior_problem import Found, Method, Problem, Settings, Stretch
from arrayscene.diffusion import (
    Denoiser,
    Likelihood,
    Prior,
    at_rate,
    diffpir,
    dps,
    noise_levels,
    proximal,
    red_diff,
    stochastic,
)
from arrayscene.errors import ConvergenceError
from arrayscene.stft import STFT

PRUNED: Final = 0.3
"""Share of the way after which the likeliest particles are kept."""


def sample(
    stretch: Stretch,
    stft: STFT,
    prior: Prior,
    settings: Settings,
    generator: torch.Generator,
    report: Callable[[int, Tensor], None],
) -> Found:
    """Draw the sources of a stretch.

    Args:
        stretch: the recording, and the start or the response.
        stft: in which recording and start are weighed.
        prior: of the sources.
        settings: how.
        generator: of the noise, the only randomness.
        report: called after every step with their number and what is to be added to the start by then.

    Raises: ConvergenceError for a prior that returns NaN.
    """
    problem = Problem(stretch, stft, prior, settings)
    sigmas = noise_levels(settings.n_steps, *settings.sigma, rho=settings.rho).tolist()
    pairs = _Pairs(settings.draws * settings.particles, problem.z, generator)
    x = problem.z + sigmas[0] * pairs()
    denoise = _counted(at_rate(prior, stretch.rate))
    clean = problem.z.expand_as(x)
    done = 0
    for end in _milestones(settings):
        if done:
            problem.fit(clean.mean(0))
        likelihood = problem.likelihood()

        def told(step: int, now: Tensor, done: int = done) -> None:
            nonlocal clean
            clean = now
            report(done + step, problem.coloured(now.mean(0) - problem.origin))

        levels = torch.tensor(sigmas[done : end + 1])
        if settings.method == "red-diff":
            x = red_diff(denoise, likelihood, x if done else problem.z.expand_as(x), levels, pairs, report=told)
        else:
            churn = settings.churn * (end - done) / settings.n_steps
            x = stochastic(_guided(settings.method, denoise, likelihood), x, levels, pairs, churn=churn, report=told)
        if done == 0 and settings.particles > 1:
            kept = pairs.keep(problem.recorded.energy(clean), settings.draws)
            x, clean = x[kept], clean[kept]
        done = end
    return problem.found(x)


def _counted(denoise: Denoiser) -> Denoiser:
    """The denoiser, which every step calls once; what goes wrong is told by the step of the whole way."""
    step = 0

    def checked(x: Tensor, sigma: float) -> Tensor:
        nonlocal step
        step += 1
        clean = denoise(x, sigma)
        if not bool(torch.isfinite(clean).all()):
            raise ConvergenceError(f"diffusion: the prior returned NaN or infinity in step {step}, at sigma {sigma:.4g}")
        return clean

    return checked


def start_of(stretch: Stretch, stft: STFT, prior: Prior, settings: Settings) -> Tensor:
    """(..., source, sample) what the diffusion of a stretch starts from."""
    if stretch.start is not None:
        return stretch.start
    problem = Problem(stretch, stft, prior, settings)
    return problem.coloured(problem.z)


def _guided(method: Method, denoise: Denoiser, likelihood: Likelihood) -> Denoiser:
    if method == "dps":
        return dps(denoise, likelihood)
    return diffpir(denoise, likelihood) if method == "diffpir" else proximal(denoise, likelihood)


def _milestones(settings: Settings) -> list[int]:
    """Numbers of steps after which A is fitted anew and particles are dropped, and the last."""
    n = settings.n_steps
    fits = {max(1, n * k // settings.n_fits) for k in range(1, settings.n_fits)}
    first = {max(1, round(PRUNED * n))} if settings.particles > 1 else set()
    return sorted(step for step in fits | first | {n} if step <= n)


class _Pairs:
    """Noise of unit variance, in pairs of opposite sign; the same for all recordings of a batch."""

    def __init__(self, draws: int, like: Tensor, generator: torch.Generator) -> None:
        self.draws, self.like, self.generator = draws, like, generator

    def __call__(self) -> Tensor:
        shape = self.like.shape
        # On the generator's device and in double precision, so that every device and precision draws the same.
        drawn = torch.randn(
            (self.draws + 1) // 2, *shape[-2:], dtype=torch.float64, generator=self.generator, device=self.generator.device
        )
        half = drawn.to(self.like)
        both = torch.stack([half, -half], dim=1).flatten(0, 1)[: self.draws]
        return both.reshape(self.draws, *(1,) * (len(shape) - 2), *shape[-2:]).expand(self.draws, *shape)

    def keep(self, energy: Tensor, draws: int) -> Tensor:
        """Numbers of the likeliest by energies (draw, ...), of all recordings together; whole pairs where that is possible."""
        together = energy.reshape(len(energy), -1).sum(-1)
        self.draws = draws
        if draws % 2 or len(together) % 2:
            return together.argsort()[:draws]
        best = together.reshape(-1, 2).sum(-1).argsort()[: draws // 2]
        return torch.stack([2 * best, 2 * best + 1], dim=1).flatten()
