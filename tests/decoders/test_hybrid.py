"""Decoders for above the aliasing limit: masks, hybrids, low-pass."""

import pytest
import torch

from arrayscene.array import MicrophoneArray
from arrayscene.decoders import (
    GEV,
    AntiAliasing,
    Clustering,
    DelayAndSum,
    FromDirections,
    Hybrid,
    Masking,
    PseudoInverse,
    Recursive,
)
from arrayscene.errors import ShapeError
from arrayscene.response import PlaneWave
from arrayscene.stft import STFT

RATE = 16000
TRANSFORM = STFT(512)
LINE = MicrophoneArray.linear(4, 0.08)
FREQUENCIES = TRANSFORM.frequencies(RATE)
LIMIT = LINE.aliasing_hz()


def response() -> PlaneWave:
    return PlaneWave(LINE, torch.tensor([0.9, -0.6]), frequencies=FREQUENCIES)


def sparse_sources(seed: int = 0) -> torch.Tensor:
    """(source, freq, frame): each bin loud for one source only, as with speech."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, TRANSFORM.n_freqs, 60, dtype=torch.complex128, generator=generator)
    # Whoever speaks in a frame speaks in most of its bins.
    turn = 0.85 * (torch.arange(60) % 2) + 0.075
    first = torch.rand(TRANSFORM.n_freqs, 60, generator=generator, dtype=torch.float64) < turn
    return x * torch.where(torch.stack([first, ~first]), 1.0, 0.05)


def recording(x: torch.Tensor, seed: int = 1) -> torch.Tensor:
    noise = torch.randn(4, *x.shape[1:], dtype=x.dtype, generator=torch.Generator().manual_seed(seed))
    return response()(x) + 0.02 * noise


def error_db(estimate: torch.Tensor, x: torch.Tensor, above: bool) -> float:
    band = slice(1, None)
    chosen = FREQUENCIES[band] >= LIMIT if above else FREQUENCIES[band] < LIMIT / 1.5
    A = response().matrix()[:, 0].mT[..., None]
    wanted, found = (values[:, band][:, chosen] for values in (A * x, estimate))
    return float(10 * torch.log10((found - wanted).abs().square().sum() / wanted.abs().square().sum()))


def test_masks_separate_sparse_sources_better_than_delay_and_sum() -> None:
    x = sparse_sources()
    plain, masked = DelayAndSum()(recording(x), response()).x, Masking()(recording(x), response()).x
    assert error_db(masked, x, above=True) < error_db(plain, x, above=True) - 3


def test_shares_of_the_whole_recording_serve_every_part_of_it() -> None:
    y = recording(sparse_sources())
    masking = Masking(DelayAndSum(), Clustering(FromDirections(), 2))
    whole, state = masking(y, response()).x, masking.init(y, response())
    parts = []
    for part in y.split(25, dim=-1):
        estimate, state = masking.step(part, state)
        parts.append(estimate.x)
    torch.testing.assert_close(torch.cat(parts, dim=-1), whole)
    with pytest.raises(ShapeError, match="frames 60 to 85 came, Clustering saw 60"):
        masking.step(y[..., :25], state)
    live = GEV(Recursive(FromDirections()))
    with pytest.raises(ShapeError, match="GEV works block by block, Clustering on whole recordings"):
        Masking(live, Clustering(FromDirections()))


def test_a_hybrid_is_each_decoder_on_its_own_side() -> None:
    y = recording(sparse_sources())
    low, high = PseudoInverse(1e-3), Masking()
    both = Hybrid(low, LIMIT, high)(y, response())
    above, below = FREQUENCIES >= LIMIT, FREQUENCIES <= LIMIT / 1.5
    torch.testing.assert_close(both.x[:, above], high(y, response()).x[:, above])
    torch.testing.assert_close(both.x[:, below], low(y, response()).x[:, below])
    torch.testing.assert_close(both.reliability[below], low(y, response()).reliability[below])


def test_a_crossover_for_every_source() -> None:
    y = recording(sparse_sources())
    limits = torch.tensor([1000.0, 6000.0])
    both = Hybrid(PseudoInverse(1e-3), limits, Masking())(y, response()).x
    between = (FREQUENCIES >= 1000) & (FREQUENCIES <= 4000)
    torch.testing.assert_close(both[0, between], Masking()(y, response()).x[0, between])
    torch.testing.assert_close(both[1, between], PseudoInverse(1e-3)(y, response()).x[1, between])


def test_anti_aliasing_keeps_what_is_below_and_silences_what_is_above() -> None:
    y = recording(sparse_sources())
    filtered = AntiAliasing(PseudoInverse(1e-3), LIMIT)(y, response())
    plain = PseudoInverse(1e-3)(y, response())
    assert not filtered.x[:, FREQUENCIES >= LIMIT].any()
    assert not filtered.reliability[FREQUENCIES >= LIMIT].any()
    below = FREQUENCIES <= LIMIT / 1.5
    torch.testing.assert_close(filtered.x[:, below], plain.x[:, below])


@pytest.mark.parametrize("limit", [0.0, -5.0, float("nan")])
def test_impossible_limits_are_refused(limit: float) -> None:
    for make in (Hybrid, AntiAliasing):
        with pytest.raises(ShapeError, match="positive hertz"):
            make(DelayAndSum(), limit)


def test_without_a_response_the_frequencies_are_unknown() -> None:
    with pytest.raises(ShapeError, match="which tells the frequencies"):
        AntiAliasing(DelayAndSum(), 1000.0)(recording(sparse_sources()))


def test_shares_add_up_to_one() -> None:
    shares = FromDirections().shares(recording(sparse_sources()), response())
    torch.testing.assert_close(shares.sum(-3), torch.ones_like(shares[0]))
