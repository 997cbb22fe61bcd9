"""OverIVA with its background outputs written out, in float64: slow and obvious.

R. Scheibler and N. Ono, WASPAA 2019: the full demixing matrix is [W; J, -I], and J keeps the background uncorrelated with the
sources after every change of W.
"""

import numpy as np
from auxiva_by_hand import Complex, covariance, demixed, scales, source_weights


def separate(mixture: Complex, n_sources: int, model: str, n_iter: int, reference: int) -> Complex:
    """(source, freq, frame) from a mixture (mic, freq, frame), starting from the first microphones, by iterative projection."""
    n_mics, n_freqs, n_frames = mixture.shape
    W = np.tile(np.eye(n_sources, n_mics, dtype=np.complex128), (n_freqs, 1, 1))
    for _ in range(n_iter):
        weights = source_weights(demixed(W, mixture), model)
        for f in range(n_freqs):
            C = mixture[:, f] @ mixture[:, f].conj().T / n_frames
            for k in range(n_sources):
                V = covariance(mixture[:, f], weights[k])
                a = np.linalg.inv(with_background(W[f], C) @ V)[:, k]
                W[f, k] = a.conj() / np.sqrt((a.conj() @ V @ a).real)
    outputs = demixed(W, mixture)
    for f in range(n_freqs):
        for k, scale in enumerate(scales(mixture[:, f], outputs[:, f], reference)):
            outputs[k, f] *= scale
    return outputs


def with_background(W: Complex, C: Complex) -> Complex:
    """[W; J, -I] with W C [J, -I]^H = 0."""
    n_sources, n_mics = W.shape
    left, right = (W @ C)[:, :n_sources], (W @ C)[:, n_sources:]
    J = (np.linalg.inv(left) @ right).conj().T
    return np.concatenate([W, np.concatenate([J, -np.eye(n_mics - n_sources)], axis=1)])
