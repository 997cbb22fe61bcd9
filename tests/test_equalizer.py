"""Recording.equalized: gains and fractional delays of the channels are taken out, in memory and from files alike."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrayscene import MicrophoneArray, Recording

RATE = 16000
GAINS_DB = (0.0, 1.5, -3.0, 6.0)
DELAYS = (0.0, 13.7e-6, -2.03125e-3, 4.1e-3)
ARRAY = replace(MicrophoneArray.circular(4, 0.05), gains_db=GAINS_DB, delays=DELAYS)


def noise(n: int, highest: float = RATE / 2) -> np.ndarray:
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal((4, n)))
    spectrum[:, np.fft.rfftfreq(n, 1 / RATE) > highest] = 0
    return (0.1 * np.fft.irfft(spectrum, n)).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(
    frequency=st.floats(20.0, 0.96 * RATE / 2),
    gains_db=st.tuples(*[st.floats(-30, 30)] * 3),
    delays=st.tuples(*[st.floats(-3e-3, 3e-3)] * 3),
)
def test_tones_come_out_as_they_went_in(frequency: float, gains_db: tuple[float, ...], delays: tuple[float, ...]) -> None:
    time = np.arange(6000) / RATE
    tone = np.sin(2 * np.pi * frequency * (time - np.array(delays)[:, None]))
    heard = (10 ** (np.array(gains_db) / 20))[:, None] * tone
    array = replace(MicrophoneArray.circular(3, 0.05), gains_db=gains_db, delays=delays)
    clean = Recording(heard, RATE, array).equalized()
    wanted = np.sin(2 * np.pi * frequency * time)
    # 48 samples of the delay and 128 of the interpolator at both ends.
    np.testing.assert_allclose(clean.samples[:, 200:-200], np.tile(wanted[200:-200], (3, 1)), atol=3e-6)
    assert (clean.array.gains_db, clean.array.delays) == (None, None)


def test_whole_samples_are_moved_to_the_last_bit() -> None:
    heard = noise(1000)
    array = replace(MicrophoneArray.circular(4, 0.05), delays=(0, 1 / RATE, -2 / RATE, 5000 / RATE))
    clean = Recording(heard, RATE, array).equalized().samples
    np.testing.assert_array_equal(clean[0], heard[0])
    np.testing.assert_array_equal(clean[1], [*heard[1, 1:], 0])
    np.testing.assert_array_equal(clean[2], [0, 0, *heard[2, :-2]])
    assert not clean[3].any()


@pytest.mark.parametrize("array", [None, MicrophoneArray.circular(4, 0.05)])
def test_nothing_to_take_out_is_the_recording_itself(array: MicrophoneArray | None) -> None:
    recording = Recording(noise(100), RATE, array)
    assert recording.equalized() is recording


class TestInFiles:
    @pytest.fixture
    def both(self, tmp_path: Path) -> tuple[Recording, Recording]:
        heard = noise(150_001, highest=3400)
        Recording(heard, RATE).write(tmp_path / "a.wav")
        return Recording.read(tmp_path / "a.wav", ARRAY).equalized(), Recording(heard, RATE, ARRAY).equalized()

    def test_it_is_the_same_as_in_memory(self, both: tuple[Recording, Recording], monkeypatch: pytest.MonkeyPatch) -> None:
        lazy, loaded = both
        assert "in its files" in repr(lazy)
        with monkeypatch.context() as patched:
            patched.setattr("arrayscene.equalizer.EqualizedSpan.load", None)
            for start, block in lazy.blocks(1.0, overlap=0.25):
                stop = start + block.n_samples
                np.testing.assert_allclose(block.samples, loaded.samples[:, start:stop], atol=1e-7)
        np.testing.assert_allclose(lazy.samples, loaded.samples, atol=1e-7)

    def test_stretches_and_choices(self, both: tuple[Recording, Recording]) -> None:
        lazy, loaded = both
        for part in (lambda r: r.segment(1.5, 3), lambda r: r.select([3, 1]), lambda r: r.select([2]).segment(2).segment(0.1, 4)):
            np.testing.assert_allclose(part(lazy).samples, part(loaded).samples, atol=1e-7)
            assert part(lazy).array == part(loaded).array

    def test_resampling(self, both: tuple[Recording, Recording]) -> None:
        lazy, loaded = both
        np.testing.assert_allclose(
            lazy.resample(8000).samples[:, 200:-200], loaded.resample(8000).samples[:, 200:-200], atol=2e-6
        )
        np.testing.assert_allclose(
            lazy.segment(1, 5).resample(8000).samples, loaded.segment(1, 5).resample(8000).samples, atol=2e-6
        )

    def test_what_was_cut_off_before_stays_silent(self, tmp_path: Path) -> None:
        heard = noise(20_000)
        Recording(heard, RATE).write(tmp_path / "a.wav")
        lazy = Recording.read(tmp_path / "a.wav", ARRAY, start=0.25, stop=1.0).equalized()
        loaded = Recording(heard[:, 4000:16000], RATE, ARRAY).equalized()
        np.testing.assert_allclose(lazy.samples, loaded.samples, atol=1e-7)

    def test_twice_with_another_array(self, both: tuple[Recording, Recording]) -> None:
        lazy, loaded = both
        for recording in both:
            assert recording.array.delays is None
        again = replace(MicrophoneArray.circular(4, 0.05), gains_db=(1, 2, 3, 4), delays=(1e-5, 2e-5, 0, 0))
        np.testing.assert_allclose(
            lazy.with_array(again).equalized().samples, loaded.with_array(again).equalized().samples, atol=1e-7
        )
