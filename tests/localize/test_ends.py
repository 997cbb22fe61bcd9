"""Recordings that begin or end within a sound, and those of which resampling leaves nothing but that."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import RecordingError
from arrayscene.localize import locate
from arrayscene.localize.ends import ends_faded
from arrayscene.recording import Recording
from arrayscene.recovery import recover

ARRAY = MicrophoneArray.circular(4, 0.05)
RATE, LOW = 48000, 8000


def tone(noise: float) -> Recording:
    """Two seconds of a tone of 10 kHz at 0.1 of full scale from azimuth 40 degrees, and sensor noise."""
    arrival = -ARRAY.positions @ [np.cos(np.radians(40)), np.sin(np.radians(40)), 0] / SPEED_OF_SOUND
    samples = 0.1 * np.sin(2 * np.pi * 10000 * (np.arange(2 * RATE) / RATE - arrival[:, None]))
    samples += noise * np.random.default_rng(0).standard_normal(samples.shape)
    return Recording(samples, RATE, ARRAY)


@given(st.integers(1, 400), st.lists(st.integers(0, 400), max_size=4))
def test_blocks_are_faded_as_the_whole(n_samples: int, cuts: list[int]) -> None:
    samples = np.random.default_rng(0).standard_normal((2, n_samples)).astype(np.float32)
    whole = ends_faded(samples, 0, n_samples, 1000)
    edges = sorted({0, n_samples, *(cut for cut in cuts if cut < n_samples)})
    parts = [ends_faded(samples[:, a:b], a, n_samples, 1000) for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    reach = min(20, n_samples // 50)
    np.testing.assert_array_equal(whole[:, reach : n_samples - reach], samples[:, reach : n_samples - reach])
    assert (np.abs(whole[:, :reach]) < np.abs(samples[:, :reach])).all()


def test_a_tone_above_the_limit_leaves_noise_and_no_source() -> None:
    recording = tone(1e-4).resample(LOW)
    found = recover(recording)
    assert not found.sources
    assert any("resampling to 8000 Hz left -6" in warning for warning in found.warnings)
    assert not locate(recording).sources


@pytest.mark.parametrize("job", [recover, locate])
def test_where_nothing_is_left_that_is_said(job, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="nothing is left of its sound at 8000 Hz"):
        job(tone(0.0).resample(LOW))
    tone(0.0).write(tmp_path / "tone.wav", "PCM_16")
    with pytest.raises(RecordingError, match=r"tone\.wav: nothing is left of its sound at 8000 Hz: all of it lies above 4000 Hz"):
        job(Recording.read(tmp_path / "tone.wav", ARRAY, sample_rate=LOW))


def test_what_resampling_leaves_of_other_sounds_is_fine() -> None:
    """Noise, an offset and a click."""
    samples = 1e-3 * np.random.default_rng(0).standard_normal((4, RATE)) + 0.5
    samples[:, RATE // 2] = 0.9
    assert not any("resampling" in warning for warning in recover(Recording(samples, RATE, ARRAY).resample(LOW)).warnings)
