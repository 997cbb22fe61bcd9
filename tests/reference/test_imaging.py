"""Methods of imaging against the papers' equations, and their kernels against plain statements."""

from __future__ import annotations

import imaging_by_hand
import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from torch import Tensor

from arrayscene.imaging import CleanSC, Conventional, CovarianceFitting, Damas, Functional
from arrayscene.kernels import (
    clean_sc,
    clean_sc_torch,
    nonnegative_sweeps,
    nonnegative_sweeps_torch,
    point_spread,
    point_spread_torch,
    real_inner,
    real_inner_torch,
    spherical_waves,
    spherical_waves_torch,
)

diagonal = pytest.mark.parametrize("remove_diagonal", [True, False])


@pytest.fixture(scope="module")
def scene() -> tuple[Tensor, Tensor]:
    """C (freq, mic, mic) of sampled sources and noise, and A (freq, mic, point): 7 microphones, 12 points."""
    g = torch.Generator().manual_seed(4)
    strength = torch.rand(7, 12, dtype=torch.float64, generator=g) + 0.5
    detour = torch.rand(7, 12, dtype=torch.float64, generator=g)
    A = spherical_waves_torch(strength, detour, torch.tensor([20.0, 55.0], dtype=torch.float64)).to(torch.complex128)
    x = torch.randn(2, 12, 50, dtype=torch.complex128, generator=g) * torch.tensor([0, 0, 1.0] * 3 + [0.5, 0, 0])[:, None]
    y = A @ x + 0.3 * torch.randn(2, 7, 50, dtype=torch.complex128, generator=g)
    return y @ y.mH / 50, A


@diagonal
def test_conventional(scene: tuple[Tensor, Tensor], remove_diagonal: bool) -> None:
    C, A = scene
    found = Conventional(remove_diagonal=remove_diagonal)(C, A)
    for f in range(2):
        h = imaging_by_hand.true_level(A[f].numpy())
        expected = [imaging_by_hand.beam(C[f].numpy(), h[:, q], remove_diagonal) for q in range(12)]
        np.testing.assert_allclose(found[f], expected, rtol=1e-10, atol=1e-12)


def test_functional(scene: tuple[Tensor, Tensor]) -> None:
    from scipy.linalg import fractional_matrix_power

    C, A = scene
    found = Functional(exponent=4)(C, A)
    h = imaging_by_hand.true_level(A[1].numpy())
    root = fractional_matrix_power(C[1].numpy(), 0.25)
    for q in range(12):
        length = np.linalg.norm(h[:, q])
        unit = h[:, q] / length
        assert float(found[1, q]) == pytest.approx(np.vdot(unit, root @ unit).real ** 4 * length**2)


@diagonal
@pytest.mark.parametrize("n_iter", [1, 4, 14])
def test_clean_sc(scene: tuple[Tensor, Tensor], n_iter: int, remove_diagonal: bool) -> None:
    C, A = scene
    found = CleanSC(n_iter=n_iter, remove_diagonal=remove_diagonal)(C, A)
    for f in range(2):
        expected = imaging_by_hand.clean_sc(C[f].numpy(), A[f].numpy(), 0.6, n_iter, 3, remove_diagonal)
        np.testing.assert_allclose(found[f], expected, rtol=1e-9, atol=1e-12)


@diagonal
def test_damas(scene: tuple[Tensor, Tensor], remove_diagonal: bool) -> None:
    C, A = scene
    found = Damas(n_iter=7, remove_diagonal=remove_diagonal)(C, A)
    for f in range(2):
        expected = imaging_by_hand.damas(C[f].numpy(), A[f].numpy(), 7, remove_diagonal)
        np.testing.assert_allclose(found[f], expected, rtol=1e-9, atol=1e-12)


