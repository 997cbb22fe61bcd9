"""The voices that the package ships."""

from importlib.resources import files

import numpy as np
import pytest

from arrayscene.errors import RecordingError
from arrayscene.voices import load_voice, voice_names


def test_six_voices_of_several_talkers() -> None:
    assert len(voice_names()) == 6
    assert voice_names() == sorted(voice_names())


@pytest.mark.parametrize("name", voice_names())
def test_a_voice_is_clean_talk(name: str) -> None:
    signal = load_voice(name)
    assert signal.dtype == np.float32
    assert 6 <= len(signal) / 16000 <= 8
    assert 20 * np.log10(np.abs(signal).max()) == pytest.approx(-6, abs=0.1)
    assert abs(signal.mean()) < 1e-3
    frames = signal[: len(signal) // 160 * 160].reshape(-1, 160)
    talking = np.sqrt((frames**2).mean(axis=1)) > 0.01 * np.abs(signal).max()
    pauses = np.diff(np.flatnonzero(np.concatenate([[True], talking, [True]])))
    assert pauses.max() <= 31, "a pause of more than 0.3 s"


def test_a_voice_at_another_rate() -> None:
    name = voice_names()[0]
    assert len(load_voice(name, 48000)) == pytest.approx(3 * len(load_voice(name)), abs=2)


def test_an_unknown_voice_names_the_known_ones() -> None:
    with pytest.raises(RecordingError, match=voice_names()[0]):
        load_voice("nobody")


def test_every_voice_is_attributed_and_all_fit_in_a_megabyte() -> None:
    folder = files("arrayscene") / "assets" / "voices"
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in voice_names())
    assert sum(len(entry.read_bytes()) for entry in folder.iterdir()) < 1_000_000
