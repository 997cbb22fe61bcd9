"""Small Hermitian tools against scipy and against loops."""

import numpy as np
import pytest
import scipy.linalg
import torch

from arrayscene.linalg import principal, weighted_covariance


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_principal_is_the_largest_generalised_eigenvector(rank: int) -> None:
    half, noise = randn(5, 4, rank), randn(5, 4, 12, seed=1)
    R_s, R_n = half @ half.mH, noise @ noise.mH
    found = principal(R_s, R_n)
    for f in range(5):
        values, vectors = scipy.linalg.eigh(R_s[f].numpy(), R_n[f].numpy())
        w = found.filter[f].numpy()
        np.testing.assert_allclose(found.value[f], values[-1], rtol=1e-9)
        np.testing.assert_allclose(abs(vectors[:, -1].conj() @ R_n[f].numpy() @ w), 1, rtol=1e-9)
        np.testing.assert_allclose(found.vector[f], R_n[f].numpy() @ w, rtol=1e-8)


def test_principal_of_equal_eigenvalues_is_one_of_them_with_a_finite_gradient() -> None:
    R_s = torch.eye(3, dtype=torch.complex128).expand(2, 3, 3).clone().requires_grad_()
    found = principal(R_s, 2 * torch.eye(3, dtype=torch.complex128))
    torch.testing.assert_close(found.value, torch.full((2,), 0.5, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(found.filter.abs().square().sum() + found.value.sum(), R_s)
    assert bool(torch.isfinite(torch.view_as_real(gradient)).all())


@pytest.mark.parametrize("second", [0.5, 0.99, 0.9999])
def test_principal_filters_as_well_where_eigenvalues_are_close(second: float) -> None:
    V = torch.linalg.qr(randn(4, 4))[0]
    values = torch.tensor([0.1, 0.2, second, 1.0], dtype=torch.float64)
    found = principal((V * values) @ V.mH, torch.eye(4, dtype=torch.complex128))
    assert 1 - 1e-4 <= float(found.value) <= 1 + 1e-12


def test_principal_is_differentiable() -> None:
    R_s = randn(2, 3, 2) @ randn(2, 3, 2).mH
    noise = randn(2, 3, 9, seed=1).requires_grad_()

    def figures(frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = principal(R_s, frames @ frames.mH)
        return found.value, found.filter.abs()

    torch.autograd.gradcheck(figures, (noise,))


def test_weighted_covariance_is_the_weighted_mean_of_outer_products() -> None:
    y, weights = randn(3, 2, 7), torch.rand(2, 2, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    R = weighted_covariance(y, weights)
    for f in range(2):
        for k in range(2):
            wanted = sum(weights[k, f, t] * torch.outer(y[:, f, t], y[:, f, t].conj()) for t in range(7)) / weights[k, f].sum()
            torch.testing.assert_close(R[f, k], wanted)


def test_weighted_covariance_takes_one_weight_for_all_frequencies_and_none_at_all() -> None:
    y = randn(2, 3, 2, 7)
    weights = torch.stack([torch.ones(1, 7), torch.zeros(1, 7)])
    R = weighted_covariance(y, weights)
    assert R.shape == (2, 2, 2, 3, 3)
    torch.testing.assert_close(R[1, :, 0], torch.einsum("mft,nft->fmn", y[1], y[1].conj()) / 7)
    assert not bool(R[:, :, 1].any())
