"""The voices that the package ships, for the demo, simulations and tests."""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

from arrayscene.errors import RecordingError


def voice_names() -> list[str]:
    """Names of the shipped voices, sorted.

    Source and licence of each: `assets/voices/README.md`.
    """
    folder = files("arrayscene") / "assets" / "voices"
    return sorted(entry.name.removesuffix(".flac") for entry in folder.iterdir() if entry.name.endswith(".flac"))


def voice_speaker(name: str) -> str:
    """Who speaks a shipped voice: names are LANGUAGE-PERSON or LANGUAGE-PERSON-NUMBER, and a person may have several."""
    return name.split("-")[1]


def load_voice(name: str, sample_rate: int = 16000) -> NDArray[np.float32]:
    """Read a shipped voice, 6 to 8 s of talk that peaks at -6 dB full scale.

    Args:
        name: one of `voice_names()`.
        sample_rate: hertz; other than 16000 it is resampled.

    Returns:
        (sample,) float32, amplitude 1.0 at full scale.

    Raises:
        RecordingError: no such voice.

    Cost: a few milliseconds.
    """
    names = voice_names()
    if name not in names:
        raise RecordingError(f"voice {name!r} came; the package ships {', '.join(names)}")
    import soundfile

    with as_file(files("arrayscene") / "assets" / "voices" / f"{name}.flac") as path:
        signal, rate = soundfile.read(path, dtype="float32")
    if rate != sample_rate:
        import soxr

        signal = soxr.resample(signal, rate, sample_rate)
    return np.asarray(signal, dtype=np.float32)
