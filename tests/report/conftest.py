"""Scenes made by hand, with a known answer in every field."""

from collections.abc import Callable

import numpy as np
import pytest

from arrayscene.array import MicrophoneArray
from arrayscene.scene import Reliability, Scene, SoundMap, Source

AZIMUTHS_DEG = (30.0, -75.0, 150.0, 90.0)


def build_scene(
    *,
    n_sources: int = 3,
    array: MicrophoneArray | None = None,
    seconds: float = 3.0,
    sample_rate: int = 8000,
    amplitude: float = 0.3,
    **fields: object,
) -> Scene:
    """`n_sources` harmonic tones that start half a second apart around `array`."""
    array = array or MicrophoneArray.circular(4, 0.05)
    n_samples = round(seconds * sample_rate)
    time = np.arange(n_samples, dtype=np.float32) / sample_rate
    sources = []
    for index in range(n_sources):
        start = min(0.5 * index, 0.8 * seconds)
        tone = sum(np.sin(2 * np.pi * (120 + 70 * index) * k * time) / k for k in range(1, 8))
        signal = (amplitude / n_sources * tone * (time >= start)).astype(np.float32)
        half = 0.5 * (start + seconds)
        active = np.array([[start, half - 0.1], [half, seconds]])
        azimuth = np.radians(AZIMUTHS_DEG[index % len(AZIMUTHS_DEG)])
        level = 20 * np.log10(np.sqrt(np.mean(signal**2)))
        sources.append(Source(azimuth, 0.1 * index, None, level, active, 0.9 - 0.2 * index, signal))
    rng = np.random.default_rng(0)
    mixture = sum((source.signal for source in sources), np.zeros(n_samples, dtype=np.float32))
    mixture = mixture + (0.001 * amplitude * rng.standard_normal(n_samples)).astype(np.float32)
    given = {
        "sources": sources,
        "mixture": mixture,
        "sample_rate": sample_rate,
        "array": array,
        "reference_channel": 1,
        "sound_map": build_map(sources, array.ambiguity, seconds),
        "reliability": build_reliability(sample_rate),
        "method": "AuxIVA (Laplace)",
        "why": "as many microphones as sources",
        "ambiguity": array.ambiguity,
        "assumptions": ["Speed of sound 343.2 m/s."],
        "warnings": [],
        "inputs": ["meeting room.wav"],
        "timings": {"localise": 0.5, "decode": 1.25},
    }
    return Scene(**(given | fields))  # type: ignore[arg-type]


def build_map(sources: list[Source], ambiguity: str, seconds: float) -> SoundMap:
    azimuth_deg = np.arange(-90.0, 91.0, 5.0) if ambiguity == "cone" else np.arange(-175.0, 181.0, 5.0)
    azimuth = np.repeat(np.radians(azimuth_deg), 2)
    elevation = np.tile([0.0, 0.5], len(azimuth_deg))
    times = np.arange(0.05, seconds, 0.1)
    power = np.full((len(azimuth), len(times)), 0.1)
    for source in sources:
        towards = np.exp(4 * (np.cos(azimuth - source.azimuth) - 1)) * np.cos(elevation)
        sounding = ((times >= source.active[:, :1]) & (times < source.active[:, 1:])).any(axis=0)
        power += 0.3 * towards[:, None] * sounding
    return SoundMap(azimuth, elevation, times, power)


def build_reliability(sample_rate: int) -> Reliability:
    frequencies = np.linspace(0, sample_rate / 2, 257)
    ripple = np.sin(frequencies / 90.0)
    return Reliability(
        frequencies=frequencies,
        reliability=1.0 / (1.0 + np.exp(2.0 - frequencies / 300.0)),
        residual_db=-12.0 + 3.0 * ripple + 4.0 * frequencies / sample_rate,
        condition=1.0 + 20.0 / (1.0 + frequencies / 200.0),
        noise_gain_db=2.0 - 6.0 * frequencies / sample_rate + ripple,
        aliasing_hz=2426.0,
    )


@pytest.fixture
def make_scene() -> Callable[..., Scene]:
    return build_scene
