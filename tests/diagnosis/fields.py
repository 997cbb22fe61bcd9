"""Sound fields made fast: talkers as plane waves in an isotropic field, without a room's walls."""

import numpy as np

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.recording import Recording

RATE = 16000


def field(
    array: MicrophoneArray,
    azimuths: tuple[float, ...] = (0.4, -1.7),
    *,
    seconds: float = 2.0,
    seed: int = 0,
    diffuse: float = 0.5,
) -> Recording:
    """Noise that comes and goes from each azimuth (degrees of elevation aside), as much from everywhere, and sensor noise."""
    generator = np.random.default_rng(seed)
    n = int(seconds * RATE)
    frequencies = np.fft.rfftfreq(n, 1 / RATE)
    time = np.arange(n) / RATE
    heard = np.zeros((array.n_mics, len(frequencies)), complex)

    def arrive(direction: np.ndarray, signal: np.ndarray) -> None:
        lead = array.positions @ direction / SPEED_OF_SOUND
        heard[:] += np.fft.rfft(signal) * np.exp(2j * np.pi * frequencies * lead[:, None])

    for number, azimuth in enumerate(azimuths):
        active = (np.sin(2 * np.pi * (0.7 + 0.2 * number) * time + 2 * number) > -0.3).astype(float)
        arrive(np.array([np.cos(azimuth), np.sin(azimuth), 0.0]), active * generator.standard_normal(n))
    around = generator.standard_normal((40, 3))
    for direction in around / np.linalg.norm(around, axis=1, keepdims=True):
        arrive(direction, diffuse * generator.standard_normal(n) / np.sqrt(40))
    samples = np.fft.irfft(heard, n)
    samples += 0.05 * samples.std() * generator.standard_normal(samples.shape)
    return Recording((0.1 * samples).astype(np.float32), RATE, array)


def shuffled(recording: Recording, order: list[int]) -> Recording:
    """The recording of somebody who plugged microphone order[i] into channel i."""
    return Recording(np.ascontiguousarray(recording.samples[order]), recording.sample_rate, recording.array)


def irregular(n: int, seed: int = 0, size: float = 0.12) -> MicrophoneArray:
    """Microphones at random in the horizontal plane, no two close together, so that nothing is symmetric."""
    generator = np.random.default_rng(seed)
    while True:
        positions = generator.uniform(-0.5, 0.5, (n, 2)) * size
        apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)[np.triu_indices(n, 1)]
        if apart.min() > 0.3 * size:
            return MicrophoneArray.from_positions(positions, name="irregular", layout="mic-first")
