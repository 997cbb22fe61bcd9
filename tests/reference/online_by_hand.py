"""Block-online AuxIVA with iterative projection, one block after the other in float64: slow and obvious.

T. Taniguchi et al., HSCMA 2014 (the recursion of V); the beginning, where every frame counts as much as any before and the start
as much as `prior` frames, is this package's own.
"""

import numpy as np
from auxiva_by_hand import Complex, covariance, demixed, project


def separate(mixture: Complex, start: Complex, block: int, forgetting: float, prior: int, reference: int) -> Complex:
    """(source, freq, frame) of a Gaussian source model, from a mixture (mic, freq, frame) and a start W (freq, source, mic)."""
    n_mics, n_freqs, n_frames = mixture.shape
    W = start.astype(np.complex128)
    V = np.zeros((n_freqs, n_mics, n_mics, n_mics), np.complex128)
    R = np.zeros((n_freqs, n_mics, n_mics), np.complex128)
    level = np.ones(n_mics)
    parts = []
    for begin in range(0, n_frames, block):
        y = mixture[:, :, begin : begin + block]
        n = y.shape[2]
        gain = max(1 - forgetting**n, n / (prior + begin + n))
        power = (np.abs(demixed(W, y)) ** 2).mean(axis=1)
        if begin == 0:
            W /= np.sqrt(power.mean(axis=1))[None, :, None]
            power /= power.mean(axis=1, keepdims=True)
        level = (1 - gain) * level + gain * power.mean(axis=1)
        for f in range(n_freqs):
            seen = covariance(y[:, f], np.ones(n))
            if begin == 0:
                R[f] = np.trace(seen).real / n_mics * np.eye(n_mics)
            R[f] = (1 - gain) * R[f] + gain * seen
            for k in range(n_mics):
                weighted = covariance(y[:, f], 1 / (power[k] + 1e-3 * level[k]))
                if begin == 0:
                    # w_k V_k w_m^H is zero for other rows m, as it is where a row is at rest.
                    A = np.linalg.inv(start[f])
                    V[f, k] = (start[f, k] @ weighted @ start[f, k].conj()).real * A @ A.conj().T
                V[f, k] = (1 - gain) * V[f, k] + gain * weighted
            project(W[f], V[f])
        outputs = demixed(W, y)
        for f in range(n_freqs):
            outputs[:, f] *= scales(W[f], R[f], reference)[:, None]
        parts.append(outputs)
    return np.concatenate(parts, axis=2)


def scales(W: Complex, R: Complex, reference: int) -> Complex:
    """What the reference microphone hears of each output: least squares with 0.1 % of loading on outputs of unit power."""
    level = np.sqrt(np.diag(W @ R @ W.conj().T).real)
    unit = W / level[:, None]
    return (R @ unit.conj().T)[reference] @ np.linalg.inv(unit @ R @ unit.conj().T + 1e-3 * np.eye(len(W))) / level
