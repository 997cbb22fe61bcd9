"""The reverberation time that is read off a recording."""

import numpy as np
import pytest

from arrayscene import MicrophoneArray
from arrayscene.reverberation import decay_time
from arrayscene.simulate import random_talkers, simulate_scene
from arrayscene.voices import load_voice, voice_names

RATE = 16000


@pytest.mark.parametrize("t60", [0.25, 0.4, 0.6])
def test_talkers_in_a_room(t60: float) -> None:
    pytest.importorskip("pyroomacoustics")
    voices = [load_voice(name, RATE)[: 6 * RATE] for name in voice_names()[:2]]
    room, centre = (6.0, 5.0, 2.8), (3.0, 2.4, 1.2)
    talkers = random_talkers(voices, room_size=room, array_center=centre, seed=3, separation=0.5, distances=(1.0, 2.0))
    array = MicrophoneArray.circular(4, 0.032)
    scene = simulate_scene(
        array, talkers, sample_rate=RATE, room_size=room, t60=t60, array_center=centre, snr_db=25.0, seed=np.random.default_rng(0)
    )
    samples = scene.recording.samples[0]
    assert decay_time(samples, RATE) == pytest.approx(t60, rel=0.25)
    assert decay_time(20 * samples, RATE) == pytest.approx(decay_time(samples, RATE), rel=1e-3)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_noise_that_is_switched_off(rate: int) -> None:
    """Exponential decays of known rate, one every half second."""
    seconds = np.arange(4 * rate) / rate
    noise = np.random.default_rng(1).standard_normal(len(seconds))
    assert decay_time(noise * 10 ** (-3 * (seconds % 0.5) / 0.5), rate) == pytest.approx(0.5, rel=0.1)


def test_nothing_is_said_where_nothing_dies_away() -> None:
    generator = np.random.default_rng(0)
    for steady in (generator.standard_normal(5 * RATE), np.zeros(RATE), np.sin(0.3 * np.arange(RATE)), np.ones(20)):
        assert decay_time(steady.astype(np.float32), RATE) is None
