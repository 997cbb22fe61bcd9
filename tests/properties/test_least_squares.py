"""What holds for the inverses of A, and how well each choice of the loading does."""

import math

import pytest
import torch
from any_array import FREQUENCIES, WELL_CONDITIONED, demixing, frames, responses
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arrayscene.array import MicrophoneArray
from arrayscene.decoders import LCMV, Decoder, DelayAndSum, MinimumNorm, PseudoInverse, Tikhonov, TruncatedSVD
from arrayscene.decoders.regularization import Spectrum, cross_validation, discrepancy, l_curve
from arrayscene.errors import ShapeError
from arrayscene.response import MatrixResponse, PlaneWave, Response

INVERSES: list[Decoder] = [
    PseudoInverse(0.0, None),
    TruncatedSVD(1e6, reference=None),
    Tikhonov(0.0, reference=None),
]


@settings(deadline=None, max_examples=50)
@given(st.booleans().flatmap(lambda more_mics: responses(more_mics)), st.sampled_from(INVERSES))
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.complex128, 1e-9), (torch.complex64, 1e-4)])
def test_inverses_invert(dtype: torch.dtype, allowed: float, response: Response, decoder: Decoder) -> None:
    """D A = I with as many microphones as sources or more, A D = I with as many or fewer."""
    A = response.matrix()
    n_freqs, n_mics, n_sources = A.shape
    assume(float(torch.linalg.cond(A).max()) < WELL_CONDITIONED)
    D = demixing(decoder, response, dtype).to(A.dtype)
    identity = torch.eye(min(n_mics, n_sources), dtype=A.dtype).expand(n_freqs, -1, -1)
    if n_mics >= n_sources:
        torch.testing.assert_close(D @ A, identity, rtol=0, atol=allowed)
    if n_mics <= n_sources:
        torch.testing.assert_close(A @ D, identity, rtol=0, atol=allowed)


@settings(deadline=None, max_examples=50)
@given(responses(), st.floats(1e-4, 1.0))
def test_more_loading_amplifies_noise_less(response: Response, loading: float) -> None:
    assume(float(torch.linalg.cond(response.matrix()).max()) < WELL_CONDITIONED)
    exact, loaded = (demixing(PseudoInverse(mu, reference=None), response) for mu in (0.0, loading))
    assert (torch.linalg.matrix_norm(loaded) < torch.linalg.matrix_norm(exact)).all()


@settings(deadline=None, max_examples=30)
@given(responses(more_mics=False), st.integers(0, 3))
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.complex128, 1e-7), (torch.complex64, 1e-4)])
def test_weighted_minimum_norm_explains_the_recording(
    dtype: torch.dtype, allowed: float, response: Response, n_iter: int
) -> None:
    A = response.matrix()
    assume(float(torch.linalg.cond(A).max()) < WELL_CONDITIONED)
    D = demixing(MinimumNorm(n_iter=n_iter, loading=0.0, reference=None), response, dtype).to(A.dtype)
    identity = torch.eye(A.shape[-2], dtype=A.dtype).expand(len(A), -1, -1)
    # Sources of little power condition A P A^H worse than A A^H.
    torch.testing.assert_close(A @ D, identity, rtol=0, atol=allowed * (1 if n_iter == 0 else 1e3))


