"""Sounds from moving far-field directions: exact delays that change with every sample, and sensor noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND

RATE = 16000


def plane_waves(
    array: MicrophoneArray,
    paths: Sequence[Callable[[np.ndarray], np.ndarray]],
    seconds: float,
    *,
    gates: Sequence[Callable[[np.ndarray], np.ndarray]] | None = None,
    sounds: Sequence[np.ndarray] | None = None,
    noise: float = 3e-3,
    seed: int = 0,
) -> np.ndarray:
    """(mic, sample) float32.

    Args:
        array: microphones.
        paths: degrees of azimuth at times in seconds.
        gates: whether each source sounds at these times; always by default.
        sounds: (sample,) of each source; noise as sparse as speech by default.
    """
    parts = images(array, paths, seconds, gates=gates, sounds=sounds, seed=seed)
    sensors = noise * np.random.default_rng(seed + 1000).standard_normal(parts.shape[1:])
    return (parts.sum(axis=0) + sensors).astype(np.float32)


def images(
    array: MicrophoneArray,
    paths: Sequence[Callable[[np.ndarray], np.ndarray]],
    seconds: float,
    *,
    gates: Sequence[Callable[[np.ndarray], np.ndarray]] | None = None,
    sounds: Sequence[np.ndarray] | None = None,
    seed: int = 0,
) -> np.ndarray:
    """(source, mic, sample) what `plane_waves` adds up."""
    generator = np.random.default_rng(seed)
    n_samples, over = round(seconds * RATE), 8
    times = np.arange(n_samples) / RATE
    found = np.empty((len(paths), array.n_mics, n_samples))
    for n, path in enumerate(paths):
        if sounds is None:
            dense = _voice(generator, n_samples, over, slope=-0.5 - 0.5 * n)
        else:
            dense = over * np.fft.irfft(np.pad(np.fft.rfft(sounds[n]), (0, (over - 1) * n_samples // 2)), over * n_samples)
        gate = np.ones(n_samples) if gates is None else gates[n](times)
        azimuth = np.radians(path(times))
        towards = np.stack([np.cos(azimuth), np.sin(azimuth), np.zeros_like(azimuth)])
        at = np.arange(n_samples)[None] + array.positions @ towards / SPEED_OF_SOUND * RATE
        found[n] = gate * np.interp(at * over, np.arange(over * n_samples), dense)
    return found


def _voice(generator: np.random.Generator, n_samples: int, over: int, slope: float) -> np.ndarray:
    """(over sample,) noise, sparse as speech is: bands that come and go by themselves."""
    frequencies = np.fft.rfftfreq(n_samples, 1 / RATE)
    shape = np.maximum(frequencies, 300.0) ** slope
    times = np.arange(over * n_samples) / (over * RATE)
    total = np.zeros(over * n_samples)
    for low in 150 * 1.4 ** np.arange(11):
        inside = (frequencies >= low) & (frequencies < 1.4 * low)
        spectrum = np.fft.rfft(generator.standard_normal(n_samples)) * inside * shape
        band = np.fft.irfft(np.pad(spectrum, (0, (over - 1) * n_samples // 2)), over * n_samples) * over
        swing = np.sin(2 * np.pi * (generator.uniform(2, 4) * times + generator.random()))
        total += band * np.clip(5 * swing - 2, 0, 1) ** 2
    return 0.1 * total / np.sqrt(np.mean(total**2))
