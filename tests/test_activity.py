"""Activity: when something sounds, whatever it is, at any rate, in noise and in rooms."""

from pathlib import Path

import numpy as np
import pytest

from arrayscene.activity import active_segments, split_by_activity
from arrayscene.errors import RecordingError, ShapeError
from arrayscene.recording import Recording


def mask(segments: np.ndarray, seconds: float) -> np.ndarray:
    times = np.arange(0, seconds, 0.01) + 0.005
    return ((times[:, None] >= segments[:, 0]) & (times[:, None] < segments[:, 1])).any(axis=1)


def noise(n: int, level: float, seed: int = 0) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal(n)


def reverberant(x: np.ndarray, rate: int, t60: float) -> np.ndarray:
    t = np.arange(round(t60 * rate)) / rate
    room = noise(len(t), 1.0, 5) * 10 ** (-3 * t / t60)
    room[0] = np.sqrt(np.sum(room**2))
    return np.convolve(x, room)


@pytest.mark.parametrize("rate", [4000, 8000, 16000, 44100, 96000, 192000])
def test_a_burst_is_found_at_any_rate(rate: int) -> None:
    for background in (0.0, 0.003):
        x = noise(5 * rate, background)
        x[2 * rate : 3 * rate] += noise(rate, 0.05, 1)
        segments = active_segments(x, rate)
        assert segments.shape == (1, 2)
        np.testing.assert_allclose(segments[0], [2, 3], atol=0.2)


@pytest.mark.parametrize("frequency", [150.0, 900.0, 6000.0])
def test_a_faint_tone_in_noise_is_found(frequency: float) -> None:
    x = noise(80000, 0.01)
    x[32000:48000] += 0.02 * np.sin(2 * np.pi * frequency * np.arange(16000) / 16000)
    segments = active_segments(x, 16000)
    assert segments.shape == (1, 2)
    np.testing.assert_allclose(segments[0], [2, 3], atol=0.2)


@pytest.mark.parametrize("rate", [4000, 16000, 192000])
def test_silence_is_empty_and_a_sound_without_pause_is_all_active(rate: int) -> None:
    assert active_segments(np.zeros(rate), rate).shape == (0, 2)
    assert active_segments(noise(rate, 1e-6), rate).shape == (0, 2)
    tone = 0.1 * np.sin(2 * np.pi * 300 * np.arange(2 * rate) / rate)
    for steady in (tone, noise(2 * rate, 0.1)):
        np.testing.assert_allclose(active_segments(steady, rate), [[0, 2]])


def test_a_sound_that_begins_and_does_not_stop() -> None:
    x = np.concatenate([np.zeros(16000), 0.1 * np.sin(0.2 * np.arange(64000))])
    np.testing.assert_allclose(active_segments(x, 16000), [[0.9, 5.0]], atol=0.05)


def test_steady_noise_far_longer_than_the_window_raises_no_false_alarm() -> None:
    x = noise(16000 * 120, 0.05)
    x[16000 * 70 : 16000 * 71] *= 10
    segments = active_segments(x, 16000)
    assert segments.shape == (1, 2)
    np.testing.assert_allclose(segments[0], [70, 71], atol=0.2)


def test_a_background_that_grows_is_followed() -> None:
    n = 16000 * 180
    x = noise(n, 1.0) * np.linspace(0.005, 0.015, n)
    for at in (20, 90, 160):
        x[16000 * at : 16000 * (at + 1)] *= 8
    segments = active_segments(x, 16000)
    np.testing.assert_allclose(segments, [[20, 21], [90, 91], [160, 161]], atol=0.2)


def test_short_pauses_are_filled_and_clicks_dropped() -> None:
    x = np.zeros(16000 * 6)
    for start, stop in ((1.0, 1.5), (1.6, 2.0), (3.0, 3.5)):
        x[round(16000 * start) : round(16000 * stop)] = noise(round(16000 * (stop - start)), 0.1)
    x[16000 * 5] = 0.9
    segments = active_segments(x, 16000)
    np.testing.assert_allclose(segments, [[0.9, 2.1], [2.9, 3.6]], atol=0.05)
    assert len(active_segments(x, 16000, hangover=0.0, min_pause=0.05)) == 3
    assert len(active_segments(x, 16000, min_active=0.0)) == 3


@pytest.mark.parametrize("n_samples", [1, 2, 100, 320, 481])
def test_very_short_signals(n_samples: int) -> None:
    segments = active_segments(np.full(n_samples, 0.1) + noise(n_samples, 0.1), 16000)
    np.testing.assert_allclose(segments, [[0, n_samples / 16000]])


def test_a_recording_is_the_mean_of_its_microphones_and_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.stack([noise(16000 * 9, 0.001, seed) for seed in range(3)])
    x[:, 48000:80000] += noise(32000, 0.1, 9)
    x[1] = 0.0
    x[2, 100] = np.nan
    Recording(x, 16000).write(tmp_path / "x.wav")
    monkeypatch.setattr("arrayscene.audio_span.FileSpan.load", None)
    segments = active_segments(Recording.read(tmp_path / "x.wav"))
    np.testing.assert_allclose(segments, [[3, 5]], atol=0.2)
    np.testing.assert_array_equal(segments, active_segments(Recording(x, 16000)))


def test_split_gives_the_stretches(tmp_path: Path) -> None:
    x = noise(16000 * 6, 0.001)
    x[16000:32000] += noise(16000, 0.1)
    x[64000:72000] += noise(8000, 0.1)
    recording = Recording(x[None], 16000)
    parts = split_by_activity(recording)
    assert len(parts) == 2
    for part, (start, stop) in zip(parts, active_segments(recording), strict=True):
        np.testing.assert_array_equal(part.samples[0], recording.samples[0, round(start * 16000) : round(stop * 16000)])


def test_what_came_wrong_is_said() -> None:
    with pytest.raises(ShapeError, match=r"\(2, 100\)"):
        active_segments(np.zeros((2, 100)), 16000)
    with pytest.raises(RecordingError, match="sample rate"):
        active_segments(np.zeros(100))


@pytest.mark.shared_data
@pytest.mark.parametrize("t60", [0.0, 0.5])
def test_real_talk_at_10_db_in_noise_and_rooms(shared_data: Path, t60: float) -> None:
    """What is found in clean speech is found again at 10 dB, and nothing where nobody talks."""
    paths = sorted((shared_data / "speech_train").rglob("*.flac"))[:8]
    assert paths
    found, false = [], []
    for path in paths:
        speech = Recording.read(path, stop=5.0)
        rate, dry = speech.sample_rate, speech.samples[0]
        clean = mask(active_segments(dry, rate, hangover=0.0), 5.0)
        talk = reverberant(dry, rate, t60) if t60 else dry
        talk = talk[: len(dry) + rate]
        x = np.zeros(12 * rate)
        x[4 * rate : 4 * rate + len(talk)] = talk * 0.05 / np.sqrt(np.mean(talk[: len(dry)] ** 2))
        x += noise(len(x), 0.05 * 10 ** (-10 / 20), 2)
        active = mask(active_segments(x, rate), 12.0)
        found.append(active[400:900][clean].mean())
        false.append(np.concatenate([active[:380], active[1020:]]).mean())
    assert np.mean(found) > 0.85
    assert min(found) > 0.6
    assert max(false) < 0.02
