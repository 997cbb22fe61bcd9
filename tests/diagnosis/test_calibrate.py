"""`calibrate` measures what the electronics add, from a sound at a known place."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from fields import RATE, field, irregular
from test_diagnose import with_electronics

from arrayscene.array import MicrophoneArray
from arrayscene.diagnosis import Place, calibrate
from arrayscene.errors import GeometryError, RecordingError, ShapeError
from arrayscene.recording import Recording
from arrayscene.response import SphericalWave

ARRAY = irregular(5)
GAINS, DELAYS = np.array([0.0, 3.0, -2.0, 0.5, 0.0]), np.array([0.0, 1.2e-4, -8e-5, 0.0, 3e-5])


def test_gains_and_delays_from_one_far_sound() -> None:
    recording = with_electronics(field(ARRAY, (0.7,), diffuse=0.3), GAINS, DELAYS)
    found = calibrate(recording, Place(0.7))
    np.testing.assert_allclose(found.gains_db, GAINS - np.median(GAINS), atol=0.4)
    np.testing.assert_allclose(found.delays, DELAYS - np.median(DELAYS), atol=6e-6)
    assert max(found.delay_errors) < 6e-6
    assert max(found.gain_errors_db) < 0.4
    assert found.rotation is None
    mended = Recording(recording.samples, RATE, found.array).equalized()
    again = calibrate(mended, Place(0.7))
    assert max(map(abs, again.delays)) < 2e-6
    # Calibrating again what is calibrated keeps what is known.
    twice = calibrate(Recording(recording.samples, RATE, found.array), Place(0.7))
    np.testing.assert_allclose(twice.array.delays, found.array.delays, atol=2e-6)


def test_a_near_sound_is_louder_and_earlier_at_the_nearest_microphone() -> None:
    array = irregular(5, size=0.4)
    place = torch.tensor([[0.5, 0.6, 0.1]], dtype=torch.float64)
    n = 2 * RATE
    frequencies = torch.fft.rfftfreq(n, 1 / RATE, dtype=torch.float64)
    noise = np.random.default_rng(0).standard_normal(n) * np.repeat(np.random.default_rng(1).random(40) > 0.4, n // 40)
    A = SphericalWave(array, place, frequencies=frequencies).matrix()[:, :, 0].numpy().T
    samples = np.fft.irfft(np.fft.rfft(noise) * A, n)
    samples += 0.02 * samples.std() * np.random.default_rng(2).standard_normal(samples.shape)
    recording = with_electronics(Recording((0.1 * samples).astype(np.float32), RATE, array), GAINS, DELAYS)
    distance = math.hypot(0.5, 0.6, 0.1)
    found = calibrate(recording, Place(math.atan2(0.6, 0.5), math.asin(0.1 / distance), distance))
    np.testing.assert_allclose(found.gains_db, GAINS, atol=0.3)
    np.testing.assert_allclose(found.delays, DELAYS, atol=3e-6)
    far = calibrate(recording, Place(math.atan2(0.6, 0.5)))
    assert np.abs(np.array(far.delays) - DELAYS).max() > 2e-5


def test_several_places_and_the_turn() -> None:
    ring = MicrophoneArray.circular(6, 0.05)
    azimuths = (0.3, 2.2)
    recordings = [field(ring, (azimuth,), seed=n, diffuse=0.4) for n, azimuth in enumerate(azimuths)]
    believed = ring.rotated(yaw=-0.6)
    found = calibrate(
        [Recording(recording.samples, RATE, believed) for recording in recordings], [Place(a) for a in azimuths], rotation=True
    )
    assert found.rotation == pytest.approx(0.6, abs=math.radians(2))
    np.testing.assert_allclose(found.array.positions, ring.positions, atol=2e-3)
    assert max(map(abs, found.delays)) < 8e-6
    assert found.to_dict()["rotation_deg"] == pytest.approx(math.degrees(0.6), abs=2)


def test_what_cannot_be_calibrated_is_refused() -> None:
    recording = field(ARRAY, (0.7,))
    with pytest.raises(ShapeError, match="1 recordings and 2 places"):
        calibrate(recording, [Place(0.0), Place(1.0)])
    with pytest.raises(RecordingError, match="different arrays"):
        calibrate([recording, field(irregular(5, seed=1))], [Place(0.0), Place(1.0)])
    with pytest.raises(RecordingError, match="too short"):
        calibrate(recording.segment(0, 0.5), Place(0.0))
    with pytest.raises(GeometryError, match="no array"):
        calibrate(Recording(recording.samples, RATE), Place(0.0))
    with pytest.raises(GeometryError, match="mm from a microphone"):
        calibrate(recording, Place(0.0, 0.0, 1e-6))


def test_dead_channels_keep_what_they_had() -> None:
    samples = field(ARRAY, (0.7,)).samples.copy()
    samples[3] = 0
    array = replace(ARRAY, gains_db=(0.0, 0.0, 0.0, 5.0, 0.0))
    found = calibrate(Recording(samples, RATE, array), Place(0.7))
    assert found.channels == (1, 2, 3, 5)
    assert found.array.gains_db is not None
    assert found.array.gains_db[3] == 5.0