@diagonal
def test_covariance_fitting_is_nonnegative_least_squares(scene: tuple[Tensor, Tensor], remove_diagonal: bool) -> None:
    C, A = scene
    found = CovarianceFitting(n_iter=20_000, tolerance=1e-12, price=0, remove_diagonal=remove_diagonal)(C, A)
    for f in range(2):
        columns = np.einsum("mp,np->mnp", A[f].numpy(), A[f].numpy().conj()).reshape(49, 12)
        kept = ~np.eye(7, dtype=bool).ravel() if remove_diagonal else np.ones(49, dtype=bool)
        system = np.vstack([columns[kept].real, columns[kept].imag])
        target = C[f].numpy().ravel()[kept]
        expected, _ = nnls(system, np.concatenate([target.real, target.imag]))
        np.testing.assert_allclose(found[f], expected, atol=1e-6)


def test_covariance_fitting_stops_when_nothing_changes(scene: tuple[Tensor, Tensor]) -> None:
    _, A = scene
    a = A[1] / A[1].abs().square().sum(0).sqrt()
    S = point_spread(a, a, remove_diagonal=False)
    y = S.mT @ torch.linspace(0.1, 1.0, 12, dtype=torch.float64)
    _, sweeps = nonnegative_sweeps(S, y, torch.zeros_like(y), 5000, 1e-3)
    assert sweeps < 5000
    assert nonnegative_sweeps(S, y, torch.zeros_like(y), 5, 0.0)[1] == 5


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@diagonal
def test_kernels_agree_with_their_statements(scene: tuple[Tensor, Tensor], dtype: torch.dtype, remove_diagonal: bool) -> None:
    C, A = scene
    W, close = A.to(dtype), 1e-5 if dtype == torch.complex64 else 1e-12
    S, plain = (make(W[0], W[1], remove_diagonal=remove_diagonal) for make in (point_spread, point_spread_torch))
    assert S.dtype == W.real.dtype
    torch.testing.assert_close(S, plain, rtol=close, atol=close * float(plain.abs().max()))
    seen = C - torch.diag_embed(C.diagonal(dim1=-2, dim2=-1)) if remove_diagonal else C
    dirty = (W.conj() * (seen.to(dtype) @ W)).sum(1).real
    options = {"remove_diagonal": remove_diagonal, "damping": 0.6, "n_iter": 8, "patience": 3}
    found, expected = clean_sc(dirty, C, W, **options), clean_sc_torch(dirty, C, W, **options)
    torch.testing.assert_close(found, expected, rtol=10 * close, atol=10 * close * float(expected.max()))
    expected = real_inner_torch(W, W.flip(0))
    torch.testing.assert_close(real_inner(W, W.flip(0)), expected, rtol=close, atol=close * float(expected.abs().max()))
    square = point_spread(W[0], W[0], remove_diagonal=False)
    y = dirty[0]
    found, sweeps = nonnegative_sweeps(square, y, y.clamp_min(0), 9)
    expected, other = nonnegative_sweeps_torch(square, y, y.clamp_min(0), 9)
    torch.testing.assert_close(found, expected, rtol=100 * close, atol=100 * close)
    assert sweeps == other


def test_spherical_waves_keep_their_phase_far_away() -> None:
    """Thousands of wavelengths away the phase is still right to single precision."""
    g = torch.Generator().manual_seed(1)
    strength = torch.rand(5, 70, dtype=torch.float64, generator=g)
    detour = 200 * torch.rand(5, 70, dtype=torch.float64, generator=g) - 100
    k = torch.tensor([0.0, 1.0, 400.0], dtype=torch.float64)
    found, expected = spherical_waves(strength, detour, k), spherical_waves_torch(strength, detour, k)
    assert float((found - expected).abs().max()) < 1e-6


def test_the_statements_serve_gradients(scene: tuple[Tensor, Tensor]) -> None:
    C, A = scene
    free = A.clone().requires_grad_(True)
    Conventional()(C, free).sum().backward()
    assert free.grad is not None
    assert bool(torch.isfinite(torch.view_as_real(free.grad)).all())
