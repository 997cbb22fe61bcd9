"""AuxIVA and OverIVA against the papers' equations, and against what they are for."""

import auxiva_by_hand
import numpy as np
import overiva_by_hand
import pytest
import torch
from closeness import assert_equal
from torch import Tensor

from arrayscene.decoders import AuxIVA, Decoder, OverIVA
from arrayscene.decoders.auxiva import Update
from arrayscene.decoders.source_models import Model
from arrayscene.errors import ShapeError
from arrayscene.response import MatrixResponse, PlaneWave

N_MICS, N_FREQS, N_FRAMES = 3, 6, 80

PRECISION = [(torch.complex128, 1e-5), (torch.complex64, 2e-3)]


def mixture(
    n_frames: int = N_FRAMES, n_freqs: int = N_FREQS, n_sources: int = N_MICS, n_mics: int = N_MICS, noise: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """y (mic, freq, frame), images of the sources at microphone 1, and A (freq, mic, source): sources that come and go."""
    generator = np.random.default_rng(3)

    def gauss(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape) + 1j * generator.standard_normal(shape)

    x = gauss(n_sources, n_freqs, n_frames) * generator.gamma(0.4, size=(n_sources, 1, n_frames))
    A = gauss(n_freqs, n_mics, n_sources)
    y = np.einsum("fms,sft->mft", A, x) + noise * gauss(n_mics, n_freqs, n_frames)
    return torch.tensor(y), torch.tensor(np.einsum("fs,sft->sft", A[:, 0], x)), torch.tensor(A)


def likeness(x: Tensor, images: Tensor) -> Tensor:
    """(source, image) 0 to 1."""
    product = torch.einsum("sft,kft->sk", x.to(images), images.conj()).abs()
    return product / torch.linalg.vector_norm(x, dim=(1, 2))[:, None] / torch.linalg.vector_norm(images, dim=(1, 2))


@pytest.mark.parametrize(("model", "update"), [("gauss", "iss"), ("laplace", "iss"), (0.5, "ip"), ("gauss", "ip2")])
@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
def test_every_number_agrees_with_the_equations(model: Model | float, update: Update, dtype: torch.dtype, allowed: float) -> None:
    y, _, _ = mixture()
    start = np.tile(np.eye(N_MICS), (N_FREQS, 1, 1))
    wanted = auxiva_by_hand.separate(y.numpy(), start, model, update, n_iter=4, n_sweeps=2, reference=0)
    assert_equal(AuxIVA(model=model, update=update, n_iter=4, n_sweeps=2), y.to(dtype), wanted, allowed)


@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
def test_every_number_agrees_with_the_background_written_out(dtype: torch.dtype, allowed: float) -> None:
    y, _, _ = mixture(n_sources=4, n_mics=4)
    # The start is from the loudest microphones.
    y = y * torch.tensor([4.0, 3.0, 2.0, 1.0])[:, None, None]
    wanted = overiva_by_hand.separate(y.numpy(), 2, "gauss", 4, reference=0)
    assert_equal(OverIVA(2, update="ip", n_iter=4, n_sweeps=1), y.to(dtype), wanted, allowed)


@pytest.mark.parametrize(
    ("model", "update"),
    [("gauss", "iss"), ("gauss", "ip"), ("gauss", "ip2"), ("laplace", "ip")],
)
def test_sources_come_apart_and_stay_whole_over_frequency(model: Model, update: Update) -> None:
    y, images, _ = mixture(400, 16)
    like = likeness(AuxIVA(model=model, update=update, n_iter=40)(y.to(torch.complex64)).x, images)
    assert sorted(like.argmax(1).tolist()) == [0, 1, 2]
    assert float(like.amax(1).min()) > 0.95


@pytest.mark.parametrize("update", ["ip", "ip2"])
def test_two_sources_come_out_of_the_noise_of_five_microphones(update: str) -> None:
    y, images, _ = mixture(400, 16, n_sources=2, n_mics=5, noise=0.05)
    like = likeness(OverIVA(2, update=update)(y.to(torch.complex64)).x, images)  # type: ignore[arg-type]
    assert sorted(like.argmax(1).tolist()) == [0, 1]
    assert float(like.amax(1).min()) > 0.95


@pytest.mark.parametrize(
    "decoder", [AuxIVA(update="ipa"), AuxIVA(model="laplace"), AuxIVA(model="banded"), OverIVA(), OverIVA(model=0.5)]
)
def test_outputs_follow_the_sources_of_the_response_from_which_they_start(decoder: Decoder) -> None:
    y, images, A = mixture(400, n_sources=2, noise=0.01)
    order = [1, 0]
    estimate = decoder(y, MatrixResponse(A[..., order], torch.arange(N_FREQS)))
    assert estimate.x.shape[0] == 2
    assert float(likeness(estimate.x, images[order]).diagonal().min()) > 0.95
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


@pytest.mark.parametrize("kind", [AuxIVA, OverIVA])
def test_held_outputs_hear_their_directions(kind: type[AuxIVA | OverIVA]) -> None:
    """The stronger they are held, the more of each row lies along the wave from its direction."""
    y, _, _ = mixture()
    positions = torch.tensor([[0.05, 0, 0], [-0.03, 0.04, 0], [0, -0.05, 0]], dtype=torch.float64)
    response = PlaneWave(positions, torch.tensor([0.3, 2.0], dtype=torch.float64), frequencies=torch.linspace(500, 3000, N_FREQS))
    A = response.matrix() / N_MICS**0.5
    along = []
    for strength in (0.0, 0.1, 100.0):
        D = kind(directional=strength).init(y, response).D
        along.append(float(((D * A.mT).sum(-1).abs() / torch.linalg.vector_norm(D, dim=-1)).min()))
    assert along[0] < along[1] < along[2]
    assert along[2] > 0.99


def test_outputs_that_are_alike_or_silent_stay_finite_and_no_louder_than_the_recording() -> None:
    y, _, _ = mixture()
    y = y.to(torch.complex64)
    alike, silent, few = y.clone(), y.clone(), y[..., :2]
    alike[1] = alike[0]
    alike[2] = 2j * alike[0]
    silent[1] = 0
    tone = torch.zeros_like(y)
    tone[:, 3] = y[:, 3, :1] * torch.exp(0.3j * torch.arange(N_FRAMES))
    for recording in (alike, silent, few, tone, 1e-20 * y, 1e15 * y):
        for decoder in (AuxIVA(update="iss"), AuxIVA(update="ip"), AuxIVA(), AuxIVA(update="ipa"), AuxIVA(model=0.2), OverIVA(2)):
            x = decoder(recording).x
            assert float(x.abs().max()) < 10 * float(recording.abs().max())


@pytest.mark.parametrize("make", [lambda: AuxIVA(model="cauchy"), lambda: AuxIVA(model=2.0), lambda: OverIVA(update="ipa")])  # type: ignore[arg-type]
def test_what_there_is_not_is_refused(make: object) -> None:
    with pytest.raises(ShapeError, match="came"):
        make()  # type: ignore[operator]
