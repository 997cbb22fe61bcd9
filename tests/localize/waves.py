"""Recordings made on purpose: sources in free air, at a direction or a place, and sensor noise."""

from collections.abc import Sequence

import numpy as np
import torch

from arrayscene.array import MicrophoneArray
from arrayscene.recording import Recording
from arrayscene.response import Response, SphericalWave, far_field

RATE = 16000


def heard(
    array: MicrophoneArray, *sources: tuple[np.ndarray, Sequence[float]], snr_db: float = 30.0, level: float = 0.05
) -> Recording:
    """Signals from (azimuth, elevation) in degrees, or from (x, y, z) in metres, of RMS `level` at the first microphone."""
    n = len(sources[0][0])
    frequencies = torch.tensor(np.fft.rfftfreq(n, 1 / RATE))
    total = np.zeros((array.n_mics, n))
    for signal, place in sources:
        A: Response
        if len(place) == 3:
            A = SphericalWave(array, torch.tensor([place], dtype=torch.float64), frequencies=frequencies)
        else:
            A = far_field(array, *map(float, np.radians(place)), frequencies=frequencies)
        total += np.fft.irfft(np.fft.rfft(signal) * A.matrix()[:, :, 0].numpy().T, n)
    total *= level / np.sqrt(np.square(total[0]).mean())
    noise = np.random.default_rng(0).standard_normal(total.shape)
    return Recording((total + level * 10 ** (-snr_db / 20) * noise).astype(np.float32), RATE, array)


def noise(seconds: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def bursts(seconds: float, seed: int) -> np.ndarray:
    """Noise that comes and goes like syllables, with a spectrum of its own every time."""
    generator = np.random.default_rng(seed)
    parts = []
    for _ in range(round(seconds / 0.2)):
        shape = np.repeat(generator.exponential(size=41) ** 2, 40)[: round(0.1 * RATE) + 1]
        spectrum = np.fft.rfft(generator.standard_normal(round(0.2 * RATE))) * shape
        parts.append(np.fft.irfft(spectrum) * np.hanning(round(0.2 * RATE)) * (generator.uniform() < 0.6))
    return np.concatenate(parts)


def tone(seconds: float, hertz: float) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
