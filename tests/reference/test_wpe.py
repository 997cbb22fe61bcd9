"""Dereverberation: the kernels against their plain statements, the decoders against the papers' equations and their purpose."""

import numpy as np
import pytest
import torch
from torch import Tensor
from wpe_by_hand import dereverberate, follow, separate

from arrayscene.decoders import TISS, WPE, AuxIVA, DelayAndSum, Dereverberated, RecursiveWPE
from arrayscene.decoders.majorization import whitened
from arrayscene.decoders.recursive_wpe import PRIOR
from arrayscene.errors import ShapeError
from arrayscene.kernels import (
    filter_past,
    filter_past_torch,
    prediction_filter,
    prediction_filter_torch,
    recursive_prediction,
    recursive_prediction_torch,
    tiss_sweep,
    tiss_sweep_torch,
)
from arrayscene.metrics import match_sources
from arrayscene.response import PlaneWave

PRECISION = [(torch.complex64, 1e-4), (torch.complex128, 1e-10)]
N_MICS, N_FREQS, N_FRAMES = 3, 4, 90


def gauss(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def level(seed: int, *shape: int) -> Tensor:
    """Real values over some 40 dB."""
    return 10 ** (2 * torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) - 1)


def reverberant(n_sources: int = 1, n_frames: int = N_FRAMES, n_freqs: int = N_FREQS) -> tuple[Tensor, Tensor]:
    """y and x (mic, freq, frame) with y(t) = x(t) + sum_k G_k y(t - 3 - k), x of sources that come and go.

    With one source each microphone has noise of its own besides, with as many as there are microphones none.
    """
    s = gauss(1, n_sources, n_freqs, n_frames) * level(2, n_sources, 1, n_frames)
    A = gauss(3, n_freqs, N_MICS, n_sources)
    x = torch.einsum("fms,sft->mft", A, s)
    if n_sources < N_MICS:
        x = x + 0.1 * gauss(4, N_MICS, n_freqs, n_frames)
    G, y = 0.15 * gauss(5, 2, n_freqs, N_MICS, N_MICS), x.clone()
    for t in range(3, n_frames):
        for k in range(min(2, t - 2)):
            y[..., t] += torch.einsum("fmn,nf->mf", G[k], y[..., t - 3 - k])
    return y, x


