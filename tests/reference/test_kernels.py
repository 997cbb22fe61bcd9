"""Compiled kernels against their plain statements, and those against the formula, bin by bin."""

import numpy as np
import pytest
import torch
from closeness import assert_close
from torch import Tensor

from arrayscene.kernels import (
    banded_weights,
    banded_weights_torch,
    image_statistics,
    image_statistics_torch,
    multichannel_wiener,
    multichannel_wiener_torch,
    self_test,
)

PRECISION = [(torch.complex64, 1e-4), (torch.complex128, 1e-10)]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def banded_case(dtype: torch.dtype, *leading: int) -> tuple[Tensor, Tensor]:
    """Powers that span 80 dB; bands of 1, up to 3 and all bins."""
    y = torch.randn(*leading, 7, 4, 33, dtype=dtype, generator=generator())
    bins = torch.arange(7)
    edges = [torch.stack([(bins - half).clamp(min=0), (bins + half + 1).clamp(max=7)], dim=-1) for half in (0, 1, 7)]
    return y.abs().square() * 10 ** (-8 * torch.rand(y.shape, dtype=y.real.dtype, generator=generator())), torch.stack(edges)


def wiener_case(dtype: torch.dtype, *leading: int) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """Three sources of rank 1 or full rank, variances over 60 dB, four microphones."""
    g = generator()
    y = torch.randn(*leading, 4, 6, 21, dtype=dtype, generator=g)
    variances = 10 ** (-6 * torch.rand(*leading, 3, 6, 21, dtype=y.real.dtype, generator=g))
    factor = torch.randn(*leading, 6, 3, 4, 4, dtype=dtype, generator=g)
    factor[..., 0, :, 1:] = 0
    noise = 1e-4 * (1 + torch.rand(*leading, 6, dtype=y.real.dtype, generator=g))
    return y, variances, factor @ factor.mH, noise, 2


@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
def test_banded_kernel(dtype: torch.dtype, allowed: float, leading: tuple[int, ...]) -> None:
    power, edges = banded_case(dtype, *leading)
    assert_close(banded_weights(power, edges), banded_weights_torch(power, edges), allowed)
    silent = torch.zeros_like(power)
    assert_close(banded_weights(silent, edges), banded_weights_torch(silent, edges), allowed)


@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
def test_wiener_kernel(dtype: torch.dtype, allowed: float, leading: tuple[int, ...]) -> None:
    case = wiener_case(dtype, *leading)
    assert_close(multichannel_wiener(*case), multichannel_wiener_torch(*case), allowed)


def test_kernels_take_views_and_lazy_conjugates() -> None:
    y, variances, covariances, noise, reference = wiener_case(torch.complex128)
    wanted = multichannel_wiener_torch(y.conj().resolve_conj(), variances, covariances.mT.contiguous(), noise, reference)
    assert_close(multichannel_wiener(y.conj(), variances.mT.contiguous().mT, covariances.conj(), noise, reference), wanted, 1e-10)


def test_gradients_flow_and_can_be_turned_off() -> None:
    first, second, *rest = wiener_case(torch.complex128)
    first, second = first.requires_grad_(), second.requires_grad_()
    multichannel_wiener(first, second, *rest).abs().sum().backward()
    for leaf in (first, second):
        assert leaf.grad is not None
        assert float(leaf.grad.abs().sum()) > 0
    with torch.no_grad():
        assert not multichannel_wiener(first, second, *rest).requires_grad


def test_gradients_flow_through_banded_weights() -> None:
    power, edges = banded_case(torch.complex128)
    leaf = power.requires_grad_()
    banded_weights(leaf, edges).sum().backward()
    assert leaf.grad is not None
    assert float(leaf.grad.abs().sum()) > 0


def test_wiener_filter_is_the_formula() -> None:
    """x_k = v_k e_ref^T R_k (sum_j v_j R_j + sigma^2 I)^-1 y in every bin."""
    y, v, R, sigma2, reference = wiener_case(torch.complex128)
    found = multichannel_wiener(y, v, R, sigma2, reference).numpy()
    for f in range(y.shape[1]):
        for t in range(y.shape[2]):
            R_yy = sum(v[j, f, t].item() * R[f, j].numpy() for j in range(3)) + sigma2[f].item() * np.eye(4)
            for k in range(3):
                wanted = v[k, f, t].item() * R[f, k].numpy()[reference] @ np.linalg.inv(R_yy) @ y[:, f, t].numpy()
                assert found[k, f, t] == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def image_case(dtype: torch.dtype, *leading: int) -> tuple[Tensor, Tensor, float]:
    """Images of two sources at four microphones in 37 frequencies, 60 dB apart, and a recording that holds more than them."""
    g = generator()
    images = torch.randn(*leading, 2, 4, 37, 21, dtype=dtype, generator=g)
    images = images * 10 ** (-3 * torch.rand(*leading, 2, 1, 37, 1, dtype=images.real.dtype, generator=g))
    return images.sum(-4) + 0.1 * torch.randn(*leading, 4, 37, 21, dtype=dtype, generator=g), images, 1e-3


@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
def test_image_statistics_kernel(dtype: torch.dtype, allowed: float, leading: tuple[int, ...]) -> None:
    case = image_case(dtype, *leading)
    for found, wanted in zip(image_statistics(*case), image_statistics_torch(*case), strict=True):
        assert_close(found, wanted, allowed)
        assert found.shape == wanted.shape
    y, images, floor = case
    for found in image_statistics(torch.zeros_like(y), torch.zeros_like(images), floor):
        assert bool(torch.isfinite(found.abs()).all())


def test_image_statistics_are_the_formula() -> None:
    """Variances are powers over microphones, covariances those of the images over their variances; the rest comes last."""
    y, images, floor = image_case(torch.complex128)
    v, R = image_statistics(y, images, floor)
    parts = torch.cat([images, (y - images.sum(0))[None]])
    power = parts.abs().square().mean(1)
    least = floor * power.mean(-1, keepdim=True) + 1e-6 * y.abs().square().mean((0, 2))[:, None]
    torch.testing.assert_close(v, power.maximum(least))
    for f, k in ((0, 0), (36, 2)):
        summed = sum(torch.outer(parts[k, :, f, t], parts[k, :, f, t].conj()) / v[k, f, t] for t in range(y.shape[-1]))
        torch.testing.assert_close(R[f, k], summed / summed.diagonal().real.mean())


def test_banded_weights_are_the_formula() -> None:
    """One over the geometric mean of the powers in each band, each over its mean in time and at least 1e-3 of it."""
    powers, edges = banded_case(torch.complex128)
    found = banded_weights(powers, edges).numpy()
    for f in range(7):
        for k in range(4):
            product = np.ones(33)
            for first, last in edges[:, f].tolist():
                power = np.mean(powers[first:last, k].numpy(), axis=0)
                product *= np.maximum(power / power.mean(), 1e-3)
            np.testing.assert_allclose(found[f, k], 1 / product ** (1 / 3), rtol=1e-9)


def test_doctor_can_rely_on_the_self_test() -> None:
    assert "equal to their torch statements" in self_test()
