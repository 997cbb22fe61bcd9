"""The kernels of independent vector analysis against their plain statements, and those against the equations."""

from collections.abc import Callable

import auxiva_by_hand
import numpy as np
import pytest
import torch
from closeness import assert_close
from torch import Tensor

from arrayscene import kernels
from arrayscene.kernels import Whitened, output_power, source_covariances, whiten, whiten_torch

PRECISION = [(torch.complex64, 1e-4), (torch.complex128, 1e-10)]

UPDATES = ["iss", "ip", "ip2", "ipa"]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def recording(dtype: torch.dtype, *leading: int) -> tuple[Tensor, Tensor]:
    """Frames (..., freq, mic, frame), two of whose four channels differ by a hundredth, and noise."""
    y = torch.randn(*leading, 5, 4, 33, dtype=dtype, generator=generator())
    y[..., 1, :] = y[..., 0, :] + 0.01 * y[..., 1, :]
    return y, torch.full(y.shape[:-2], 1e-6, dtype=y.real.dtype)


def weighted(dtype: torch.dtype, *leading: int) -> tuple[Whitened, Tensor]:
    white = whiten(*recording(dtype, *leading))
    return white, torch.rand(*leading, 5, 3, 33, dtype=white.parts.dtype, generator=generator()) ** 3 + 0.01


def matrices(n_sources: int, n_mics: int, *leading: int) -> tuple[Tensor, Tensor]:
    """W and V of sources each of which stands out in some covariance."""
    g = generator()
    y = torch.randn(*leading, 5, n_sources, n_mics, 40, dtype=torch.complex128, generator=g)
    y = y * torch.rand(*leading, 5, n_sources, 1, 40, dtype=torch.float64, generator=g) ** 4
    A = torch.randn(*leading, 5, 1, n_mics, n_mics, dtype=torch.complex128, generator=g)
    y = A @ y
    return torch.randn(*leading, 5, n_sources, n_mics, dtype=torch.complex128, generator=g), y @ y.mH / 40


def both(name: str) -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
    return getattr(kernels, name), getattr(kernels, f"{name}_torch")


@pytest.mark.parametrize("leading", [(), (2, 3)])
@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
def test_whitening_kernel(dtype: torch.dtype, allowed: float, leading: tuple[int, ...]) -> None:
    y, sigma2 = recording(dtype, *leading)
    for found, wanted in zip(whiten(y, sigma2), whiten_torch(y, sigma2), strict=True):
        assert_close(found, wanted, allowed)
    assert_close(whiten(y.mT.contiguous().mT.conj(), sigma2).parts, whiten(y.conj().resolve_conj(), sigma2).parts, 1e-12)


def test_white_means_white() -> None:
    """z = L^-1 y, and its covariance with the noise is the identity."""
    y, sigma2 = recording(torch.complex128)
    parts, L, noise = whiten(y, sigma2)
    z = torch.complex(*parts.unbind(-3))
    assert_close(L @ z, y, 1e-10)
    assert_close(z @ z.mH / z.shape[-1] + noise[:, 0], torch.eye(4, dtype=z.dtype).expand(5, 4, 4), 1e-8)


@pytest.mark.parametrize("leading", [(), (2, 3)])
@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
def test_covariance_and_power_kernels(dtype: torch.dtype, allowed: float, leading: tuple[int, ...]) -> None:
    white, weights = weighted(dtype, *leading)
    kernel, plain = both("exact_covariance")
    y, _ = recording(dtype, *leading)
    assert_close(kernel(y), plain(y), 1e-12)
    kernel, plain = both("source_covariances")
    each = white.noise * torch.arange(1, 4)[:, None, None]
    for w, noise in ((weights, white.noise), (weights[..., :1, :, :], each)):
        assert_close(kernel(white.parts, w, noise), plain(white.parts, w, noise), allowed)
    kernel, plain = both("output_power")
    W, _ = matrices(3, 4, *leading)
    for pooled in (True, False):
        assert_close(kernel(white.parts, W, pooled=pooled), plain(white.parts, W, pooled=pooled), allowed)