def error(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def leftover(found: Tensor, wanted: Tensor) -> float:
    """Power of the difference, relative."""
    return float((found - wanted).abs().square().sum() / wanted.abs().square().sum())


@pytest.mark.parametrize("leading", [(), (2, 3)])
@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
@pytest.mark.parametrize(("taps", "delay"), [(1, 1), (3, 2), (4, 5)])
def test_prediction_kernels(dtype: torch.dtype, allowed: float, leading: tuple[int, ...], taps: int, delay: int) -> None:
    y = (gauss(0, *leading, 5, 3, 57) * level(1, *leading, 5, 1, 57)).to(dtype)
    for context in (0, 2):
        case = (y, taps, delay, 2, context, 1e-2, 1e-2)
        found, wanted = prediction_filter(*case), prediction_filter_torch(*case)
        assert found.dtype == dtype
        assert error(found, wanted) < allowed
    for G in (wanted, wanted[..., :1, :].to(torch.complex128)):
        found, wanted = filter_past(y, G, delay), filter_past_torch(y, G, delay)
        assert found.dtype == G.dtype
        assert error(found, wanted) < allowed


@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
@pytest.mark.parametrize(("n_mics", "taps", "n_frames"), [(1, 23, 200), (2, 11, 65), (9, 4, 300), (18, 2, 320)])
def test_prediction_kernels_of_any_size(dtype: torch.dtype, allowed: float, n_mics: int, taps: int, n_frames: int) -> None:
    """More taps, microphones and frames than are worked on at once."""
    y = (gauss(0, 2, n_mics, n_frames) * level(1, 2, 1, n_frames)).to(dtype)
    found, wanted = (each(y, taps, 3, 2, 0, 1e-2, 1e-2) for each in (prediction_filter, prediction_filter_torch))
    assert error(found, wanted) < allowed
    assert error(filter_past(y, wanted, 3), filter_past_torch(y, wanted, 3)) < allowed


@pytest.mark.parametrize("leading", [(), (2, 3)])
@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
def test_recursion_kernel(dtype: torch.dtype, allowed: float, leading: tuple[int, ...]) -> None:
    frames, power = gauss(0, *leading, 5, 3, 5 + 40).to(dtype), level(1, *leading, 5, 40).to(dtype.to_real())
    power[..., 7:9] = 0
    factor = gauss(2, *leading, 5, 9, 9)
    case = (frames, power, factor @ factor.mH, 0.1 * gauss(3, *leading, 5, 3, 9), 5, 3, 0.97, 0.01)
    before = [each.clone() for each in case[:4]]
    for found, wanted in zip(recursive_prediction(*case), recursive_prediction_torch(*case), strict=True):
        assert found.dtype == wanted.dtype
        assert error(found, wanted) < allowed
    assert all(torch.equal(*pair) for pair in zip(before, case[:4], strict=True))


@pytest.mark.parametrize("leading", [(), (2, 3)])
@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
def test_steering_kernel(dtype: torch.dtype, allowed: float, leading: tuple[int, ...]) -> None:
    y, x, D = gauss(0, *leading, 5, 3, 40), gauss(1, *leading, 5, 3, 40), gauss(2, *leading, 5, 3, 9)
    factor = 0.3 * gauss(3, *leading, 5, 3, 3)
    weights = level(4, *leading, 5, 3, 40).to(dtype.to_real())
    for w in (weights, weights[..., :1, :, :]):
        case = (x.to(dtype), D, y.to(dtype), w, factor @ factor.mH, 2)
        before = [each.clone() for each in case[:5]]
        for found, wanted in zip(tiss_sweep(*case), tiss_sweep_torch(*case), strict=True):
            assert found.dtype == wanted.dtype
            assert error(found, wanted) < allowed
        assert all(torch.equal(*pair) for pair in zip(before, case[:5], strict=True))


@pytest.mark.parametrize("context", [0, 2])
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.complex128, 1e-9), (torch.complex64, 1e-3)])
def test_wpe_agrees_with_the_equations(dtype: torch.dtype, allowed: float, context: int) -> None:
    y, _ = reverberant()
    wanted = np.stack([dereverberate(y[:, f].numpy(), 2, 3, 3, context, 1e-3, 1e-4) for f in range(N_FREQS)], axis=1)
    decoder = WPE(2, delay=3, context=context, floor=1e-3, loading=1e-4)
    compiled, plain = decoder(y.to(dtype)).x, decoder(y.to(dtype).requires_grad_()).x.detach()
    for found in (compiled, plain):
        assert error(found, torch.tensor(wanted)) < allowed


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.complex128, 1e-9), (torch.complex64, 1e-4)])
def test_recursive_wpe_agrees_with_the_equations(dtype: torch.dtype, allowed: float) -> None:
    y, _ = reverberant()
    y[..., 30:40] = 0
    wanted = np.stack([follow(y[:, f].numpy(), 2, 3, 0.98, 1e-2, PRIOR) for f in range(N_FREQS)], axis=1)
    decoder = RecursiveWPE(2, delay=3, forgetting=0.98, loading=1e-2, block=7)
    compiled, plain = decoder(y.to(dtype)).x, decoder(y.to(dtype).requires_grad_()).x.detach()
    for found in (compiled, plain):
        assert error(found, torch.tensor(wanted)) < allowed


def test_tiss_agrees_with_the_equations() -> None:
    """In the axes of the white mixture, in which it works; each output at its own scale."""
    y, _ = reverberant(N_MICS)
    parts, L, _ = whitened((y / torch.view_as_real(y).abs().max()).movedim(0, 1).contiguous())
    white = torch.complex(*parts.unbind(-3)).movedim(0, 1)
    wanted = torch.tensor(separate(white.numpy(), L.numpy(), 2, 3, 4))
    decoder = TISS(taps=2, delay=3, n_iter=4)
    for found in (decoder(y).x, decoder(y.clone().requires_grad_()).x.detach()):
        scale = (found * wanted.conj()).sum(-1, keepdim=True) / wanted.abs().square().sum(-1, keepdim=True)
        assert error(scale * wanted, found) < 1e-6


@pytest.mark.parametrize("decoder", [WPE(2, delay=3), RecursiveWPE(2, delay=3)])
def test_late_reverberation_goes(decoder: WPE | RecursiveWPE) -> None:
    y, x = reverberant(n_frames=600)
    found = decoder(y.to(torch.complex64)).x.to(x)
    assert leftover(y, x) > 0.1
    assert leftover(found[..., 300:], x[..., 300:]) < 0.02


def test_microphones_in_another_order_come_out_in_that_order() -> None:
    y, _ = reverberant()
    order = [2, 0, 1]
    assert error(WPE(3)(y[order]).x, WPE(3)(y).x[order]) < 1e-9


