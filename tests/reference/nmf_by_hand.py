"""ILRMA and FastMNMF as the papers state them, one number at a time in float64: slow and obvious.

D. Kitamura et al., IEEE/ACM TASLP 2016 and S. Mogami et al., MLSP 2017 (T and V for Gaussian and Student's t sources);
K. Sekiguchi et al., IEEE/ACM TASLP 2020 (components, spatial weights, the Wiener filter). Demixing matrices and diagonalisers are
swept as in `auxiva_by_hand`. There are as many sources as microphones, and the microphones are the start.
"""

import auxiva_by_hand
import numpy as np
from auxiva_by_hand import Complex, demixed
from numpy.typing import NDArray

Real = NDArray[np.float64]

FLOOR = 1e-3
LEAK = 1e-2


def ilrma(mixture: Complex, n_bases: int, nu: float, n_iter: int, n_sweeps: int, top: float, reference: int) -> Complex:
    """(source, freq, frame) from a mixture (mic, freq, frame); nu = inf is Gaussian."""
    W, power = start(mixture)
    T, V = bands(power, n_bases, top)
    for _ in range(n_iter):
        sweep(W, mixture, 1 / tempered(variances(T, V), power, nu), n_sweeps)
        power = np.abs(demixed(W, mixture)) ** 2
        R = variances(T, V)
        T = updated_spectra(T, V, power / (R * tempered(R, power, nu)), 1 / R)
        R = variances(T, V)
        V = updated_activations(T, V, power / (R * tempered(R, power, nu)), 1 / R)
    outputs = demixed(W, mixture)
    for f in range(outputs.shape[1]):
        outputs[:, f] *= auxiva_by_hand.scales(mixture[:, f], outputs[:, f], reference)[:, None]
    return outputs


def fastmnmf(
    mixture: Complex, model: int, n_bases: int, n_iter: int, n_sweeps: int, top: float, reference: int
) -> tuple[Complex, Complex]:
    """(source, freq, frame), and A (freq, mic, source), from a mixture (mic, freq, frame)."""
    n_mics, n_freqs, n_frames = mixture.shape
    Q, power = start(mixture)
    T, V = bands(power, n_bases, top)
    G = np.tile((LEAK + (1 - LEAK) * np.eye(n_mics))[:, None], (1, n_freqs, 1))
    for _ in range(n_iter):
        sweep(Q, mixture, 1 / component_variances(T, V, G), n_sweeps)
        power = np.abs(demixed(Q, mixture)) ** 2
        Y = component_variances(T, V, G)
        T = updated_spectra(T, V, gathered(G, power / Y**2), gathered(G, 1 / Y))
        Y = component_variances(T, V, G)
        R = variances(T, V) - FLOOR
        found, expected = np.zeros(G.shape), np.zeros(G.shape)
        for k, f, m in np.ndindex(G.shape):
            found[k, f, m] = sum(R[k, f] * power[m, f] / Y[m, f] ** 2)
            expected[k, f, m] = sum(R[k, f] / Y[m, f])
        if model == 2:
            found[:], expected[:] = found.sum(1, keepdims=True), expected.sum(1, keepdims=True)
        G = G * np.sqrt(found / expected)
        Y = component_variances(T, V, G)
        V = updated_activations(T, V, gathered(G, power / Y**2), gathered(G, 1 / Y))
    R, x, A = variances(T, V) - FLOOR, np.zeros_like(mixture), np.zeros((n_freqs, n_mics, n_mics), np.complex128)
    for f in range(n_freqs):
        inverse = np.linalg.inv(Q[f])
        R_k = [inverse @ np.diag(G[k, f]) @ inverse.conj().T for k in range(n_mics)]
        for k in range(n_mics):
            A[f, :, k] = R_k[k][:, reference] / R_k[k][reference, reference]
            for t in range(n_frames):
                R_yy = sum(R[j, f, t] * R_k[j] for j in range(n_mics)) + FLOOR * inverse @ inverse.conj().T
                x[k, f, t] = R[k, f, t] * R_k[k][reference] @ np.linalg.inv(R_yy) @ mixture[:, f, t]
    return x, A


