"""OnlineAuxIVA against its recursion by hand, and against what it is for."""

import numpy as np
import online_by_hand
import pytest
import torch
from test_auxiva import N_FREQS, N_MICS, likeness, mixture

from arrayscene.decoders import OnlineAuxIVA
from arrayscene.decoders.online_auxiva import START
from arrayscene.errors import ShapeError
from arrayscene.response import MatrixResponse


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.complex128, 1e-5), (torch.complex64, 1e-4)])
def test_every_number_agrees_with_the_recursion(dtype: torch.dtype, allowed: float) -> None:
    y, _, _ = mixture()
    start = np.tile(np.eye(N_MICS), (N_FREQS, 1, 1))
    wanted = online_by_hand.separate(y.numpy(), start, block=7, forgetting=0.97, prior=START, reference=1)
    decoder = OnlineAuxIVA(update="ip", block=7, forgetting=0.97, reference=1)
    for recording in (y.to(dtype), y.to(dtype).requires_grad_()):
        found = decoder(recording).x.detach()
        assert float((found - torch.tensor(wanted)).abs().max() / np.abs(wanted).max()) < allowed


@pytest.mark.parametrize("n_sources", [2, 3])
def test_it_separates_what_it_has_heard_for_a_while(n_sources: int) -> None:
    y, images, _ = mixture(800, 16, n_sources=n_sources, noise=0.03)
    x = OnlineAuxIVA(n_sources)(y.to(torch.complex64)).x
    like = likeness(x[..., 400:], images[..., 400:])
    assert sorted(like.argmax(1).tolist()) == list(range(n_sources))
    assert float(like.amax(1).min()) > 0.9


def test_sources_that_move_are_followed() -> None:
    before, after = (mixture(600, 16, n_sources=2, noise=0.03) for _ in range(2))
    y = torch.cat([before[0][[2, 0, 1]], after[0]], dim=-1)
    x = OnlineAuxIVA(2, forgetting=0.98)(y).x
    assert float(likeness(x[..., 900:], after[1][..., 300:]).amax(1).min()) > 0.9


def test_outputs_follow_the_sources_of_the_response_from_which_they_start() -> None:
    y, images, A = mixture(400, n_sources=2, noise=0.03)
    order = [1, 0]
    estimate = OnlineAuxIVA(directional=1e-3)(y, MatrixResponse(A[..., order], torch.arange(N_FREQS)))
    assert float(likeness(estimate.x, images[order]).diagonal().min()) > 0.9
    assert estimate.response is not None
    wanted = A[..., order] / A[:, :1, order]
    error = torch.linalg.vector_norm(estimate.response.matrix() - wanted, dim=-2) / torch.linalg.vector_norm(wanted, dim=-2)
    assert float(error.max()) < 0.2


def test_nothing_is_learnt_from_silence() -> None:
    y, _, _ = mixture()
    decoder = OnlineAuxIVA(block=4)
    silence = torch.zeros_like(y[..., :4])
    first = decoder.init(y)
    assert decoder.step(silence, first)[1].n_frames.sum() == 0
    state = decoder.step(y[..., :4], decoder.step(silence, first)[1])[1]
    later = state
    for _ in range(3):
        found, later = decoder.step(silence, later)
        assert not bool(found.x.any())
    for value, other in zip(state, later, strict=True):
        assert torch.equal(value, other)
    # Frames of silence within a block count as little.
    half = decoder.step(torch.cat([y[..., :2], silence[..., :2]], dim=-1), first)[1]
    whole = OnlineAuxIVA(block=2).step(y[..., :2], first)[1]
    torch.testing.assert_close(half.W, whole.W)


def test_arguments_outside_their_range_are_refused() -> None:
    for arguments in ({"block": 0}, {"forgetting": 1.0}, {"model": "banded"}, {"update": "iss"}):
        with pytest.raises(ShapeError, match="OnlineAuxIVA"):
            OnlineAuxIVA(**arguments)
