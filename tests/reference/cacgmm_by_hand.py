"""The mixture of complex angular central Gaussians as the paper states it, one bin at a time in float64: slow and obvious.

N. Ito, S. Araki and T. Nakatani, EUSIPCO 2016: density det(B)^-1 (z^H B^-1 z)^-M, and the updates of B and of the weights.
"""

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]


def rounds(y: Complex, shares: Real, n_iter: int, loading: float, tied: bool) -> Real:
    """Posteriors (class, freq, frame) for y (mic, freq, frame)."""
    n_mics, n_freqs, n_frames = y.shape
    n_classes = len(shares)
    z = np.zeros_like(y)
    for f in range(n_freqs):
        for t in range(n_frames):
            z[:, f, t] = y[:, f, t] / np.sqrt(np.sum(np.abs(y[:, f, t]) ** 2))
    w, form = shares.copy(), np.ones(shares.shape)
    for _ in range(n_iter):
        prior = prior_of(w, tied)
        likelihood = np.zeros(w.shape)
        for f in range(n_freqs):
            for k in range(n_classes):
                B = np.zeros((n_mics, n_mics), np.complex128)
                for t in range(n_frames):
                    B += w[k, f, t] / form[k, f, t] * np.outer(z[:, f, t], z[:, f, t].conj())
                B = B / np.trace(B).real * n_mics + loading * np.eye(n_mics)
                inverse, det = np.linalg.inv(B), np.linalg.det(B).real
                for t in range(n_frames):
                    form[k, f, t] = (z[:, f, t].conj() @ inverse @ z[:, f, t]).real
                    likelihood[k, f, t] = prior[k, f, t] / det / form[k, f, t] ** n_mics
        w = likelihood / likelihood.sum(0)
    return w


def prior_of(w: Real, tied: bool) -> Real:
    """The mean share over the frequencies of the frame, or over the frames of the frequency."""
    prior = np.zeros(w.shape)
    for k in range(w.shape[0]):
        for f in range(w.shape[1]):
            for t in range(w.shape[2]):
                prior[k, f, t] = np.mean(w[k, :, t]) if tied else np.mean(w[k, f, :])
    return prior
