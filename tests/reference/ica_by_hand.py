"""FastICA as the papers state it, one sample at a time in float64: slow and obvious.

A. Hyvarinen, IEEE TNN 1999 (real: w <- E{z g(w^T z)} - E{g'(w^T z)} w); E. Bingham and A. Hyvarinen, IJNS 2000 (complex:
w <- E{z (w^H z)* g(|w^H z|^2)} - E{g + |w^H z|^2 g'} w); symmetric decorrelation W <- (W W^H)^(-1/2) W.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.complex128]


def real_step(z: Array, W: Array, contrast: str) -> Array:
    """One update of every row of W (source, source) for real white z (source, sample)."""
    n_sources, n_samples = z.shape
    new = np.zeros_like(W)
    for k in range(n_sources):
        for t in range(n_samples):
            s = W[k] @ z[:, t]
            if contrast == "logcosh":
                g, slope = np.tanh(s), 1 - np.tanh(s) ** 2
            elif contrast == "exp":
                g, slope = s * np.exp(-(s**2) / 2), (1 - s**2) * np.exp(-(s**2) / 2)
            else:
                g, slope = s**3, 3 * s**2
            new[k] += (z[:, t] * g - slope * W[k]) / n_samples
    return decorrelated(new)


def complex_step(z: Array, W: Array, contrast: str) -> Array:
    """One update for complex white z; the rows of W are w^H."""
    n_sources, n_samples = z.shape
    new = np.zeros_like(W)
    for k in range(n_sources):
        w = W[k].conj()
        total = np.zeros(n_sources, np.complex128)
        for t in range(n_samples):
            s = w.conj() @ z[:, t]
            p = abs(s) ** 2
            if contrast == "log":
                g, slope = 1 / (0.1 + p), -1 / (0.1 + p) ** 2
            elif contrast == "sqrt":
                g, slope = 1 / (2 * np.sqrt(0.1 + p)), -1 / (4 * (0.1 + p) ** 1.5)
            else:
                g, slope = p, 1
            total += (z[:, t] * np.conj(s) * g - (g + p * slope) * w) / n_samples
        new[k] = total.conj()
    return decorrelated(new)


def decorrelated(W: Array) -> Array:
    """(W W^H)^(-1/2) W by eigenvectors."""
    values, vectors = np.linalg.eigh(W @ W.conj().T)
    return vectors @ np.diag(values**-0.5) @ vectors.conj().T @ W
