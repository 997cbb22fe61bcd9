"""Dereverberation by prediction from the past as the papers state it, one number at a time in float64: slow and obvious.

T. Yoshioka and T. Nakatani, IEEE TASLP 2012 (weighted prediction error); T. Yoshioka et al., ICASSP 2009 (recursive, here by the
sums themselves instead of their inverse); T. Nakashima et al., ICASSP 2021 (joint separation, with the weights of N. Ono 2012).
"""

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]


def past(y: Complex, t: int, taps: int, delay: int) -> Complex:
    """The frames t - delay ... t - delay - taps + 1 of (mic, frame) over each other; silence before the first."""
    frames = [y[:, t - delay - k] if t >= delay + k else np.zeros(len(y)) for k in range(taps)]
    return np.concatenate(frames).astype(np.complex128)


def dereverberate(y: Complex, taps: int, delay: int, n_iter: int, context: int, floor: float, loading: float) -> Complex:
    """(mic, frame) of one frequency."""
    n_mics, n_frames = y.shape
    x = y.copy()
    for _ in range(n_iter):
        power = [np.mean(np.abs(x[:, t]) ** 2) for t in range(n_frames)]
        power = [np.mean(power[max(t - context, 0) : t + context + 1]) for t in range(n_frames)]
        R = np.zeros((taps * n_mics, taps * n_mics), np.complex128)
        P = np.zeros((n_mics, taps * n_mics), np.complex128)
        for t in range(n_frames):
            variance = max(power[t], floor * np.mean(power))
            R += np.outer(past(y, t, taps, delay), past(y, t, taps, delay).conj()) / variance
            P += np.outer(y[:, t], past(y, t, taps, delay).conj()) / variance
        G = P @ np.linalg.inv(R + loading * np.diag(np.diag(R)))
        for t in range(n_frames):
            x[:, t] = y[:, t] - G @ past(y, t, taps, delay)
    return x


def follow(y: Complex, taps: int, delay: int, forgetting: float, loading: float, prior: float) -> Complex:
    """(mic, frame) of one frequency, each frame by the least squares over all up to it."""
    n_mics, n_frames = y.shape
    n = taps * n_mics
    x = y.copy()
    R, P = prior * np.eye(n, dtype=np.complex128), np.zeros((n_mics, n), np.complex128)
    powers = [np.mean(np.abs(y[:, t]) ** 2) for t in range(n_frames)]
    for t in range(n_frames):
        z = past(y, t, taps, delay)
        if powers[t] > 1e-6 * np.mean(powers[: t + 1]):
            variance = np.mean(powers[max(t - 1, 0) : t + 1])
            R = forgetting * R + np.outer(z, z.conj()) / variance
            P = forgetting * P + np.outer(y[:, t], z.conj()) / variance
            x[:, t] = y[:, t] - P @ np.linalg.inv(R) @ z
            # Noise, one entry of the past after the other.
            R[t % n, t % n] += n * loading
        else:
            x[:, t] = y[:, t] - P @ np.linalg.inv(R) @ z
    return x


def separate(y: Complex, start: Complex, taps: int, delay: int, n_iter: int) -> Complex:
    """(source, freq, frame), at any scale, from (mic, freq, frame) and a start W (freq, source, mic)."""
    n_mics, n_freqs, n_frames = y.shape
    x = np.stack([start[f] @ y[:, f] for f in range(n_freqs)], axis=1)
    for _ in range(n_iter):
        power = np.mean(np.abs(x) ** 2, axis=1)
        weights = 1 / (power + 1e-3 * power.mean(axis=1, keepdims=True))
        for f in range(n_freqs):
            for i in range(taps * n_mics):
                z = np.array([past(y[:, f], t, taps, delay)[i] for t in range(n_frames)])
                for m in range(n_mics):
                    x[m, f] -= mean_of(weights[m], x[m, f], z) / mean_of(weights[m], z, z) * z
            for k in range(n_mics):
                z = x[k, f].copy()
                for m in range(n_mics):
                    v = mean_of(weights[m], x[m, f], z) / mean_of(weights[m], z, z)
                    x[m, f] -= (1 - 1 / np.sqrt(mean_of(weights[k], z, z)) if m == k else v) * z
    return x


def mean_of(weights: Real, a: Complex, b: Complex) -> complex:
    """<w a b*>."""
    return complex(np.mean(weights * a * b.conj()))
