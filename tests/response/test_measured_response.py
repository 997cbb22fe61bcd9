"""Measured responses: exact where measured, close and honest in between, refused where nothing was measured."""

import math

import numpy as np
import pytest
import torch

from arrayscene.array import MicrophoneArray
from arrayscene.array_checks import GeometryWarning
from arrayscene.array_points import fibonacci_sphere
from arrayscene.errors import GeometryError, ShapeError
from arrayscene.response import ImpulseResponses, MeasuredResponse, PlaneWave, RigidSphere
from arrayscene.response.dtft import dtft

RATE, N_TAPS, LEAD = 16000, 128, 48
SPHERE = MicrophoneArray(positions=0.08 * fibonacci_sphere(5), body_radius=0.08)
FREE = MicrophoneArray.circular(4, 0.05)
BINS = torch.fft.rfftfreq(N_TAPS, 1 / RATE, dtype=torch.float64)
BAND = BINS[2:48]


def angles(vectors: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(np.arctan2(vectors[:, 1], vectors[:, 0])), torch.tensor(np.arcsin(np.clip(vectors[:, 2], -1, 1)))


def measure(model: type, array: MicrophoneArray, vectors: np.ndarray) -> ImpulseResponses:
    """Impulse responses of a model of the array, band-limited, with a common lead."""
    azimuth, elevation = angles(vectors)
    A = model(array, azimuth, elevation, frequencies=BINS).matrix()
    taper = torch.cos(torch.clamp((BINS / 6000 - 1) * math.pi / 0.66, 0, math.pi)) / 2 + 0.5
    A = A * (taper * torch.polar(torch.ones_like(BINS), -2 * torch.pi * BINS * LEAD / RATE))[:, None, None]
    samples = torch.fft.irfft(A, n=N_TAPS, dim=0).permute(2, 1, 0)
    return ImpulseResponses(samples.numpy(), RATE, azimuth.numpy(), elevation.numpy())


def relative_error(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """(freq, source)."""
    return (found - wanted).abs().square().sum(1) / wanted.abs().square().sum(1)


def decibels(power: torch.Tensor) -> float:
    return 10 * math.log10(float(power.mean()))


@pytest.fixture(scope="module")
def sphere() -> ImpulseResponses:
    return measure(RigidSphere, SPHERE, fibonacci_sphere(300))


@pytest.fixture(scope="module")
def elsewhere() -> np.ndarray:
    vectors = np.random.default_rng(1).standard_normal((60, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_measured_direction_gives_what_was_measured(sphere: ImpulseResponses) -> None:
    rows = [0, 17, 299]
    asked = MeasuredResponse(sphere, torch.tensor(sphere.azimuth[rows]), torch.tensor(sphere.elevation[rows]), frequencies=BINS)
    times = np.arange(N_TAPS) / RATE
    by_hand = np.einsum("smt,ft->fms", sphere.samples[rows], np.exp(-2j * np.pi * BINS.numpy()[:, None] * times))
    for found in (asked, MeasuredResponse(sphere.select(rows), frequencies=BINS)):
        np.testing.assert_allclose(found.matrix().numpy(), by_hand, atol=1e-9)
        assert float(found.interpolation_error().max()) < 1e-6


def test_between_directions_of_a_rigid_sphere(sphere: ImpulseResponses, elsewhere: np.ndarray) -> None:
    found = MeasuredResponse(sphere, *angles(elsewhere), frequencies=BAND)
    wanted = MeasuredResponse(measure(RigidSphere, SPHERE, elsewhere), frequencies=BAND).matrix()
    error = relative_error(found.matrix(), wanted)
    assert decibels(error) < -35
    # What it says of itself is right on the whole.
    assert decibels(found.interpolation_error()) == pytest.approx(decibels(error), abs=4)


def test_delays_of_a_free_field_array_are_interpolated_exactly() -> None:
    # 30 directions are 40 degrees apart: far too few for anything but the trend.
    measured = measure(PlaneWave, FREE, fibonacci_sphere(30))
    azimuth, elevation = angles(fibonacci_sphere(77))
    found = MeasuredResponse(measured, azimuth, elevation, frequencies=BAND).matrix()
    wanted = MeasuredResponse(measure(PlaneWave, FREE, fibonacci_sphere(77)), frequencies=BAND).matrix()
    assert decibels(relative_error(found, wanted)) < -50


def test_a_horizontal_ring_of_directions_is_enough_for_the_horizon() -> None:
    ring = np.stack([[math.cos(a), math.sin(a), 0] for a in np.arange(0, 2 * math.pi, math.radians(15))])
    measured = measure(RigidSphere, SPHERE, ring)
    wanted = measure(RigidSphere, SPHERE, np.array([[math.cos(0.9), math.sin(0.9), 0.0]]))
    found = MeasuredResponse(measured, 0.9, frequencies=BAND)
    assert decibels(relative_error(found.matrix(), MeasuredResponse(wanted, frequencies=BAND).matrix())) < -30
    assert found.diffuse() is None


def test_far_from_what_was_measured(sphere: ImpulseResponses) -> None:
    upper = sphere.select([row for row in range(300) if sphere.elevation[row] > 0])
    with pytest.warns(GeometryWarning, match=r"20\.2 degrees from the nearest direction"):
        MeasuredResponse(upper, 0.3, math.radians(-17), frequencies=BAND)
    with pytest.raises(GeometryError, match=r"source 2 at azimuth 17\.2, elevation -60\.0 .* degrees from the nearest"):
        MeasuredResponse(upper, torch.tensor([0.3, 0.3]), torch.tensor([0.5, -math.pi / 3]), frequencies=BAND)


def test_one_direction_is_known_there_only(sphere: ImpulseResponses) -> None:
    one = sphere.select([40])
    azimuth, elevation = float(one.azimuth[0]), float(one.elevation[0])
    there = MeasuredResponse(one, azimuth, elevation, frequencies=BAND)
    torch.testing.assert_close(there.matrix(), MeasuredResponse(one, frequencies=BAND).matrix())
    assert not bool(there.interpolation_error().any())
    with pytest.raises(GeometryError, match="from the nearest direction"):
        MeasuredResponse(one, azimuth + 0.2, elevation, frequencies=BAND)


def test_two_responses_of_one_direction_are_not_mixed(sphere: ImpulseResponses) -> None:
    twice = sphere.select([*range(300), 5])
    with pytest.raises(GeometryError, match=r"responses 6 and 301 .* one direction"):
        MeasuredResponse(twice, float(sphere.azimuth[5]), float(sphere.elevation[5]), frequencies=BAND)
    assert MeasuredResponse(twice.select([5, 300]), frequencies=BAND).matrix().shape[-1] == 2


def test_far_and_near_responses_are_not_mixed(sphere: ImpulseResponses) -> None:
    mixed = ImpulseResponses(
        sphere.samples, RATE, sphere.azimuth, sphere.elevation, distance=np.where(np.arange(300) % 2, 0.5, 2.0)
    )
    with pytest.raises(GeometryError, match=r"from 0\.50 to 2\.00 m"):
        MeasuredResponse(mixed, 0.1, 0.1, frequencies=BAND)
    MeasuredResponse(mixed, float(mixed.azimuth[3]), float(mixed.elevation[3]), frequencies=BAND)


def test_nothing_is_known_above_half_the_rate(sphere: ImpulseResponses) -> None:
    with pytest.raises(ShapeError, match=r"up to 9000 Hz .* sampled at 16000 Hz .* above 8000 Hz"):
        MeasuredResponse(sphere, 0.0, frequencies=torch.tensor([100.0, 9000.0]))


def test_isotropic_noise_from_the_measured_directions(sphere: ImpulseResponses) -> None:
    response = MeasuredResponse(sphere, 0.0, frequencies=BAND[:30])
    model = RigidSphere(SPHERE, 0.0, frequencies=BAND[:30])
    found, wanted = response.diffuse(), model.diffuse()
    assert found is not None
    torch.testing.assert_close(found, wanted, rtol=0, atol=0.01)
    assert MeasuredResponse(sphere.select(range(100)), 0.0, math.pi / 2, frequencies=BAND).diffuse() is None


def test_microphones_are_selected(sphere: ImpulseResponses) -> None:
    whole = MeasuredResponse(sphere, 0.2, 0.1, frequencies=BAND).matrix()
    part = MeasuredResponse(sphere.select(mics=[3, 0]), 0.2, 0.1, frequencies=BAND).matrix()
    torch.testing.assert_close(part, whole[:, [3, 0]])


def test_early_part_of_a_room_response() -> None:
    rng = np.random.default_rng(3)
    samples = np.zeros((2, 2, 4000))
    for direction, start in enumerate((700, 900)):
        samples[direction, 0, start:] = rng.standard_normal(4000 - start) * np.exp(-np.arange(4000 - start) / 900)
        samples[direction, 0, start] = 5
        samples[direction, 1, start + 3 :] = samples[direction, 0, start:-3]
    measured = ImpulseResponses(samples, RATE, np.array([0.0, 1.0]), np.zeros(2))
    early = measured.early(0.02)
    fade = round(0.002 * RATE)
    assert early.samples.shape[-1] == 200 + 2 * fade + round(0.02 * RATE)
    assert np.abs(early.samples[0, 0]).argmax() == fade
    np.testing.assert_array_equal(early.samples[1, 1, 200 + fade + 3 : 200 + fade + 320], samples[1, 1, 903 : 900 + 320])
    assert not early.samples[0, 0, 2 * fade + 320 :].any()
    with pytest.raises(ShapeError, match="early"):
        measured.early(0.0)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"samples": np.ones((2, 3))}, ShapeError, r"shape \(2, 3\)"),
        ({"samples": np.ones((2, 3, 0))}, ShapeError, "none empty"),
        ({"samples": np.full((2, 3, 4), np.nan)}, ShapeError, "response 1 holds NaN"),
        ({"samples": np.stack([np.ones((3, 4)), np.zeros((3, 4))])}, ShapeError, "response 2 is silent"),
        ({"sample_rate": 0}, ShapeError, "sample rate"),
        ({"azimuth": np.zeros(3)}, GeometryError, "azimuth of shape"),
        ({"elevation": np.array([0.0, np.inf])}, GeometryError, "elevation of shape"),
        ({"distance": np.array([1.0, 0.0])}, GeometryError, "distance of 0 m"),
    ],
)
def test_numbers_that_are_no_impulse_responses(change: dict[str, object], error: type[Exception], words: str) -> None:
    good = {"samples": np.ones((2, 3, 4)), "sample_rate": RATE, "azimuth": np.arange(2.0), "elevation": np.zeros(2)}
    ImpulseResponses(**good)  # type: ignore[arg-type]
    with pytest.raises(error, match=words):
        ImpulseResponses(**(good | change))  # type: ignore[arg-type]