def start(mixture: Complex) -> tuple[Complex, Real]:
    """W (freq, output, mic), diagonal, so that all outputs have unit power, and their power (output, freq, frame)."""
    n_mics, n_freqs, _ = mixture.shape
    W = np.zeros((n_freqs, n_mics, n_mics), np.complex128)
    for f, m in np.ndindex(n_freqs, n_mics):
        W[f, m, m] = 1 / np.sqrt(np.mean(np.abs(mixture[m, f]) ** 2))
    return W, np.abs(demixed(W, mixture)) ** 2


def bands(power: Real, n_bases: int, top: float) -> tuple[Real, Real]:
    """T (source, freq, basis) and V (source, basis, frame) of triangular bands on the mel scale, 2 % of each everywhere."""
    n_sources, n_freqs, n_frames = power.shape
    share = np.zeros((n_freqs, n_bases))
    for f, b in np.ndindex(share.shape):
        place = np.log(1 + top * f / (n_freqs - 1) / 700) / np.log(1 + top / 700) * n_bases
        share[f, b] = max(0.0, 1 - abs(place - (b + 0.5))) + 0.02
    share /= share.sum(1, keepdims=True)
    T, V = np.zeros((n_sources, n_freqs, n_bases)), np.zeros((n_sources, n_bases, n_frames))
    for k, f, b in np.ndindex(T.shape):
        T[k, f, b] = share[f, b] * np.mean(power[k, f])
    for k, b, t in np.ndindex(V.shape):
        V[k, b, t] = sum(share[:, b] * power[k, :, t]) / sum(share[:, b])
    return T, V


def variances(T: Real, V: Real) -> Real:
    """(source, freq, frame)."""
    R = np.zeros((T.shape[0], T.shape[1], V.shape[2]))
    for k, f, t in np.ndindex(R.shape):
        R[k, f, t] = FLOOR + sum(T[k, f] * V[k, :, t])
    return R


def tempered(R: Real, power: Real, nu: float) -> Real:
    """The variance with a share of what was heard: what the Student's t distribution puts in place of it."""
    return R if np.isinf(nu) else nu / (nu + 2) * R + 2 / (nu + 2) * power


def component_variances(T: Real, V: Real, G: Real) -> Real:
    """(component, freq, frame)."""
    R = variances(T, V) - FLOOR
    Y = np.zeros((G.shape[2], *R.shape[1:]))
    for m, f, t in np.ndindex(Y.shape):
        Y[m, f, t] = FLOOR + sum(G[:, f, m] * R[:, f, t])
    return Y


def gathered(G: Real, ratio: Real) -> Real:
    """(source, freq, frame) what of a ratio (component, freq, frame) counts for each source."""
    total = np.zeros((len(G), *ratio.shape[1:]))
    for k, f, t in np.ndindex(total.shape):
        total[k, f, t] = sum(G[k, f] * ratio[:, f, t])
    return total


def updated_spectra(T: Real, V: Real, found: Real, expected: Real) -> Real:
    """T times the root of what was found over what was expected, all frames together."""
    new = np.zeros_like(T)
    for k, f, b in np.ndindex(T.shape):
        new[k, f, b] = T[k, f, b] * np.sqrt(sum(V[k, b] * found[k, f]) / sum(V[k, b] * expected[k, f]))
    return new


def updated_activations(T: Real, V: Real, found: Real, expected: Real) -> Real:
    """V likewise, all frequencies together."""
    new = np.zeros_like(V)
    for k, b, t in np.ndindex(V.shape):
        new[k, b, t] = V[k, b, t] * np.sqrt(sum(T[k, :, b] * found[k, :, t]) / sum(T[k, :, b] * expected[k, :, t]))
    return new


def sweep(W: Complex, mixture: Complex, weights: Real, n_sweeps: int) -> None:
    """Iterative source steering of every frequency, with weights (output, freq, frame)."""
    for f in range(len(W)):
        V = np.array([auxiva_by_hand.covariance(mixture[:, f], weights[k, f]) for k in range(len(weights))])
        for _ in range(n_sweeps):
            auxiva_by_hand.steer(W[f], V)
