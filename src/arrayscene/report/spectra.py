"""Spectra of long signals in little memory: spectrograms to look at, and power over frequency to weight with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.scene import Scene

FloatArray = NDArray[np.floating[Any]]

MAX_COLUMNS = 1000
"""Columns of a picture over time, at most; a screen shows no more."""
N_BANDS = 128
"""Rows of a spectrogram."""

_BATCH_FRAMES = 2048
"""Frames transformed at once: 8 MB at 16 kHz."""
_POWER_FRAMES = 4096
"""Frames that a power spectrum of a long signal is averaged over."""
_FLOOR = 1e-20


def mel(frequency: FloatArray | float) -> FloatArray:
    """Mel scale, 2595 log10(1 + f / 700), of hertz (O'Shaughnessy, Speech Communication, 1987)."""
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(frequency) / 700.0))


def hertz(mels: FloatArray | float) -> FloatArray:
    """Inverse of `mel`."""
    return np.asarray(700.0 * (10.0 ** (np.asarray(mels) / 2595.0) - 1.0))


def spectrogram(signal: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Power in mel bands over time, dB re a full-scale sine.

    A column averages the Hann frames of 32 ms that fall into it, without overlap once columns are longer than frames; a short
    signal gets one a quarter frame. Bands reach from 0 Hz to half the rate, equally wide in mel.

    Args:
        signal: (sample,).
        sample_rate: hertz.

    Shape:
        (band, column), lowest frequency first; a column spans `column_seconds`.

    Cost: one FFT a 32 ms frame; memory does not grow with the length of the signal.
    """
    n_fft = frame_length(sample_rate)
    step = _column_samples(len(signal), n_fft)
    frames_per_column = max(1, step // n_fft)
    n_columns = max(1, -(-len(signal) // step))
    window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    window *= 2.0 / window.sum()
    bands = _mel_bands(sample_rate, n_fft)
    within = ((np.arange(frames_per_column) + 0.5) * step / frames_per_column - n_fft / 2).astype(np.int64)
    per_batch = max(1, _BATCH_FRAMES // frames_per_column)
    columns = np.empty((N_BANDS, n_columns), dtype=np.float32)
    for first in range(0, n_columns, per_batch):
        last = min(first + per_batch, n_columns)
        starts = (np.arange(first, last)[:, None] * step + within[None, :]).ravel()
        power = np.abs(np.fft.rfft(_frames(signal, starts, n_fft) * window, axis=-1)) ** 2
        power = power.reshape(last - first, frames_per_column, -1).mean(axis=1)
        columns[:, first:last] = bands @ power.T.astype(np.float32)
    return np.asarray(10.0 * np.log10(columns + np.float32(_FLOOR)), dtype=np.float32)


def column_seconds(n_samples: int, sample_rate: int) -> float:
    """Seconds that one column of `spectrogram` spans."""
    return _column_samples(n_samples, frame_length(sample_rate)) / sample_rate


def frame_length(sample_rate: int) -> int:
    """Power of two of samples next to 32 ms."""
    return int(2 ** max(4, round(np.log2(0.032 * sample_rate))))


def power_at(signal: NDArray[np.float32], sample_rate: int, frequencies: FloatArray) -> FloatArray:
    """(freq,) mean power of `signal` at `frequencies` in hertz; long signals are sampled by frames spread evenly over them."""
    n_fft = frame_length(sample_rate)
    n_frames = int(np.clip(2 * len(signal) // n_fft, 1, _POWER_FRAMES))
    starts = np.linspace(0, max(0, len(signal) - n_fft), n_frames).astype(np.int64)
    window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    total = np.zeros(n_fft // 2 + 1)
    for first in range(0, n_frames, _BATCH_FRAMES):
        frames = _frames(signal, starts[first : first + _BATCH_FRAMES], n_fft)
        total += np.sum(np.abs(np.fft.rfft(frames * window, axis=-1)) ** 2, axis=0, dtype=np.float64)
    return np.interp(frequencies, np.fft.rfftfreq(n_fft, 1.0 / sample_rate), total / n_frames)


def overall_residual_db(scene: Scene) -> float:
    """10 log10 of |y - A x|^2 over |y|^2 across all frequencies, each weighted by the power of the reference microphone.

    NaN for a silent recording, where the ratio means nothing.
    """
    trust = scene.reliability
    power = power_at(scene.mixture, scene.sample_rate, trust.frequencies)
    known = np.isfinite(trust.residual_db) & (power > 0)
    if not known.any():
        return float("nan")
    residual = 10.0 ** (trust.residual_db[known] / 10.0)
    return float(10.0 * np.log10(np.average(residual, weights=power[known]) + _FLOOR))


def _column_samples(n_samples: int, n_fft: int) -> int:
    return max(n_fft // 4, -(-n_samples // MAX_COLUMNS))


def _frames(signal: NDArray[np.float32], starts: NDArray[np.int64], n_fft: int) -> NDArray[np.float32]:
    """(frame, n_fft) stretches from `starts`, zeros beyond the ends; copies no more of the signal than that."""
    index = starts[:, None] + np.arange(n_fft)
    samples = signal.take(index, mode="clip")
    samples[~np.isfinite(samples)] = 0.0
    samples[(index < 0) | (index >= len(signal))] = 0.0
    return samples


def _mel_bands(sample_rate: int, n_fft: int) -> NDArray[np.float32]:
    """(band, bin) triangular weights that average power; bands narrower than a bin interpolate between its neighbours."""
    bins = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    edges = hertz(np.linspace(0.0, mel(sample_rate / 2), N_BANDS + 1))
    centres = 0.5 * (edges[:-1] + edges[1:])
    half_width = np.maximum(np.diff(edges), bins[1])
    weights = np.maximum(0.0, 1.0 - np.abs(bins[None, :] - centres[:, None]) / half_width[:, None])
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)