def test_selecting_what_is_not_there(sphere: ImpulseResponses) -> None:
    for chosen in ([], [300], [-1]):
        with pytest.raises(ShapeError, match="numbers from 0 to 299"):
            sphere.select(chosen)


@pytest.mark.parametrize(
    ("rate", "frequencies"),
    [
        (44100.0, torch.arange(513, dtype=torch.float64) * 15.625),
        (48000.0, torch.tensor([8000.0, 0.0, 24000.0], dtype=torch.float64)),
        (16000.0, torch.tensor([123.456789, 7654.3], dtype=torch.float64)),
    ],
)
def test_spectra_at_any_frequency(rate: float, frequencies: torch.Tensor) -> None:
    samples = torch.randn(3, 700, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    times = np.arange(700) / rate
    wanted = samples.numpy() @ np.exp(-2j * np.pi * times[:, None] * frequencies.numpy())
    np.testing.assert_allclose(dtft(samples, rate, frequencies, "test").numpy(), wanted, atol=1e-9)


@pytest.mark.shared_data
def test_a_measured_head_between_its_directions(shared_data) -> None:
    pytest.importorskip("sofar", reason="SOFA files are read with sofar: pip install arrayscene[sofa]")
    head = ImpulseResponses.load(shared_data / "hrtf" / "FHK_HRIR_L2354.sofa")
    assert (head.n_directions, head.n_mics, head.sample_rate) == (2354, 2, 48000)
    kept, asked = head.select(range(0, 2354, 2)), head.select(range(1, 2354, 16))
    frequencies = torch.arange(300.0, 4000.0, 100.0, dtype=torch.float64)
    found = MeasuredResponse(kept, torch.tensor(asked.azimuth), torch.tensor(asked.elevation), frequencies=frequencies)
    error = relative_error(found.matrix(), MeasuredResponse(asked, frequencies=frequencies).matrix())
    assert decibels(error) < -25
    assert decibels(found.interpolation_error()) == pytest.approx(decibels(error), abs=4)
