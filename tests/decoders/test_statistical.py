"""The statistical beamformers against their definitions, in slow float64 loops, and against each other."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from numpy.typing import NDArray

from arrayscene.decoders import GEV, SDWMWF, WMPDR, Clustering, Decoder, FromDirections, Masks, Recursive, Segments, SoudenMVDR
from arrayscene.decoders.gev import blind_analytic, distortionless
from arrayscene.decoders.mwf import souden, wiener
from arrayscene.errors import ShapeError
from arrayscene.kernels import principal
from arrayscene.response import ConvolutiveResponse, MatrixResponse
from drawn import randn

N_FREQS, N_MICS, N_FRAMES, REFERENCE = 5, 4, 400, 1
QUARTER = N_FRAMES // 4
FREQUENCIES = torch.arange(N_FREQS) * 500.0
TURNS = Segments([[(0, QUARTER)], [(QUARTER, 2 * QUARTER)]], noise=[(2 * QUARTER, 3 * QUARTER)])
"""Who is alone when in `scene`."""


def covariances(rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """R_s of a given rank, and R_n of full rank."""
    half, noise = randn(N_FREQS, N_MICS, rank), randn(N_FREQS, N_MICS, 3 * N_MICS, seed=1)
    return half @ half.mH, noise @ noise.mH


def scene(noise: float = 0.05) -> tuple[torch.Tensor, torch.Tensor, MatrixResponse]:
    """Two sources, the recording, and its A: one source alone, then the other, then noise, then all together."""
    A = randn(N_FREQS, N_MICS, 2, seed=4)
    response = MatrixResponse(A / A[:, REFERENCE : REFERENCE + 1], FREQUENCIES)
    x = randn(2, N_FREQS, N_FRAMES, seed=5)
    x[..., 2 * QUARTER : 3 * QUARTER] = 0
    x[1, :, :QUARTER] = 0
    x[0, :, QUARTER : 2 * QUARTER] = 0
    return x, response(x) + noise * randn(N_MICS, N_FREQS, N_FRAMES, seed=6), response


def by_hand(name: str, R_s: NDArray[Any], R_n: NDArray[Any], e: NDArray[Any]) -> Any:
    """w of one frequency, from the definition; the output is w^H y."""
    inverse = np.linalg.inv(R_n)
    values, vectors = scipy.linalg.eigh(R_s, R_n)
    w, a = vectors[:, -1], R_n @ vectors[:, -1]
    match name:
        case "Souden":
            return inverse @ R_s @ e / np.trace(inverse @ R_s)
        case "Souden, mu":
            return inverse @ R_s @ e / (2 + np.trace(inverse @ R_s))
        case "Wiener":
            return np.linalg.inv(R_s + 2 * R_n) @ R_s @ e
        case "rank 1":
            return np.linalg.inv(values[-1] * np.outer(a, a.conj()) + 2 * R_n) @ (values[-1] * np.outer(a, a.conj())) @ e
        case "rank 2":
            low = sum(value * np.outer(R_n @ v, (R_n @ v).conj()) for value, v in zip(values[-2:], vectors.T[-2:], strict=True))
            return np.linalg.inv(low + 2 * R_n) @ low @ e
        case "GEV":
            g = np.sqrt((w.conj() @ R_n @ R_n @ w).real / len(w)) / (w.conj() @ R_n @ w).real
            return g * w * np.exp(-1j * np.angle(e @ a))
        case "MVDR":
            a = a / (e @ a)
            return inverse @ a / (a.conj() @ inverse @ a)
    raise AssertionError(name)


FILTERS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "Souden": lambda R_s, R_n: souden(R_s, R_n, reference=REFERENCE),
    "Souden, mu": lambda R_s, R_n: souden(R_s, R_n, mu=2.0, reference=REFERENCE),
    "Wiener": lambda R_s, R_n: wiener(R_s, R_n, mu=2.0, reference=REFERENCE),
    "rank 1": lambda R_s, R_n: wiener(R_s, R_n, mu=2.0, rank=1, reference=REFERENCE),
    "rank 2": lambda R_s, R_n: wiener(R_s, R_n, mu=2.0, rank=2, reference=REFERENCE),
    "GEV": lambda R_s, R_n: blind_analytic(principal(R_s, R_n), REFERENCE),
    "MVDR": lambda R_s, R_n: distortionless(principal(R_s, R_n), REFERENCE),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("rank", [1, 3])
def test_filters_are_their_definitions(name: str, rank: int) -> None:
    R_s, R_n = covariances(rank)
    d, e = FILTERS[name](R_s, R_n).resolve_conj(), np.eye(N_MICS)[REFERENCE]
    for f in range(N_FREQS):
        np.testing.assert_allclose(d[f].numpy(), by_hand(name, R_s[f].numpy(), R_n[f].numpy(), e).conj(), rtol=1e-8, atol=1e-10)


def test_for_a_source_of_rank_1_the_filters_are_one_another() -> None:
    R_s, R_n = covariances(1)
    mvdr = FILTERS["MVDR"](R_s, R_n)
    torch.testing.assert_close(FILTERS["Souden"](R_s, R_n), mvdr)
    torch.testing.assert_close(wiener(R_s, R_n, mu=0.0, rank=1, reference=REFERENCE), mvdr)
    torch.testing.assert_close(FILTERS["Souden, mu"](R_s, R_n), FILTERS["Wiener"](R_s, R_n))


def test_all_ranks_are_the_full_filter() -> None:
    R_s, R_n = covariances(4)
    torch.testing.assert_close(wiener(R_s, R_n, rank=4), wiener(R_s, R_n))
    torch.testing.assert_close(wiener(R_s, R_n, rank=9), wiener(R_s, R_n))
    R_s, R_n = covariances(2)
    torch.testing.assert_close(wiener(R_s, R_n, rank=3), wiener(R_s, R_n))


def test_no_filter_has_a_better_snr_than_gev() -> None:
    R_s, R_n = covariances(3)

    def snr(d: torch.Tensor) -> torch.Tensor:
        return torch.einsum("fm,fmn,fn->f", d, R_s, d.conj()).real / torch.einsum("fm,fmn,fn->f", d, R_n, d.conj()).real

    d = FILTERS["GEV"](R_s, R_n)
    best = snr(d)
    for seed in range(20):
        assert bool((snr(randn(N_FREQS, N_MICS, seed=seed)) < best).all())
        assert bool((snr(d + 1e-3 * d.abs().mean() * randn(N_FREQS, N_MICS, seed=seed)) < best).all())


def test_more_trade_off_leaves_less_noise_and_less_of_the_source() -> None:
    R_s, R_n = covariances(1)
    ds = [wiener(R_s, R_n, mu=mu) for mu in (0.1, 1.0, 10.0)]
    noise = [torch.einsum("fm,fmn,fn->f", d, R_n, d.conj()).real for d in ds]
    assert bool((noise[0] > noise[1]).all())
    assert bool((noise[1] > noise[2]).all())


DECODERS: dict[str, Callable[[], Decoder]] = {
    "GEV": lambda: GEV(TURNS, scale="reference", reference=REFERENCE),
    "SoudenMVDR": lambda: SoudenMVDR(TURNS, reference=REFERENCE),
    "SDWMWF": lambda: SDWMWF(TURNS, mu=0.1, reference=REFERENCE),
    "SDWMWF of rank 1": lambda: SDWMWF(TURNS, mu=0.1, rank=1, reference=REFERENCE),
    "WMPDR": lambda: WMPDR(TURNS, reference=REFERENCE),
}


@pytest.mark.parametrize("name", DECODERS)
def test_from_who_is_alone_when_the_sources_are_found_and_their_transfer_functions(name: str) -> None:
    """No direction, no R_n: A is random at every frequency."""
    x, y, response = scene()
    found = DECODERS[name]()(y)
    together = slice(3 * QUARTER, None)
    error = (found.x - x)[..., together].abs().square().mean() / x[..., together].abs().square().mean()
    assert float(error) < 0.03
    assert found.response is not None
    torch.testing.assert_close(found.response.matrix(), response.matrix(), rtol=0.2, atol=0.05)


def test_blind_normalisation_is_the_level_of_the_average_microphone() -> None:
    _, y, response = scene(noise=1e-3)
    gains = GEV(TURNS, reference=REFERENCE)(y).stats["gain"]
    level = response.matrix().abs().square().mean(-2).sqrt()
    torch.testing.assert_close(gains.abs(), level, rtol=1e-2, atol=0)
    torch.testing.assert_close(gains.angle(), torch.zeros_like(level), rtol=0, atol=1e-6)


def test_masks_say_the_same_as_segments() -> None:
    _, y, _ = scene()
    alone = torch.zeros(2, 1, N_FRAMES)
    alone[0, :, :QUARTER] = alone[1, :, QUARTER : 2 * QUARTER] = 1
    noise = torch.ones(N_FRAMES)
    noise[: 2 * QUARTER] = 0
    segments = Segments([[(0, QUARTER)], [(QUARTER, 2 * QUARTER)]])
    torch.testing.assert_close(SoudenMVDR(Masks(alone))(y).x, SoudenMVDR(segments)(y).x)


def test_more_sources_than_microphones_each_gain() -> None:
    A = randn(N_FREQS, 2, 3, seed=4)
    response = MatrixResponse(A / A[:, :1], FREQUENCIES)
    x = randn(3, N_FREQS, N_FRAMES, seed=5) * (torch.arange(N_FRAMES) % 3 == torch.arange(3)[:, None])[:, None]
    y = response(x)
    found = SDWMWF(Masks((x.abs() > 0).double()))(y).x
    before, after = ((estimate - x).abs().square().sum(dim=(-2, -1)) for estimate in (y[:1], found))
    assert bool((after < 0.7 * before).all())


def test_recursive_statistics_follow_a_source_that_moves() -> None:
    """A changes half way: statistics of the whole cannot do justice to both halves, recursive ones can."""
    response = scene()[2]
    other = MatrixResponse(response.matrix().flip(-1), FREQUENCIES)
    mask = (torch.arange(N_FRAMES) % 2 == torch.arange(2)[:, None]).double()[:, None]
    x = randn(2, N_FREQS, N_FRAMES, seed=5) * mask
    y = torch.cat([response(x), other(x)], dim=-1) + 0.05 * randn(N_MICS, N_FREQS, 2 * N_FRAMES, seed=9)
    masks = Masks(torch.cat([mask, mask], dim=-1))
    fixed = SoudenMVDR(masks, reference=REFERENCE)(y).x
    following = SoudenMVDR(Recursive(masks, 0.9), reference=REFERENCE)(y).x
    errors = [float((estimate[..., -QUARTER:] - x[..., -QUARTER:]).abs().square().mean()) for estimate in (fixed, following)]
    assert errors[1] < 0.1 * errors[0]


def test_wmpdr_finds_the_most_likely_distortionless_filter() -> None:
    """At the fixed point, d minimises sum_t log |d y|^2 over all d with d a = 1."""
    _, y, _ = scene(noise=0.3)
    decoder = WMPDR(TURNS, n_iter=50, floor=1e-6, loading=0.0)
    state = decoder.init(y)
    a = state.response.matrix().mT

    def cost(D: torch.Tensor) -> torch.Tensor:
        return torch.einsum("fsm,mft->sft", D, y).abs().square().log().sum(-1).mT

    torch.testing.assert_close((state.D * a).sum(-1), torch.ones(N_FREQS, 2, dtype=torch.complex128))
    for seed in range(10):
        step = 1e-2 * randn(*state.D.shape, seed=seed)
        step = step - (step * a).sum(-1, keepdim=True) * a.conj() / a.abs().square().sum(-1, keepdim=True)
        assert bool((cost(state.D + step) > cost(state.D)).all())


def test_taps_take_out_late_reverberation() -> None:
    taps = randn(N_FREQS, N_MICS, 1, 6, seed=2) * torch.tensor([1, 0, 0.25, 0.2, 0.15, 0.1])
    taps = taps / taps[:, :1, :, :1]
    x = randn(1, N_FREQS, 2000, seed=3) * torch.rand(1, 1, 2000, generator=torch.Generator().manual_seed(0)) ** 2
    y = ConvolutiveResponse(taps, FREQUENCIES)(x) + 0.05 * randn(N_MICS, N_FREQS, 2000, seed=8)
    one = Masks(torch.ones(1, 1, 2000))

    def error(decoder: Decoder) -> float:
        return float((decoder(y).x - x).abs().square().mean() / x.abs().square().mean())

    assert error(WMPDR(one, taps=8, delay=2)) < 0.5 * error(WMPDR(one))


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("make", [GEV, SoudenMVDR, SDWMWF, WMPDR], ids=lambda make: make.__name__)
def test_singular_covariances_give_finite_sources(make: type[Decoder], dtype: torch.dtype) -> None:
    """One source alone from the first to the last frame, no noise; microphones that are copies; nothing of a source."""
    _, y, _ = scene(noise=0.0)
    alone = y[..., :QUARTER].to(dtype)
    copies = alone[:1].expand(N_MICS, -1, -1).contiguous()
    nobody = torch.stack([torch.ones(1, QUARTER), torch.zeros(1, QUARTER)])
    for frames in (alone, copies, 1e-12 * alone, 1e12 * alone):
        for mask in (nobody[:1], nobody):
            found = make(Masks(mask))(frames)  # type: ignore[call-arg]
            assert bool(torch.isfinite(found.x.abs()).all())
            assert float(found.x.abs().max()) < 10 * float(frames.abs().max())


def test_statistics_and_response_must_be_of_the_same_sources() -> None:
    _, y, response = scene()
    with pytest.raises(ShapeError, match="3 sources came with a response of 2"):
        SoudenMVDR(Masks(torch.zeros(3, 1, N_FRAMES)))(y, response)
    for wrong in (
        lambda: GEV(scale="loud"),  # type: ignore[arg-type]
        lambda: GEV(loading=-1),
        lambda: SoudenMVDR(mu=-1),
        lambda: SDWMWF(mu=0),
        lambda: SDWMWF(mu=-1, rank=1),
        lambda: SDWMWF(rank=0),
        lambda: WMPDR(taps=-1),
        lambda: WMPDR(n_iter=0),
        lambda: WMPDR(Recursive(FromDirections())),
    ):
        with pytest.raises(ShapeError):
            wrong()


def test_without_a_response_the_default_says_what_is_missing() -> None:
    with pytest.raises(ShapeError, match="no response came"):
        SoudenMVDR()(scene()[1])


def test_clustering_makes_do_without_directions() -> None:
    """Guided source separation: activity is all that is known, and both speak together most of the time."""
    x, y, _ = scene(noise=0.01)
    sparse = torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) < 0.4
    x = x * sparse
    response = scene()[2]
    y = response(x) + 0.01 * randn(*y.shape, seed=8)
    activity = Segments([[(0, QUARTER), (3 * QUARTER, N_FRAMES)], [(QUARTER, 2 * QUARTER), (3 * QUARTER, N_FRAMES)]])
    found = SoudenMVDR(Clustering(activity, 10), reference=REFERENCE)(y)
    error = (found.x - x)[..., 3 * QUARTER :].abs().square().mean() / x[..., 3 * QUARTER :].abs().square().mean()
    assert float(error) < 0.05