def test_joint_separation_takes_out_what_separation_alone_cannot() -> None:
    y, x = reverberant(N_MICS, n_frames=500, n_freqs=16)
    A = gauss(3, 16, N_MICS, N_MICS)
    images = (A[:, 0].T[..., None] * torch.linalg.solve(A, x.movedim(1, 0)).movedim(0, 1)).reshape(N_MICS, -1)
    images = torch.view_as_real(images).flatten(1)
    scores = {}
    for decoder in (TISS(delay=3, n_iter=30), AuxIVA(n_iter=30)):
        found = torch.view_as_real(decoder(y).x.reshape(N_MICS, -1)).flatten(1)
        scores[type(decoder)] = float(match_sources(found, images)[2].mean())
    assert scores[TISS] > 15
    assert scores[TISS] > scores[AuxIVA] + 8


def test_a_decoder_after_dereverberation_is_both_in_turn() -> None:
    y, _ = reverberant()
    first, second = WPE(2), AuxIVA(2, n_iter=3)
    found, wanted = Dereverberated(second, first)(y), second(first(y).x)
    assert torch.equal(found.x, wanted.x)
    assert torch.equal(found.response.matrix(), wanted.response.matrix())
    assert Dereverberated(DelayAndSum(1), RecursiveWPE(block=5)).block == 5
    with pytest.raises(ShapeError, match="block=4 and block=5"):
        Dereverberated(RecursiveWPE(block=4), RecursiveWPE(block=5))


def awkward(name: str) -> Tensor:
    """(mic, freq, frame) that leave something without a unique answer."""
    y = gauss(0, 4, 9, 400)
    tone = torch.exp(0.7j * torch.arange(400)).to(y)
    return {
        "duplicates": y[:1].expand(4, -1, -1).clone(),
        "a silent channel": y * torch.tensor([1.0, 0, 1, 1])[:, None, None],
        "a tone": tone.expand(4, 9, -1) * torch.tensor([1, 0.9, 0.8j, 0.7])[:, None, None],
        "a click": torch.nn.functional.one_hot(torch.tensor(200), 400).expand(4, 9, -1).to(y),
        "sound after silence": y * (torch.arange(400) > 200),
        "alike but for rounding": y[:1] + 1e-6 * y,
    }[name]


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize(
    "name",
    ["duplicates", "a silent channel", "a tone", "a click", "sound after silence", "alike but for rounding"],
)
def test_awkward_recordings(name: str, dtype: torch.dtype) -> None:
    y = awkward(name).to(dtype)
    for decoder in (WPE(), RecursiveWPE(), TISS(), TISS(2, model="banded")):
        x = decoder(y).x
        assert bool(torch.isfinite(x.abs()).all())
        # Of a tone, what separates and predicts at once leaves rounding alone, at the level of the tone.
        assert float(x.abs().max()) < (10 if isinstance(decoder, TISS) else 2) * float(y.abs().max())
        if name == "a silent channel" and not isinstance(decoder, TISS):
            assert not bool(x[1].any())


def test_recordings_too_short_for_a_prediction_stay_as_they_are() -> None:
    y = gauss(0, 4, 9, 15)
    assert torch.equal(WPE()(y).x, y)
    assert not bool(TISS()(y).x.isnan().any())


def test_a_pause_is_not_forgetting() -> None:
    y, _ = reverberant(n_frames=300)
    decoder = RecursiveWPE(2, forgetting=0.9)
    _, before = decoder.step(y, decoder.init(y))
    _, after = decoder.step(torch.zeros_like(y), before)
    assert torch.equal(before.G, after.G)
    assert torch.equal(before.inverse, after.inverse)


def test_what_is_asked_for_is_checked() -> None:
    for make in (lambda: WPE(0), lambda: WPE(floor=0.0), lambda: RecursiveWPE(forgetting=1.1), lambda: TISS(taps=0)):
        with pytest.raises(ShapeError, match=r"needed"):
            make()
    with pytest.raises(ShapeError, match="4 sources came for 3 microphones"):
        TISS(4)(gauss(0, 3, 5, 40))


def test_a_response_gives_the_order_of_the_sources() -> None:
    y, _ = reverberant(N_MICS, n_frames=300)
    positions = torch.tensor([[0.1, 0, 0], [-0.05, 0.08, 0], [-0.05, -0.08, 0]], dtype=torch.float64)
    known = PlaneWave(positions, torch.tensor([0.5, 2.0]), frequencies=torch.tensor([500.0, 1000, 1500, 2000]))
    estimate = TISS(n_iter=2)(y, known)
    assert estimate.x.shape == (2, N_FREQS, 300)
    assert estimate.response is not None
    assert torch.equal(estimate.response.frequencies, known.frequencies)
