"""Speech of six made-up speakers, and a world that is quick to make."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from arrayscene.worlds import WorldConfig


@pytest.fixture(scope="session")
def speech_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of each of six speakers, at several rates: coloured noise that comes and goes."""
    folder = tmp_path_factory.mktemp("speech")
    generate = np.random.default_rng(0)
    for speaker, rate in zip(("ann", "bob", "cy", "dee", "eve", "fay"), (16000, 8000, 44100, 16000, 22050, 48000), strict=True):
        (folder / speaker).mkdir()
        for number in range(2):
            noise = np.cumsum(generate.standard_normal(round(1.2 * rate)))
            noise -= noise.mean()
            sound = noise / np.abs(noise).max() * np.sin(np.linspace(0, 9, len(noise))) ** 2 * 0.5
            soundfile.write(folder / speaker / f"{number}.flac", sound, rate)
    return folder


@pytest.fixture
def quick() -> WorldConfig:
    """Scenes of 0.8 s in which everything may happen."""
    return WorldConfig(duration=0.8, t60=(0.15, 0.3), n_mics=(2, 4), arrays=("circular", "random"), n_talkers=(1, 3))
