"""Directivity against white noise gain: superdirective and differential beamformers."""

import math

import numpy as np
import pytest
import torch
from any_array import frames, responses
from hypothesis import given, settings
from hypothesis import strategies as st

from arrayscene.array import MicrophoneArray
from arrayscene.decoders import DelayAndSum, Differential, Superdirective
from arrayscene.decoders.loading import loading_for_white_noise_gain
from arrayscene.decoders.minimum_variance import distortionless_each, loaded
from arrayscene.decoders.patterns import Pattern, pattern_nulls, pattern_through
from arrayscene.decoders.quality import white_noise_gain
from arrayscene.errors import GeometryError, ShapeError
from arrayscene.response import MatrixResponse, PlaneWave, Response, far_field

TENTH_DB = 10**0.01
LOW = torch.tensor([100.0, 500.0, 1000.0], dtype=torch.float64)


def noise(response: Response) -> torch.Tensor:
    n_freqs, n_mics = response.matrix().shape[-3:-1]
    return torch.randn(n_mics, n_freqs, 4, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))


@settings(deadline=None, max_examples=60)
@given(responses(), st.floats(1e-3, 2.0), st.booleans())
def test_the_floor_is_met_exactly(response: Response, floor: float, single: bool) -> None:
    """To 0.1 dB where it costs directivity, exceeded where it does not; delay-and-sum where nothing reaches it."""
    y = noise(response).to(torch.complex64 if single else torch.complex128)
    reached, free, most = (
        decoder(y, response).stats["white_noise_gain"] for decoder in (Superdirective(floor), Superdirective(0.0), DelayAndSum())
    )
    wanted = torch.maximum(free, torch.full_like(free, floor)).minimum(most)
    assert (reached <= wanted * TENTH_DB).all()
    assert (reached >= wanted / TENTH_DB).all()


@settings(deadline=None, max_examples=30)
@given(responses())
def test_more_loading_gives_more_white_noise_gain_and_less_directivity(response: Response) -> None:
    A, diffuse = response.matrix(), response.diffuse()
    assert diffuse is not None
    gains = torch.stack(
        [
            white_noise_gain(distortionless_each(loaded(diffuse, torch.full(A.shape[::2], mu, dtype=torch.float64)), A), A)
            for mu in 10.0 ** np.arange(-5, 4)
        ]
    )
    assert (gains[1:] >= gains[:-1] * (1 - 1e-9)).all()
    factors = torch.stack(
        [Superdirective(floor)(noise(response), response).stats["directivity_factor"] for floor in (0.0, 0.1, 1.0)]
    )
    assert (factors[:-1] >= factors[1:] * (1 - 1e-6)).all()


@pytest.mark.parametrize("n_mics", [2, 3])
def test_an_endfire_line_tends_to_the_square_of_its_microphones(n_mics: int) -> None:
    """6 dB for a pair, 9.5 dB for three, as the spacing goes to nothing."""
    line = MicrophoneArray.linear(n_mics, 0.01)
    response = far_field(line, math.pi / 2, frequencies=LOW)
    factor = Superdirective(0.0)(noise(response), response).stats["directivity_factor"][:, 0]
    torch.testing.assert_close(factor, torch.full_like(factor, n_mics**2), rtol=0.02, atol=0)


def test_a_source_is_kept_and_noise_from_all_around_is_not() -> None:
    response = far_field(MicrophoneArray.circular(6, 0.05), torch.tensor([0.3, 2.0]), frequencies=LOW)
    stats = Superdirective()(noise(response), response).stats
    plain = DelayAndSum()(noise(response), response).stats
    torch.testing.assert_close(stats["gain"], torch.ones_like(stats["gain"]))
    assert (stats["directivity_factor"] > 2.5 * plain["directivity_factor"]).all()


def test_a_response_without_its_diffuse_field_is_refused() -> None:
    known = far_field(MicrophoneArray.circular(4, 0.05), 0.3, frequencies=LOW)
    y = noise(known)
    with pytest.raises(ShapeError, match="diffuse"):
        Superdirective()(y, MatrixResponse(known.matrix(), LOW))
    told = MatrixResponse(known.matrix(), LOW, known.diffuse())
    torch.testing.assert_close(Superdirective()(y, told).x, Superdirective()(y, known).x)
    with pytest.raises(ShapeError):
        Superdirective(-0.1)


def test_frequency_zero_one_microphone_and_coinciding_microphones() -> None:
    frequencies = torch.tensor([0.0, 1000.0], dtype=torch.float64)
    for positions in (torch.zeros(1, 3), torch.zeros(2, 3), torch.tensor([[0.0, 0, 0], [0, 0, 0], [0.05, 0, 0]])):
        response = PlaneWave(positions, torch.tensor([0.3, 2.0]), frequencies=frequencies)
        stats = Superdirective()(noise(response), response).stats
        torch.testing.assert_close(stats["gain"], torch.ones_like(stats["gain"]))
        assert (stats["white_noise_gain"] > 0.1 / TENTH_DB).all()


def test_the_loading_is_least() -> None:
    response = far_field(MicrophoneArray.circular(4, 0.05), 0.3, frequencies=LOW[:2])
    A, diffuse = response.matrix(), response.diffuse()
    assert diffuse is not None
    mu = loading_for_white_noise_gain(diffuse, A, 0.1)
    below = white_noise_gain(distortionless_each(loaded(diffuse, 0.99 * mu), A), A)
    assert (below < 0.1).all()


PATTERNS: tuple[tuple[Pattern, float], ...] = (("cardioid", 3.0), ("hypercardioid", 4.0), ("supercardioid", 3.73))


