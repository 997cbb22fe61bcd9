"""A simulated room: its equation, its directions, its decay, and what it refuses."""

import math

import numpy as np
import pytest

from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError, RecordingError, ShapeError
from arrayscene.simulate import Talker, random_talkers, simulate_scene

pytest.importorskip("pyroomacoustics", reason="rooms are simulated with pyroomacoustics: pip install arrayscene[rooms]")

RATE = 16000
ARRAY = MicrophoneArray.circular(4, 0.05)


def noise(seconds: float = 0.5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def two_talkers() -> list[Talker]:
    return [Talker(noise(), 0.5, 0.1, 1.2, -20.0), Talker(noise(0.3, seed=1), -2.0, 0.0, 1.0, -26.0)]


def level_db(signal: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(signal.astype(np.float64) ** 2)))


def test_recording_is_the_sum_of_images_and_noise() -> None:
    scene = simulate_scene(ARRAY, two_talkers(), t60=0.2, snr_db=20)
    assert scene.images.shape == (2, 4, RATE // 2)
    assert scene.images.dtype == scene.noise.dtype == scene.recording.samples.dtype == np.float32
    np.testing.assert_array_equal(scene.recording.samples, scene.images.sum(axis=0) + scene.noise)


def test_levels_and_snr_are_those_asked_for() -> None:
    scene = simulate_scene(ARRAY, two_talkers(), t60=0.2, snr_db=20)
    assert level_db(scene.images[0, 0]) == pytest.approx(-20, abs=0.01)
    assert level_db(scene.images[1, 0]) == pytest.approx(-26, abs=0.01)
    clean = level_db(scene.images.sum(axis=0)[0])
    assert [clean - level_db(row) for row in scene.noise] == pytest.approx([20] * 4, abs=0.3)


def test_the_same_seed_gives_the_same_scene() -> None:
    first, again, other = (simulate_scene(ARRAY, two_talkers(), t60=0, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.recording.samples, again.recording.samples)
    assert not np.array_equal(first.noise, other.noise)
    np.testing.assert_array_equal(first.images, other.images)


def test_no_noise() -> None:
    scene = simulate_scene(ARRAY, two_talkers(), t60=0, snr_db=math.inf)
    assert not np.any(scene.noise)


@pytest.mark.parametrize("azimuth_deg", [0.0, 90.0, -135.0])
def test_sound_arrives_from_the_stated_direction(azimuth_deg: float) -> None:
    """In free field the phase between microphones is that of a wave from the talker's place."""
    azimuth = math.radians(azimuth_deg)
    talker = Talker(noise(), azimuth, 0.2, 1.5)
    scene = simulate_scene(ARRAY, [talker], t60=0, snr_db=math.inf)
    distances = np.linalg.norm(talker.offset - ARRAY.positions, axis=1)
    spectra = np.fft.rfft(scene.images[0].astype(np.float64))
    frequencies = np.fft.rfftfreq(scene.images.shape[-1], 1 / RATE)
    band = (frequencies > 200) & (frequencies < 3000)
    cross = spectra[1:, band] * np.conj(spectra[0, band])
    expected = np.exp(-2j * np.pi * frequencies[band] * (distances[1:, None] - distances[0]) / 343.0)
    coherence = np.real(np.sum(cross * np.conj(expected), axis=1)) / np.sum(np.abs(cross), axis=1)
    assert np.all(coherence > 0.99)


def test_images_are_the_response_to_the_dry_signal() -> None:
    """In free field: later by r / c and the filter's 40 samples, lower by r."""
    scene = simulate_scene(ARRAY, [Talker(noise(), 0.5)], t60=0, snr_db=math.inf)
    dry, image = scene.dry[0].astype(np.float64), scene.images[0, 0].astype(np.float64)
    delay = int(np.argmax(np.correlate(image, dry, "full"))) - (len(dry) - 1)
    distance = np.linalg.norm(Talker(dry, 0.5).offset - ARRAY.positions[0])
    assert delay == pytest.approx(40 + distance / 343 * RATE, abs=1)
    assert level_db(image) - level_db(dry) == pytest.approx(-20 * math.log10(distance), abs=0.3)


def test_reverberation_lasts_about_as_long_as_asked() -> None:
    click = np.zeros(RATE // 2)
    click[0] = 1
    scene = simulate_scene(ARRAY, [Talker(click, 0.5)], room_size=(5, 4, 2.6), t60=0.35, snr_db=math.inf)
    decay = np.cumsum(scene.images[0, 0, ::-1].astype(np.float64) ** 2)[::-1]
    decay_db = 10 * np.log10(decay / decay[0])
    t60 = 2 * (np.argmax(decay_db < -35) - np.argmax(decay_db < -5)) / RATE
    assert t60 == pytest.approx(0.35, rel=0.15)


def test_a_rigid_body_is_not_simulated_and_not_claimed() -> None:
    sphere = MicrophoneArray.from_positions(ARRAY.positions, body_radius=0.05)
    scene = simulate_scene(sphere, two_talkers(), t60=0)
    assert scene.recording.array is not None
    assert scene.recording.array.body_radius is None


def test_microphones_are_simulated_without_directivity_and_electronics() -> None:
    array = MicrophoneArray.from_positions(ARRAY.positions, directivity=0.5, gains_db=[1] * ARRAY.n_mics)
    scene = simulate_scene(array, two_talkers(), t60=0)
    assert scene.recording.array == MicrophoneArray.from_positions(ARRAY.positions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"t60": 0.05}, "0.10 s"),
        ({"t60": -1}, "T60 of -1"),
        ({"t60": math.nan}, "T60 of nan"),
        ({"t60": 5}, "image sources"),
        ({"room_size": (1, 1, 1)}, "talker 1"),
        ({"room_size": (6, 4)}, "three lengths"),
        ({"room_size": (6, 4, -2)}, "three lengths"),
        ({"array_center": (0, 2, 1)}, "microphone 2 stands at (0.00, 2.05, 1.00) m"),
        ({"array_center": (9, 2, 1)}, "outside"),
        ({"array_center": (3, 2)}, "x, y and height"),
    ],
)
def test_impossible_rooms_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(GeometryError) as caught:
        simulate_scene(ARRAY, two_talkers(), **{"t60": 0.2} | change)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("talkers", "error", "message"),
    [
        ([], ShapeError, "no talker"),
        ([Talker(np.ones((2, 9)), 0)], ShapeError, "(2, 9)"),
        ([Talker([], 0)], ShapeError, "(0,)"),
        ([Talker([1.0, math.nan], 0)], RecordingError, "NaN"),
        ([Talker(np.zeros(9), 0)], RecordingError, "silent"),
        ([Talker(np.ones(9), 0, distance=0.06)], GeometryError, "from microphone 1"),
        ([Talker(np.ones(9), 0, distance=9)], GeometryError, "outside the walls"),
    ],
)
def test_impossible_talkers_are_refused(talkers: list[Talker], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        simulate_scene(ARRAY, talkers, t60=0)
    assert message in str(caught.value)


@pytest.mark.parametrize("snr_db", [math.nan, -math.inf])
def test_an_snr_that_is_no_number_is_refused(snr_db: float) -> None:
    with pytest.raises(RecordingError, match="SNR"):
        simulate_scene(ARRAY, two_talkers(), t60=0, snr_db=snr_db)


@pytest.mark.parametrize("n_talkers", [1, 2, 6, 20])
def test_random_talkers_stand_apart_and_inside(n_talkers: int) -> None:
    size, center = (5.0, 4.0, 2.6), (2.0, 2.0, 0.9)
    for seed in range(20):
        talkers = random_talkers([noise()] * n_talkers, room_size=size, array_center=center, seed=seed)
        places = np.array(center) + [talker.offset for talker in talkers]
        assert np.all((places > 0.29) & (places < np.array(size) - 0.29))
        azimuths = np.sort([talker.azimuth for talker in talkers])
        gaps = np.diff(np.append(azimuths, azimuths[0] + 2 * math.pi))
        assert gaps.min() >= min(math.radians(40), 0.8 * 2 * math.pi / n_talkers) - 1e-9


def test_no_place_between_array_and_wall() -> None:
    with pytest.raises(GeometryError, match="enlarge the room"):
        random_talkers([noise()] * 6, room_size=(1.0, 1.0, 2.0), array_center=(0.5, 0.5, 1.0))
