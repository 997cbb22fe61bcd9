"""Kernels for many small covariances: the largest generalised eigenvector against scipy's, and systems of equations."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch

from arrayscene.kernels import Principal, principal, principal_torch, solve_positive, solve_positive_torch
from drawn import randn

BOTH = pytest.mark.parametrize("solve", [principal, principal_torch])
Solver = Callable[[torch.Tensor, torch.Tensor], Principal]


def pair(rank: int = 4, n_mics: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    half, noise = randn(5, n_mics, rank), randn(5, n_mics, 3 * n_mics, seed=1)
    return half @ half.mH, noise @ noise.mH


@BOTH
@pytest.mark.parametrize("rank", [1, 2, 4])
def test_it_is_the_largest_generalised_eigenvector(rank: int, solve: Solver) -> None:
    R_s, R_n = pair(rank)
    found = solve(R_s, R_n)
    for f in range(5):
        values, vectors = scipy.linalg.eigh(R_s[f].numpy(), R_n[f].numpy())
        w = found.filter[f].numpy()
        np.testing.assert_allclose(found.value[f], values[-1], rtol=1e-9)
        np.testing.assert_allclose(abs(vectors[:, -1].conj() @ R_n[f].numpy() @ w), 1, rtol=1e-9)
        np.testing.assert_allclose(found.vector[f], R_n[f].numpy() @ w, rtol=1e-8)


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.complex64, 1e-3), (torch.complex128, 1e-9)])
@pytest.mark.parametrize("n_mics", [1, 2, 9])
def test_the_kernel_is_its_torch_statement(n_mics: int, dtype: torch.dtype, allowed: float) -> None:
    R_s, R_n = (R.to(dtype) for R in pair(max(n_mics - 1, 1), n_mics))
    # One R_n for several R_s, and one R_s for several R_n.
    for source, rest in ((R_s, R_n), (torch.stack([R_s, R_s.flip(0)]), R_n), (R_s[0], R_n[:, None])):
        for found, wanted in zip(principal(source, rest), principal_torch(source, rest), strict=True):
            assert found.dtype == wanted.dtype
            assert found.shape == wanted.shape
            assert float((found - wanted).abs().max()) <= allowed * float(wanted.abs().max())


@BOTH
@pytest.mark.parametrize("second", [0.5, 0.99, 0.9999, 1.0])
def test_it_filters_as_well_where_eigenvalues_are_close(second: float, solve: Solver) -> None:
    V = torch.linalg.qr(randn(4, 4))[0]
    values = torch.tensor([0.1, 0.2, second, 1.0], dtype=torch.float64)
    found = solve((V * values) @ V.mH, torch.eye(4, dtype=torch.complex128))
    assert 1 - 1e-4 <= float(found.value) <= 1 + 1e-12


@BOTH
def test_nothing_stands_out_of_something(solve: Solver) -> None:
    found = solve(torch.zeros(2, 3, 3, dtype=torch.complex128), torch.eye(3, dtype=torch.complex128))
    assert not bool(found.value.any())
    assert all(bool(torch.isfinite(part.abs()).all()) for part in found)


def test_gradients_agree_with_differences_and_stay_finite_where_eigenvalues_coincide() -> None:
    R_s, noise = pair(2, 3)[0][:2], randn(2, 3, 9, seed=1).requires_grad_()

    def figures(frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = principal(R_s, frames @ frames.mH)
        return found.value, found.filter.abs()

    torch.autograd.gradcheck(figures, (noise,))
    alike = torch.eye(3, dtype=torch.complex128).requires_grad_()
    found = principal(alike, torch.eye(3, dtype=torch.complex128))
    (gradient,) = torch.autograd.grad(found.filter.abs().square().sum() + found.value, alike)
    assert bool(torch.isfinite(gradient.abs()).all())


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.complex64, 1e-3), (torch.complex128, 1e-9)])
@pytest.mark.parametrize("n_mics", [1, 3, 9, 17])
def test_the_solver_is_its_torch_statement(n_mics: int, dtype: torch.dtype, allowed: float) -> None:
    R = pair(1, n_mics)[1].to(dtype)
    B = randn(5, n_mics, 2, seed=3).to(dtype)
    for left, right in ((R, B), (R, B[0].conj()), (R[0].mT, B), (R[:, None], torch.stack([B, 2 * B], dim=1).mH.mT)):
        kept = right.clone()
        found, wanted = solve_positive(left, right), solve_positive_torch(left, right)
        assert found.dtype == wanted.dtype
        assert found.shape == wanted.shape
        assert float((found - wanted).abs().max()) <= allowed * float(wanted.abs().max())
        assert torch.equal(right, kept)


def test_the_solver_is_differentiable_and_survives_singular_matrices() -> None:
    half = randn(2, 3, 5).requires_grad_()
    torch.autograd.gradcheck(lambda frames: solve_positive(frames @ frames.mH, randn(2, 3, 1, seed=3)), (half,))
    singular = torch.ones(2, 3, 3, dtype=torch.complex128)
    assert bool(torch.isfinite(solve_positive(singular, randn(2, 3, 1)).abs()).all())
    assert bool(torch.isfinite(solve_positive(0 * singular, 0 * randn(2, 3, 1)).abs()).all())
