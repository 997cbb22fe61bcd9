"""Blind methods that take every frequency by itself and put the frequencies in order afterwards."""

from typing import get_args

import pytest
import torch
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.decoders import (
    ILRMA,
    SDWMWF,
    AuxIVA,
    BlindClustering,
    Clustering,
    FastMNMF,
    FrequencyDomainICA,
    Masking,
    Masks,
    OverIVA,
)
from arrayscene.decoders.frequency_domain_ica import Algorithm
from arrayscene.errors import ShapeError
from arrayscene.response import MatrixResponse, PlaneWave, Response
from arrayscene.stft import STFT

TRANSFORM, RATE = STFT(128), 8000
FREQUENCIES = TRANSFORM.frequencies(RATE)
AZIMUTHS = torch.tensor([0.3, 1.6, 2.9])


def talkers(n_sources: int, n_frames: int = 300) -> Tensor:
    """(source, freq, frame) sparse sources that come and go at all frequencies."""
    g = torch.Generator().manual_seed(11)
    level = torch.randn(n_sources, 1, n_frames // 6, dtype=torch.float64, generator=g).repeat_interleave(6, dim=-1)
    fine = torch.randn(n_sources, len(FREQUENCIES), n_frames, dtype=torch.float64, generator=g)
    phase = torch.randn(n_sources, len(FREQUENCIES), n_frames, dtype=torch.complex128, generator=g)
    return phase * torch.exp(2.5 * level + fine)


def rooms(n_mics: int, n_sources: int) -> Tensor:
    """(freq, mic, source) that have nothing in common from frequency to frequency."""
    g = torch.Generator().manual_seed(12)
    return torch.randn(len(FREQUENCIES), n_mics, n_sources, dtype=torch.complex128, generator=g)


def alike(x: Tensor, wanted: Tensor) -> Tensor:
    """(found, wanted) cosines between signals (..., freq, frame), over all frequencies."""
    found, true = (each / torch.linalg.vector_norm(each, dim=(-2, -1), keepdim=True) for each in (x, wanted))
    return torch.einsum("sft,kft->sk", found, true.conj()).abs()


@pytest.mark.parametrize("algorithm", get_args(Algorithm))
@pytest.mark.parametrize("n", [2, 3])
def test_sources_come_apart_and_stay_whole_over_frequency(n: int, algorithm: Algorithm) -> None:
    x, A = talkers(n), rooms(n, n)
    y = torch.einsum("fms,sft->mft", A, x)
    estimate = FrequencyDomainICA(algorithm=algorithm)(y.to(torch.complex64))
    score = alike(estimate.x.to(x), A[:, 0].T[..., None] * x)
    assert sorted(score.argmax(1).tolist()) == list(range(n))
    assert float(score.amax(1).min()) > 0.95
    assert estimate.response is not None
    order = score.argmax(1)
    relative = A[..., order] / A[:, :1, order]
    error = torch.linalg.vector_norm(estimate.response.matrix() - relative, dim=-2) / torch.linalg.vector_norm(relative, dim=-2)
    assert float(error.median()) < 0.15


def test_of_more_outputs_the_loudest_are_kept() -> None:
    x, A = talkers(2), rooms(3, 2)
    y = torch.einsum("fms,sft->mft", A, x) + 1e-3 * talkers(3).roll(50, -1)
    score = alike(FrequencyDomainICA(2)(y).x, A[:, 0].T[..., None] * x)
    assert sorted(score.argmax(1).tolist()) == [0, 1]
    assert float(score.amax(1).min()) > 0.9


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 2]])
def test_outputs_follow_the_sources_of_the_response(order: list[int]) -> None:
    x, A = talkers(3), rooms(3, 3)
    y = torch.einsum("fms,sft->mft", A, x)
    rough = A + 0.5 * rooms(3, 3).roll(1, 0)
    found = FrequencyDomainICA()(y, MatrixResponse(rough[..., order], FREQUENCIES)).x
    score = alike(found, A[:, 0].T[..., None] * x)
    assert score.argmax(1).tolist() == order
    assert float(score.amax(1).min()) > 0.95


def underdetermined() -> tuple[Tensor, Tensor, Response]:
    """Three talkers on two microphones: the recording, their images at the first, and plane waves from their directions."""
    response = PlaneWave(MicrophoneArray.linear(2, 0.1), AZIMUTHS, frequencies=FREQUENCIES)
    x = talkers(3)
    A = response.matrix() * (1 + 0.3 * rooms(2, 3))
    y = torch.einsum("fms,sft->mft", A, x)
    return y, A[:, 0].T[..., None] * x, response


def test_three_talkers_on_two_microphones_without_directions() -> None:
    y, images, _ = underdetermined()
    statistics = Clustering(BlindClustering(3), 10)
    before = alike(y[:1].expand(3, -1, -1), images).amax(0)
    for decoder in (Masking(statistics=statistics), SDWMWF(statistics)):
        score = alike(decoder(y.to(torch.complex64)).x.to(images), images)
        assert sorted(score.argmax(1).tolist()) == [0, 1, 2]
        assert bool((score.amax(0) > before + 0.1).all())


def test_a_response_says_which_class_is_whose() -> None:
    y, _, response = underdetermined()
    for order in ([0, 1, 2], [2, 0, 1]):
        named = BlindClustering().shares(y, response.select(order))
        blind = BlindClustering(3).shares(y)
        assert named.shape == blind.shape == (4, len(FREQUENCIES), y.shape[-1])
        torch.testing.assert_close(named.sum(0), torch.ones_like(named[0]))
        share = y.abs().square().mean(0)
        mean = [float((named[k] * share).sum()) for k in range(3)]
        assert sorted(mean) == pytest.approx(sorted(float((blind[k] * share).sum()) for k in range(3)))
        if order == [0, 1, 2]:
            first = named
    torch.testing.assert_close(named[:3], first[[2, 0, 1]])


def test_masks_learnt_from_the_whole_are_known_at_every_step() -> None:
    y, _, response = underdetermined()
    decoder = Masking(statistics=Clustering(BlindClustering(3, 5), 3))
    state = decoder.init(y, response)
    parts = []
    for start in range(0, y.shape[-1], 70):
        part, state = decoder.step(y[..., start : start + 70], state)
        parts.append(part.x)
    torch.testing.assert_close(torch.cat(parts, -1), decoder(y, response).x)


@pytest.mark.parametrize("method", [AuxIVA, FastMNMF, ILRMA, OverIVA])
@pytest.mark.parametrize("n_iter", [-1, 1.5])
def test_iterations_are_a_whole_number(method: type[AuxIVA], n_iter: int) -> None:
    with pytest.raises(ShapeError, match=rf"{method.__name__}: n_iter={n_iter} came; a whole number"):
        method(n_iter=n_iter)


def test_what_cannot_be_said_is_refused() -> None:
    y, _, response = underdetermined()
    with pytest.raises(ShapeError, match="say how many"):
        BlindClustering().shares(y)
    with pytest.raises(ShapeError, match="response of 3 sources"):
        BlindClustering(2).shares(y, response)
    with pytest.raises(ShapeError, match="n_iter=0"):
        BlindClustering(2, 0)
    with pytest.raises(ShapeError, match="'infomax'"):
        FrequencyDomainICA(algorithm="infomax")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="beta=2"):
        FrequencyDomainICA(beta=2)
    with pytest.raises(ShapeError, match="3 sources came for 2"):
        FrequencyDomainICA(3)(y)
    with pytest.raises(ShapeError, match="4 sources came with 3"):
        Masking(statistics=Masks(torch.ones(4, 1, y.shape[-1]) / 4))(y, response)
