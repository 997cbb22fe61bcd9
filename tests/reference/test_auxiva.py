"""AuxIVA against the papers' equations, and against what it is for."""

import numpy as np
import pytest
import torch
from auxiva_by_hand import separate

from arrayscene.decoders import AuxIVA
from arrayscene.decoders.auxiva import Model
from arrayscene.response import MatrixResponse

N_MICS, N_FREQS, N_FRAMES = 3, 6, 80


def mixture(n_frames: int = N_FRAMES, n_freqs: int = N_FREQS) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """y (mic, freq, frame), images of the sources at microphone 1, and A (freq, mic, source): sources that come and go."""
    generator = np.random.default_rng(3)

    def gauss(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape) + 1j * generator.standard_normal(shape)

    x = gauss(N_MICS, n_freqs, n_frames) * generator.gamma(0.4, size=(N_MICS, 1, n_frames))
    A = gauss(n_freqs, N_MICS, N_MICS)
    y = np.einsum("fms,sft->mft", A, x)
    return torch.tensor(y), torch.tensor(np.einsum("fs,sft->sft", A[:, 0], x)), torch.tensor(A)


@pytest.mark.parametrize("model", ["gauss", "laplace"])
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.complex128, 1e-6), (torch.complex64, 1e-3)])
def test_every_number_agrees_with_the_equations(model: Model, dtype: torch.dtype, allowed: float) -> None:
    y, _, _ = mixture()
    blind = AuxIVA(model=model, n_iter=4)
    wanted = separate(y.numpy(), np.tile(np.eye(N_MICS), (N_FREQS, 1, 1)), model, 4, reference=0)
    compiled = blind(y.to(dtype)).x
    plain = blind(y.to(dtype).requires_grad_()).x.detach()
    for found in (compiled, plain):
        assert float((found - torch.tensor(wanted)).abs().max() / np.abs(wanted).max()) < allowed


@pytest.mark.parametrize("model", ["gauss", "laplace"])
def test_sources_come_apart_and_stay_whole_over_frequency(model: Model) -> None:
    y, images, _ = mixture(400, 16)
    x = AuxIVA(model=model, n_iter=40)(y.to(torch.complex64)).x
    likeness = torch.einsum("sft,kft->sk", x.to(images), images.conj()).abs()
    likeness /= torch.linalg.vector_norm(x, dim=(1, 2))[:, None] * torch.linalg.vector_norm(images, dim=(1, 2))
    assert sorted(likeness.argmax(1).tolist()) == [0, 1, 2]
    assert float(likeness.amax(1).min()) > 0.95


@pytest.mark.parametrize("model", ["gauss", "laplace", "banded"])
def test_outputs_follow_the_sources_of_the_response_from_which_they_start(model: Model) -> None:
    y, images, A = mixture(400)
    order = [2, 0]
    decoder = AuxIVA(model=model, n_iter=20)
    estimate = decoder(y, MatrixResponse(A[..., order], torch.arange(N_FREQS)))
    assert estimate.x.shape[0] == 2
    for found, wanted in zip(estimate.x, images[order], strict=True):
        likeness = (found * wanted.conj()).sum().abs() / torch.linalg.vector_norm(found) / torch.linalg.vector_norm(wanted)
        assert float(likeness) > 0.95
    # The A that comes back is the true one, each source at its strength at the reference microphone.
    assert estimate.response is not None
    wanted = A[..., order] / A[:, :1, order]
    error = torch.linalg.vector_norm(estimate.response.matrix() - wanted, dim=-2) / torch.linalg.vector_norm(wanted, dim=-2)
    assert float(error.max()) < 0.2


def test_fewer_outputs_are_the_loudest() -> None:
    y, _, _ = mixture(400)
    every, loudest = AuxIVA(n_iter=10)(y).x, AuxIVA(2, n_iter=10)(y).x
    level = every.abs().square().sum(dim=(1, 2))
    kept = {int((every - one).abs().sum(dim=(1, 2)).argmin()) for one in loudest}
    assert kept == set(level.argsort(descending=True)[:2].tolist())