@pytest.mark.parametrize(("name", "factor"), PATTERNS)
def test_first_order_patterns_are_those_of_the_books(name: Pattern, factor: float) -> None:
    pattern = pattern_through(pattern_nulls(name, 1))
    cosine = np.linspace(-1, 1, 20001)
    assert pattern(1.0) == pytest.approx(1.0)
    assert 1 / np.mean(np.abs(pattern(cosine)) ** 2) == pytest.approx(factor, rel=2e-3)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_the_hypercardioid_has_the_most_directivity_and_the_supercardioid_the_best_front(order: int) -> None:
    cosine = np.linspace(-1, 1, 40001)
    power = {
        name: np.abs(pattern_through(pattern_nulls(name, order))(cosine)) ** 2
        for name in ("cardioid", "dipole", "hypercardioid", "supercardioid")
    }
    factor = {name: 1 / np.mean(value) for name, value in power.items()}
    front = {name: np.sum(value[20001:]) / np.sum(value[:20000]) for name, value in power.items()}
    assert factor["hypercardioid"] == pytest.approx((order + 1) ** 2, rel=1e-3)
    assert max(factor, key=factor.__getitem__) == "hypercardioid"
    assert max(front, key=front.__getitem__) == "supercardioid"


SMALL_ARRAYS = (
    (MicrophoneArray.linear(2, 0.01), math.pi / 2, 1),
    (MicrophoneArray.linear(4, 0.03), -math.pi / 2, 3),
    (MicrophoneArray.circular(3, 0.01), 0.4, 1),
    (MicrophoneArray.circular(6, 0.02), 1.1, 2),
)


@pytest.mark.parametrize(("array", "azimuth", "order"), SMALL_ARRAYS)
@pytest.mark.parametrize("name", ["cardioid", "hypercardioid", "supercardioid"])
def test_the_pattern_is_made_at_every_frequency(array: MicrophoneArray, azimuth: float, order: int, name: Pattern) -> None:
    response = far_field(array, azimuth, frequencies=LOW)
    decoder = Differential(array, name, order, white_noise_gain=0.0, reference=None)
    D = decoder.init(noise(response), response).D
    around = torch.linspace(-math.pi, math.pi, 73, dtype=torch.float64)
    heard = (D @ far_field(array, azimuth + around, frequencies=LOW).matrix())[:, 0].abs()
    wanted = torch.from_numpy(np.abs(decoder.pattern(np.cos(around.numpy()))))
    torch.testing.assert_close(heard, wanted.expand_as(heard), rtol=0, atol=0.03)


def test_nulls_are_where_they_are_asked_for() -> None:
    array = MicrophoneArray.linear(4, 0.03)
    response = far_field(array, math.pi / 2, frequencies=LOW)
    D = Differential(array, [math.pi / 2, math.pi], white_noise_gain=0.0).init(noise(response), response).D
    nulls = far_field(array, torch.tensor([0.0, math.pi, -math.pi / 2], dtype=torch.float64), frequencies=LOW).matrix()
    assert float((D @ nulls).abs().max()) < 1e-6


@pytest.mark.parametrize("floor", [0.03, 0.3])
def test_the_pattern_gives_way_to_the_floor(floor: float) -> None:
    array = MicrophoneArray.circular(6, 0.02)
    frequencies = torch.tensor([0.0, 50.0, 200.0, 800.0, 3000.0], dtype=torch.float64)
    response = far_field(array, torch.tensor([0.3, 2.0]), frequencies=frequencies)
    reached = Differential(array, "cardioid", 2, white_noise_gain=floor)(noise(response), response).stats["white_noise_gain"]
    free = Differential(array, "cardioid", 2, white_noise_gain=0.0)(noise(response), response).stats["white_noise_gain"]
    wanted = free.clamp_min(floor)
    assert (reached >= wanted / TENTH_DB).all()
    assert (reached <= wanted * TENTH_DB).all()


def test_a_body_and_directional_microphones_are_taken_into_account() -> None:
    array = MicrophoneArray(MicrophoneArray.circular(4, 0.03).positions, body_radius=0.03)
    response = far_field(array, 0.3, frequencies=LOW)
    decoder = Differential(array, "cardioid", white_noise_gain=0.0)
    D = decoder.init(noise(response), response).D
    behind = far_field(array, 0.3 + math.pi, frequencies=LOW).matrix()
    assert float((D @ behind).abs().max()) < 0.01


def test_what_no_differential_array_can_do_is_refused() -> None:
    line, ring = MicrophoneArray.linear(4, 0.03), MicrophoneArray.circular(3, 0.03)
    for array, azimuth, order in ((line, 0.0, 1), (ring, 0.3, 2), (line, math.pi / 2, 4)):
        response = far_field(array, torch.tensor([azimuth]), frequencies=LOW)
        with pytest.raises(GeometryError, match="Superdirective"):
            Differential(array, "hypercardioid", order)(noise(response), response)
    response = far_field(ring, 0.3, frequencies=LOW)
    with pytest.raises(ShapeError, match="directions"):
        Differential(ring)(noise(response), MatrixResponse(response.matrix(), LOW))
    for pattern, order in (("figure of eight", 1), ([0.0], None), ([1.0, 2.0], 3), ([], None), ("cardioid", 0)):
        with pytest.raises(ShapeError):
            Differential(ring, pattern, order)  # type: ignore[arg-type]
    lone = MicrophoneArray(np.zeros((1, 3)))
    with pytest.raises(GeometryError):
        Differential(lone)(frames(1), far_field(lone, 0.0, frequencies=LOW))