def test_covariances_and_power_are_the_formula() -> None:
    white, weights = weighted(torch.complex128)
    z = torch.complex(*white.parts.unbind(-3)).numpy()
    V = source_covariances(white.parts, weights, white.noise).numpy()
    W, _ = matrices(3, 4)
    power = output_power(white.parts, W, pooled=True).numpy()
    for k in range(3):
        for f in range(5):
            w = weights[f, k].numpy()
            wanted = auxiva_by_hand.covariance(z[f], w) + w.mean() * white.noise[f, 0].numpy()
            np.testing.assert_allclose(V[f, k], wanted, atol=1e-12)
        wanted = np.mean([np.abs(W[f, k].numpy() @ z[f]) ** 2 for f in range(5)], axis=0)
        np.testing.assert_allclose(power[0, k], wanted, rtol=1e-10)


@pytest.mark.parametrize("leading", [(), (2, 3)])
@pytest.mark.parametrize("n_mics", [1, 2, 3, 5])
@pytest.mark.parametrize("update", UPDATES)
def test_update_kernels(update: str, n_mics: int, leading: tuple[int, ...]) -> None:
    W, V = matrices(n_mics, n_mics, *leading)
    before = W.clone()
    kernel, plain = both(f"{update}_update")
    assert_close(kernel(W, V, 2), plain(W, V, 2), 1e-8)
    assert torch.equal(W, before)
    assert_close(kernel(W.conj(), V.conj()), kernel(W.conj().resolve_conj(), V.conj().resolve_conj()), 1e-12)


@pytest.mark.parametrize("update", ["ip", "ip2"])
@pytest.mark.parametrize("n_sources", [1, 2, 3])
def test_update_kernels_of_fewer_sources(update: str, n_sources: int) -> None:
    W, V = matrices(n_sources, 4)
    kernel, plain = both(f"{update}_update")
    assert_close(kernel(W, V, 2), plain(W, V, 2), 1e-8)


@pytest.mark.parametrize("n_mics", [2, 3])
@pytest.mark.parametrize("update", UPDATES)
def test_updates_are_the_equations(update: str, n_mics: int) -> None:
    W, V = matrices(n_mics, n_mics)
    found = both(f"{update}_update")[0](W, V)
    for f in range(1 if update == "ipa" else 5):
        wanted = W[f].numpy().copy()
        auxiva_by_hand.SWEEPS[update](wanted, V[f].numpy())
        # The phases of rows are free.
        turn = (wanted * found[f].numpy().conj()).sum(1, keepdims=True)
        np.testing.assert_allclose(found[f].numpy() * turn / np.abs(turn), wanted, atol=1e-4 if update == "ipa" else 1e-9)


@pytest.mark.parametrize("n_mics", [2, 3, 6])
@pytest.mark.parametrize("update", UPDATES)
def test_no_sweep_raises_the_cost(update: str, n_mics: int) -> None:
    W, V = matrices(n_mics, n_mics)
    kernel, _ = both(f"{update}_update")
    costs = []
    for _ in range(6):
        costs.append([auxiva_by_hand.cost(W[f].numpy(), V[f].numpy()) for f in range(5)])
        W = kernel(W, V)
    assert (np.diff(costs, axis=0) < 1e-9).all()


@pytest.mark.parametrize("update", UPDATES)
def test_gradients_flow_and_can_be_turned_off(update: str) -> None:
    W, V = (tensor.requires_grad_() for tensor in matrices(3, 3))
    kernel, _ = both(f"{update}_update")
    kernel(W, V).abs().square().sum().backward()
    for leaf in (W, V):
        assert leaf.grad is not None
        assert float(leaf.grad.abs().sum()) > 0
    with torch.no_grad():
        assert not kernel(W, V).requires_grad
