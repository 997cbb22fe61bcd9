"""The rounds of the angular mixture: the compiled ones against the plain ones, and these against the paper's equations."""

import pytest
import torch
from cacgmm_by_hand import rounds
from torch import Tensor

from arrayscene.kernels import cacgmm_rounds, cacgmm_rounds_torch


def case(dtype: torch.dtype, *leading: int, n_frames: int = 40) -> tuple[Tensor, Tensor]:
    """Three sources that take turns, three microphones, and shares that know a little of it."""
    g = torch.Generator().manual_seed(4)
    owner = torch.randint(0, 3, (*leading, 1, 5, n_frames), generator=g)
    x = torch.randn(*leading, 3, 5, n_frames, dtype=dtype, generator=g) * (owner == torch.arange(3)[:, None, None])
    A = torch.randn(*leading, 5, 3, 3, dtype=dtype, generator=g)
    y = torch.einsum("...fmk,...kft->...mft", A, x) + 0.1 * torch.randn(x.shape, dtype=dtype, generator=g)
    w = torch.rand(x.shape, dtype=y.real.dtype, generator=g) + 0.5 * (owner == torch.arange(3)[:, None, None])
    return y, w / w.sum(-3, keepdim=True)


@pytest.mark.parametrize("tied", [True, False])
def test_every_number_agrees_with_the_equations(tied: bool) -> None:
    y, w = case(torch.complex128)
    wanted = torch.from_numpy(rounds(y.numpy(), w.numpy(), 3, 1e-2, tied))
    for found in (cacgmm_rounds(y, w, 3, loading=1e-2, tied=tied), cacgmm_rounds_torch(y, w, 3, loading=1e-2, tied=tied)):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.complex64, 1e-4), (torch.complex128, 1e-10)])
def test_compiled_rounds_are_the_plain_ones(dtype: torch.dtype, allowed: float, leading: tuple[int, ...], tied: bool) -> None:
    y, w = case(dtype, *leading)
    # A class that is kept out of some frames, and a frame of silence.
    w[..., 0, :, :9] = 0
    y[..., 20] = 0
    before = w.clone()
    found, wanted = (each(y, w, 5, loading=1e-3, tied=tied) for each in (cacgmm_rounds, cacgmm_rounds_torch))
    assert found.dtype == wanted.dtype
    torch.testing.assert_close(found, wanted, rtol=0, atol=allowed)
    torch.testing.assert_close(found.sum(-3), torch.ones_like(found.sum(-3)))
    assert torch.equal(w, before)
    if tied:
        assert float(found[..., 0, :, :9].max()) < 1e-12


def test_views_lazy_conjugates_and_shared_frequencies() -> None:
    y, w = case(torch.complex128)
    turned = y.mT.contiguous().mT.conj()
    shared = w[..., :1, :].mT.contiguous().mT
    wanted = cacgmm_rounds_torch(turned.resolve_conj().contiguous(), shared.expand_as(w), 2, loading=1e-3, tied=True)
    torch.testing.assert_close(cacgmm_rounds(turned, shared, 2, loading=1e-3, tied=True), wanted, rtol=0, atol=1e-10)


def test_silence_and_single_frames() -> None:
    for n_frames in (1, 2):
        y, w = case(torch.complex64, n_frames=n_frames)
        for frames in (0 * y, 1e-20 * y, y):
            for tied in (True, False):
                found, wanted = (each(frames, w, 3, loading=1e-3, tied=tied) for each in (cacgmm_rounds, cacgmm_rounds_torch))
                torch.testing.assert_close(found, wanted, rtol=0, atol=1e-3)


def test_gradients_flow() -> None:
    y, w = case(torch.complex128)
    leaf = y.requires_grad_()
    cacgmm_rounds(leaf, w, 2, loading=1e-2, tied=True)[0].sum().backward()
    assert leaf.grad is not None
    assert float(leaf.grad.abs().sum()) > 0
