"""Samplers and guidance on a Gaussian prior, whose posterior is the Wiener filter's, in closed form."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from arrayscene.diffusion import (
    GaussianPrior,
    LinearGaussian,
    diffpir,
    dps,
    euler,
    heun,
    noise_levels,
    proximal,
    red_diff,
    renoised,
    stochastic,
    wiener_posterior,
)
from arrayscene.response import ConvolutiveResponse, MatrixResponse

N_DRAWS, N_FREQS, N_FRAMES = 2500, 2, 2


class Problem:
    """Two sources of unlike power at some microphones, in correlated noise."""

    def __init__(self, n_mics: int = 3, *, memory: bool = False) -> None:
        g = torch.Generator().manual_seed(n_mics)
        draw = partial(torch.randn, dtype=torch.complex128, generator=g)
        self.A = draw(N_FREQS, n_mics, 2)
        root = draw(N_FREQS, n_mics, n_mics)
        self.R = 0.1 * (root @ root.mH) + 0.1 * torch.eye(n_mics)
        self.variance = torch.tensor([1.0, 0.3], dtype=torch.float64)[:, None, None]
        self.y = draw(n_mics, N_FREQS, N_FRAMES)
        frequencies = torch.arange(float(N_FREQS))
        response = (
            ConvolutiveResponse(torch.stack([self.A, torch.zeros_like(self.A)], -1), frequencies)
            if memory
            else MatrixResponse(self.A, frequencies)
        )
        self.likelihood = LinearGaussian(self.y, response, self.R, n_iter=4)
        self.prior = GaussianPrior(self.variance)
        self.guided = proximal(self.prior, self.likelihood, sigma_data=self.variance.sqrt())

    def posterior(self) -> tuple[Tensor, Tensor]:
        """(source, freq, frame), (freq, source, source)."""
        v = self.variance[:, 0, 0]
        mean, C = wiener_posterior(self.y.permute(1, 2, 0), self.A[:, None], self.R[:, None], v)
        return mean.permute(2, 0, 1), C[:, 0]

    def start(self, sigma: float, generator: torch.Generator) -> Tensor:
        return sigma * torch.randn(N_DRAWS, 2, N_FREQS, N_FRAMES, dtype=torch.complex128, generator=generator)


SAMPLERS = {"euler": 150, "heun": 30, "stochastic": 150, "renoised without fresh noise": 150}


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("n_mics", [2, 3])
def test_draws_have_the_mean_and_covariance_of_the_wiener_posterior(name: str, n_mics: int) -> None:
    problem = Problem(n_mics)
    g = torch.Generator().manual_seed(5)
    sigmas = noise_levels(SAMPLERS[name], 30.0, 1e-3)
    x = problem.start(30.0, g)

    def noise() -> Tensor:
        return torch.randn(x.shape, dtype=x.dtype, generator=g)

    if name == "stochastic":
        draws = stochastic(problem.guided, x, sigmas, noise, churn=4.0)
    elif name.startswith("renoised"):
        draws = renoised(problem.guided, x, sigmas, noise, eta=0.0)
    else:
        draws = {"euler": euler, "heun": heun}[name](problem.guided, x, sigmas)
    mean, C = problem.posterior()
    spread = C.diagonal(dim1=-2, dim2=-1).real.mT[..., None]
    # The mean of so many draws is within five of its standard errors, and steps err by as much.
    assert float(((draws.mean(0) - mean).abs() / spread.sqrt()).max()) < 0.1
    centred = draws - draws.mean(0)
    found = torch.einsum("nift,njft->fij", centred, centred.conj()) / (N_DRAWS * N_FRAMES)
    scale = spread[..., 0].mT.sqrt()
    assert float(((found - C).abs() / (scale[:, :, None] * scale[:, None, :])).max()) < 0.08


def test_the_guided_denoiser_is_the_posterior_mean_of_what_it_sees() -> None:
    problem = Problem()
    g = torch.Generator().manual_seed(2)
    x, sigma = problem.start(1.0, g)[:5], 0.7
    mean, C = problem.posterior()
    eye = torch.eye(2, dtype=C.dtype)
    gain = C @ torch.linalg.inv(C + sigma**2 * eye)
    wanted = mean + torch.einsum("fij,njft->nift", gain, x - mean)
    torch.testing.assert_close(problem.guided(x, sigma), wanted)


def test_conjugate_gradients_reach_the_closed_form() -> None:
    closed, iterated = Problem(), Problem(memory=True)
    x0 = closed.start(1.0, torch.Generator().manual_seed(3))[:4]
    torch.testing.assert_close(iterated.likelihood.proximal(x0, 0.4), closed.likelihood.proximal(x0, 0.4))


def test_a_level_that_changes_is_a_covariance_that_changes() -> None:
    problem = Problem()
    frequencies = torch.arange(float(N_FREQS))
    x0 = problem.start(1.0, torch.Generator().manual_seed(3))[0]
    level = torch.tensor([1.0, 5.0], dtype=torch.float64).expand(N_FREQS, 2)
    for A in (MatrixResponse(problem.A, frequencies), ConvolutiveResponse(problem.A[..., None], frequencies)):
        found = LinearGaussian(problem.y, A, problem.R, level).proximal(x0, 0.4)
        louder = LinearGaussian(problem.y, A, 5 * problem.R).proximal(x0, 0.4)
        torch.testing.assert_close(found[..., 0], problem.likelihood.proximal(x0, 0.4)[..., 0])
        torch.testing.assert_close(found[..., 1], louder[..., 1])


@pytest.mark.parametrize("method", ["dps", "diffpir", "red-diff", "fresh noise"])
def test_the_others_come_near_and_do_not_claim_more(method: str) -> None:
    problem = Problem()
    g = torch.Generator().manual_seed(5)
    x, sigmas = problem.start(3.0, g)[:500], noise_levels(60, 3.0, 1e-2)

    def noise() -> Tensor:
        return torch.randn(x.shape, dtype=x.dtype, generator=g)

    if method == "dps":
        draws = euler(dps(problem.prior, problem.likelihood), x, sigmas)
    elif method == "diffpir":
        draws = euler(diffpir(problem.prior, problem.likelihood), x, sigmas)
    elif method == "red-diff":
        draws = red_diff(problem.prior, problem.likelihood, x, sigmas, noise)
    else:
        draws = renoised(problem.guided, x, sigmas, noise, eta=0.5)
    mean, _ = problem.posterior()
    assert float((draws.mean(0) - mean).abs().square().mean().sqrt() / mean.abs().square().mean().sqrt()) < 0.5
    words = {"dps": dps, "diffpir": diffpir, "red-diff": red_diff, "fresh noise": renoised}[method].__doc__ or ""
    assert "not exact" in words.lower()