def test_weights_gather_the_power_in_the_sources_that_sound() -> None:
    array = MicrophoneArray.circular(8, 0.1)
    azimuth = torch.linspace(0, 2 * math.pi, 37, dtype=torch.float64)[:-1]
    response = PlaneWave(array, azimuth, frequencies=torch.tensor([1000.0, 2000.0]))
    x = torch.zeros(36, 2, 50, dtype=torch.complex128)
    x[[5, 20]] = torch.randn(2, 2, 50, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    y = response(x)
    share = []
    for decoder in (MinimumNorm(n_iter=0), MinimumNorm()):
        power = decoder(y, response).x.abs().square().sum((-2, -1))
        share.append(float(power[[5, 20]].sum() / power.sum()))
    assert share[0] < 0.5
    assert share[1] > 0.9


def test_known_powers_weigh_the_sources() -> None:
    response = PlaneWave(MicrophoneArray.circular(3, 0.05), torch.linspace(0, 5, 5), frequencies=FREQUENCIES)
    y = frames(3)
    loud = torch.tensor([100.0, 1, 1, 1, 1])
    plain, weighted = (MinimumNorm(power, n_iter=0)(y, response).x[0].abs().square().sum() for power in (None, loud))
    assert weighted > 2 * plain
    even = MinimumNorm(torch.ones(3, 5), n_iter=0)(y, response).x
    torch.testing.assert_close(even, PseudoInverse(1e-3)(y, response).x)


@settings(deadline=None, max_examples=30)
@given(responses(), st.floats(1.0, 100.0))
def test_truncation_bounds_the_noise_gain(response: Response, max_condition: float) -> None:
    A = response.matrix()
    D = demixing(TruncatedSVD(max_condition, reference=None), response)
    largest = torch.linalg.matrix_norm(A, ord=2)
    assert (torch.linalg.matrix_norm(D, ord=2) <= max_condition / largest * (1 + 1e-9)).all()
    one = demixing(TruncatedSVD(rank=1, reference=None), response)
    assert (torch.linalg.matrix_rank(one, rtol=1e-9) == 1).all()


def test_alike_directions_share_the_source() -> None:
    response = PlaneWave(MicrophoneArray.circular(4, 0.05), torch.tensor([0.3, 0.3, 2.0]), frequencies=FREQUENCIES)
    one = PlaneWave(MicrophoneArray.circular(4, 0.05), torch.tensor([0.3, 2.0]), frequencies=FREQUENCIES)
    y = frames(4)
    wanted = PseudoInverse(0.0)(y, one).x[0]
    for decoder in (PseudoInverse(0.0), TruncatedSVD(1e6), Tikhonov(0.0)):
        first, second = decoder(y, response).x[:2]
        torch.testing.assert_close(first, second)
        torch.testing.assert_close(first + second, wanted)


def noisy(n_sources: int, snr_db: float, seed: int) -> tuple[torch.Tensor, torch.Tensor, MatrixResponse, float]:
    """x, y, A and the noise's power: six microphones 1 cm apart, so that A is ill conditioned at low frequencies."""
    generator = torch.Generator().manual_seed(seed)
    frequencies = torch.linspace(200, 3000, 12, dtype=torch.float64)
    azimuth = torch.linspace(-1.4, 1.4, n_sources, dtype=torch.float64)
    A = PlaneWave(MicrophoneArray.linear(6, 0.05), azimuth, frequencies=frequencies).matrix()
    response = MatrixResponse(A, frequencies)
    x = torch.randn(n_sources, 12, 60, dtype=torch.complex128, generator=generator)
    clean = response(x)
    sigma2 = float(clean.abs().square().mean()) * 10 ** (-snr_db / 10)
    noise = math.sqrt(sigma2) * torch.randn(clean.shape, dtype=torch.complex128, generator=generator)
    return x, clean + noise, response, sigma2


@pytest.mark.parametrize("snr_db", [10.0, 30.0])
@pytest.mark.parametrize(
    ("choice", "n_sources", "allowed"),
    [("noise", 3, 3.0), ("noise", 8, 1.3), ("gcv", 3, 1.1), ("gcv", 8, 1.1), ("l-curve", 3, 2.0), ("l-curve", 8, 1.3)],
)
def test_the_choice_comes_close_to_the_best(choice: str, n_sources: int, allowed: float, snr_db: float) -> None:
    """Error of the sources, relative to that of the best mu of every frequency, which only the truth can tell."""
    ratios = []
    for seed in range(3):
        x, y, response, sigma2 = noisy(n_sources, snr_db, seed)

        def error(decoder: Decoder) -> torch.Tensor:
            return (decoder(y, response).x - x).abs().square().sum((0, 2))  # noqa: B023

        largest = torch.linalg.matrix_norm(response.matrix(), ord=2).square()
        best = torch.stack([error(Tikhonov(largest * 10**t, reference=None)) for t in torch.arange(-7, 1, 0.25)]).amin(0)
        chosen = Tikhonov(choice, noise=sigma2 if choice == "noise" else None, reference=None)  # type: ignore[arg-type]
        ratios.append(error(chosen).sum() / best.sum())
    assert 1 - 1e-6 <= max(ratios) < allowed


def test_the_noise_is_found_in_the_recording() -> None:
    _, y, response, sigma2 = noisy(3, 20.0, 0)
    told, found = (Tikhonov(noise=noise, reference=None)(y, response).x for noise in (sigma2, None))
    assert float((told - found).abs().square().sum() / told.abs().square().sum()) < 0.01


def test_the_residual_is_as_large_as_the_noise() -> None:
    _, y, response, sigma2 = noisy(8, 20.0, 1)
    estimate = Tikhonov(noise=sigma2, reference=None)(y, response)
    residual = (y - response(estimate.x)).abs().square().mean((0, 2))
    torch.testing.assert_close(residual, torch.full_like(residual, sigma2), rtol=1e-6, atol=0)


def test_choices_on_a_spectrum_with_a_known_answer() -> None:
    """Two strong components of the sources, two that are noise alone: mu lies between their squared singular values."""
    s = torch.tensor([[1.0, 0.5, 1e-3, 1e-4]], dtype=torch.float64)
    noise = 1e-6
    seen = Spectrum(s, torch.tensor([[1.0, 0.25, noise, noise]], dtype=torch.float64), torch.zeros(1, dtype=torch.float64), 0)
    for mu in (l_curve(seen), cross_validation(seen), discrepancy(seen, torch.tensor([noise], dtype=torch.float64))):
        assert 1e-7 < float(mu) < 1e-1


@pytest.mark.parametrize(
    "make",
    [
        lambda: PseudoInverse(-1.0),
        lambda: Tikhonov("best"),  # type: ignore[arg-type]
        lambda: Tikhonov(-0.1),
        lambda: Tikhonov("gcv", noise=1.0),
        lambda: Tikhonov(noise=-1.0),
        lambda: TruncatedSVD(0.5),
        lambda: TruncatedSVD(rank=0),
        lambda: MinimumNorm(torch.tensor([-1.0])),
        lambda: MinimumNorm(n_iter=-1),
    ],
)
def test_arguments_that_cannot_be_are_refused(make) -> None:
    with pytest.raises(ShapeError):
        make()


def test_values_of_other_frequencies_or_sources_are_refused() -> None:
    response = PlaneWave(MicrophoneArray.circular(4, 0.05), torch.tensor([0.3, 2.0]), frequencies=FREQUENCIES)
    for decoder in (Tikhonov(torch.ones(5)), Tikhonov(noise=torch.ones(2)), MinimumNorm(torch.ones(3))):
        with pytest.raises(ShapeError, match="came"):
            decoder(frames(4), response)


@pytest.mark.parametrize("n_sources", [1, 3])
def test_one_microphone(n_sources: int) -> None:
    """There is nothing to tell sources apart with: each gets its share, and nothing is infinite."""
    response = PlaneWave(torch.zeros(1, 3), torch.linspace(0, 2, n_sources), frequencies=FREQUENCIES)
    y = frames(1)
    decoders = [
        DelayAndSum(),
        PseudoInverse(0.0),
        Tikhonov(),
        Tikhonov("gcv"),
        Tikhonov("l-curve"),
        TruncatedSVD(),
        MinimumNorm(),
    ]
    for decoder in decoders:
        x = decoder(y, response).x
        assert torch.isfinite(x.abs()).all()
        assert (x.abs() <= y.abs() * (1 + 1e-9)).all()
    if n_sources == 1:
        torch.testing.assert_close(LCMV()(y, response).x, y)
