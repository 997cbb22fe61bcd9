"""AuxIVA as the papers state it, one number at a time in float64: slow and obvious.

N. Ono, WASPAA 2011, eq. (5) to (7) (the weights, and iterative projection); R. Scheibler and N. Ono, ICASSP 2020, eq. (9) to (11)
(iterative source steering); N. Ono, IWAENC 2012 (two rows at once); R. Scheibler, IEEE TSP 2021 (projection with adjustment, here
by a general minimiser); K. Matsuoka and S. Nakashima, ICA 2001 (each source as a microphone hears it, here by least squares).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eig
from scipy.optimize import minimize

Complex = NDArray[np.complex128]


def separate(
    mixture: Complex, start: Complex, model: str | float, update: str, n_iter: int, n_sweeps: int, reference: int
) -> Complex:
    """(source, freq, frame) from a mixture (mic, freq, frame) and a start W (freq, source, mic)."""
    n_mics, n_freqs, _ = mixture.shape
    W = start.astype(np.complex128)
    for _ in range(n_iter):
        weights = source_weights(demixed(W, mixture), model)
        for f in range(n_freqs):
            V = np.array([covariance(mixture[:, f], weights[k]) for k in range(n_mics)])
            for _ in range(n_sweeps):
                SWEEPS[update](W[f], V)
    outputs = demixed(W, mixture)
    for f in range(n_freqs):
        for k, scale in enumerate(scales(mixture[:, f], outputs[:, f], reference)):
            outputs[k, f] *= scale
    return outputs


def demixed(W: Complex, mixture: Complex) -> Complex:
    """(source, freq, frame) of W (freq, source, mic)."""
    return np.array([[W[f, k] @ mixture[:, f] for f in range(len(W))] for k in range(W.shape[1])])


def source_weights(outputs: Complex, model: str | float) -> NDArray[np.float64]:
    """(source, frame): 1 / variance of a Gaussian whose variance changes, or G'(r) / 2r of G(r) = r^beta."""
    n_sources, _, n_frames = outputs.shape
    weights = np.zeros((n_sources, n_frames))
    for k in range(n_sources):
        power = [float(np.mean(np.abs(outputs[k, :, t]) ** 2)) for t in range(n_frames)]
        for t in range(n_frames):
            if model == "gauss":
                # No frame is quieter than 30 dB below the mean, so that a pause does not rule everything; scale is free.
                weights[k, t] = np.mean(power) / (power[t] + 1e-3 * np.mean(power))
            else:
                beta = 1.0 if isinstance(model, str) else model
                r = np.sqrt(power[t] + 1e-6 * np.mean(power))
                weights[k, t] = beta * r ** (beta - 1) / (2 * r)
    return weights


def covariance(mixture: Complex, weights: NDArray[np.float64]) -> Complex:
    """V = <w y y^H> of one frequency (mic, frame)."""
    total = np.zeros((len(mixture), len(mixture)), np.complex128)
    for t in range(mixture.shape[1]):
        total += weights[t] * np.outer(mixture[:, t], mixture[:, t].conj())
    return total / mixture.shape[1]


def cost(W: Complex, V: Complex) -> float:
    """What every sweep lowers: sum_k w_k V_k w_k^H - 2 log |det W|."""
    return sum(float((W[k] @ V[k] @ W[k].conj()).real) for k in range(len(W))) - 2 * np.linalg.slogdet(W)[1]


def steer(W: Complex, V: Complex) -> None:
    """Iterative source steering: all rows by row k, for every k."""
    for k in range(len(W)):
        w = W[k].copy()
        for m in range(len(W)):
            power = (w @ V[m] @ w.conj()).real
            v = 1 - 1 / np.sqrt(power) if m == k else (W[m] @ V[m] @ w.conj()) / power
            W[m] -= v * w


def project(W: Complex, V: Complex) -> None:
    """Iterative projection: each row by the best one."""
    for k in range(len(W)):
        a = np.linalg.inv(W @ V[k])[:, k]
        W[k] = a.conj() / np.sqrt((a.conj() @ V[k] @ a).real)


def project_pairs(W: Complex, V: Complex) -> None:
    """The best two rows at once, for neighbours around the circle."""
    n = len(W)
    for k in range(1 if n == 2 else n):
        pair = [k, (k + 1) % n]
        P = [np.linalg.inv(W @ V[u])[:, pair] for u in pair]
        B = [P[i].conj().T @ V[u] @ P[i] for i, u in enumerate(pair)]
        values, vectors = eig(B[0], B[1])
        for i, column in enumerate(np.argsort(-values.real)):
            h = vectors[:, column]
            W[pair[i]] = (P[i] @ h).conj() / np.sqrt((h.conj() @ B[i] @ h).real)


def adjust(W: Complex, V: Complex) -> None:
    """Row k anew and all others steered by it, by whatever lowers the cost most, for every k."""
    n = len(W)
    for k in range(n):
        numbers = np.zeros(4 * n - 2)
        numbers[k] = 1
        for _ in range(3):
            numbers = minimize(lambda x, k=k: cost(adjusted(W, x, k), V), numbers, method="BFGS", options={"gtol": 1e-9}).x
        W[:] = adjusted(W, numbers, k)


def adjusted(W: Complex, numbers: NDArray[np.float64], k: int) -> Complex:
    """W with u^H W in place of row k, and row k times p_m added to the others; u and p from real and imaginary parts."""
    n = len(W)
    values = numbers[: 2 * n - 1] + 1j * numbers[2 * n - 1 :]
    new = W + np.insert(values[n:], k, 0)[:, None] * W[k]
    new[k] = values[:n] @ W
    return new


SWEEPS: dict[str, Callable[[Complex, Complex], None]] = {"iss": steer, "ip": project, "ip2": project_pairs, "ipa": adjust}


def scales(mixture: Complex, outputs: Complex, reference: int) -> Complex:
    """What the reference microphone hears of each output: least squares with 0.1 % of loading on outputs of unit power."""
    n_sources, n_frames = outputs.shape
    level = np.sqrt(np.mean(np.abs(outputs) ** 2, axis=1))
    unit = outputs / level[:, None]
    gram = np.zeros((n_sources, n_sources), np.complex128)
    heard = np.zeros(n_sources, np.complex128)
    for t in range(n_frames):
        gram += np.outer(unit[:, t], unit[:, t].conj()) / n_frames
        heard += mixture[reference, t] * unit[:, t].conj() / n_frames
    return heard @ np.linalg.inv(gram + 1e-3 * np.eye(n_sources)) / level
