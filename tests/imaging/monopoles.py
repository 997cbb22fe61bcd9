"""Sound of known monopoles in free field: exact cross-spectral matrices, and recordings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from arrayscene import MicrophoneArray, Recording
from arrayscene.constants import SPEED_OF_SOUND

RATE = 16000


def covariance(A: Tensor, sources: dict[int, float], noise: float = 0.0) -> Tensor:
    """Exact matrices of uncorrelated sources at points, each with its power, and of noise in every microphone."""
    C = noise * torch.eye(A.shape[-2], dtype=torch.complex128).expand(len(A), -1, -1)
    for point, power in sources.items():
        a = A[..., point].to(torch.complex128)
        C = C + power * a[..., :, None] * a[..., None, :].conj()
    return C


def recorded(
    array: MicrophoneArray,
    sources: Sequence[tuple[Sequence[float], float]],
    seconds: float = 2.0,
    noise: float = 0.0,
    rate: int = RATE,
) -> Recording:
    """White monopoles, each at a place with a root mean square at the array's origin, in free field."""
    rng = np.random.default_rng(7)
    n = round(seconds * rate)
    hertz = np.fft.rfftfreq(n, 1 / rate)
    samples = noise * rng.standard_normal((array.n_mics, n))
    for place, rms in sources:
        spectrum = np.fft.rfft(rms * rng.standard_normal(n))
        away = np.linalg.norm(array.positions - np.asarray(place), axis=1)
        origin = float(np.linalg.norm(place))
        for mic, distance in enumerate(away):
            phase = np.exp(-2j * np.pi * hertz * (distance - origin) / SPEED_OF_SOUND)
            samples[mic] += np.fft.irfft(spectrum * phase * origin / distance, n)
    return Recording(samples.astype(np.float32), rate, array)
