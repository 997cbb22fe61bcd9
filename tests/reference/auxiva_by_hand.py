"""AuxIVA with iterative source steering as the papers state it, one number at a time in float64: slow and obvious.

N. Ono, WASPAA 2011, eq. (5) to (7) (the weights); R. Scheibler and N. Ono, ICASSP 2020, eq. (9) to (11) (the sweep);
K. Matsuoka and S. Nakashima, ICA 2001 (each source as a microphone hears it, here by least squares).
"""

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]


def separate(mixture: Complex, start: Complex, model: str, n_iter: int, reference: int) -> Complex:
    """(source, freq, frame) from a mixture (mic, freq, frame) and a start W (freq, source, mic)."""
    n_mics, n_freqs, n_frames = mixture.shape
    outputs = np.zeros_like(mixture)
    for f in range(n_freqs):
        for t in range(n_frames):
            outputs[:, f, t] = start[f] @ mixture[:, f, t]
    for _ in range(n_iter):
        weights = source_weights(outputs, model)
        for f in range(n_freqs):
            for k in range(n_mics):
                sweep(outputs[:, f], weights, k)
    for f in range(n_freqs):
        for k, scale in enumerate(scales(mixture[:, f], outputs[:, f], reference)):
            outputs[k, f] *= scale
    return outputs


def source_weights(outputs: Complex, model: str) -> NDArray[np.float64]:
    """(source, frame): 1 / variance of a Gaussian whose variance changes, or 1 / (2 r) of a spherical Laplacian."""
    n_sources, n_freqs, n_frames = outputs.shape
    weights = np.zeros((n_sources, n_frames))
    for k in range(n_sources):
        energy = [sum(abs(outputs[k, f, t]) ** 2 for f in range(n_freqs)) for t in range(n_frames)]
        for t in range(n_frames):
            if model == "gauss":
                # No frame is quieter than 30 dB below the mean, so that a pause does not rule everything.
                weights[k, t] = 1 / (energy[t] / n_freqs + 1e-3 * sum(energy) / n_frames / n_freqs)
            else:
                weights[k, t] = 1 / (2 * np.sqrt(energy[t]))
    return weights


def sweep(outputs: Complex, weights: NDArray[np.float64], k: int) -> None:
    """Steer all outputs (source, frame) of one frequency by output k."""
    n_sources, n_frames = outputs.shape
    steering = np.zeros(n_sources, np.complex128)
    for m in range(n_sources):
        power = sum(weights[m, t] * abs(outputs[k, t]) ** 2 for t in range(n_frames)) / n_frames
        cross = sum(weights[m, t] * outputs[m, t] * np.conj(outputs[k, t]) for t in range(n_frames)) / n_frames
        steering[m] = 1 - 1 / np.sqrt(power) if m == k else cross / power
    before = outputs[k].copy()
    for m in range(n_sources):
        for t in range(n_frames):
            outputs[m, t] -= steering[m] * before[t]


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
