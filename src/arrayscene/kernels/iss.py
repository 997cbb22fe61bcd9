"""Iterative source steering: one sweep of independent-vector-analysis updates, without a matrix inverse."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.rows import by_frequency


def iss_sweep(outputs: Tensor, weights: Tensor) -> Tensor:
    """One ISS sweep over all outputs.

    For every output k: y_m <- y_m - v_m y_k, with v_m = <w_m y_m y_k*> / <w_m |y_k|^2> for m != k and v_k = 1 - <w_k
    |y_k|^2>^(-1/2), <.> the mean over frames.

    Args:
        outputs: (..., freq, source, frame) complex; not changed.
        weights: (..., freq, source, frame) real, >= 0; the source model's weights w; a single frequency serves all.

    Returns: the updated outputs.

    Cost: O(freq source^2 frame). Differentiable through the torch statement.

    Reference: R. Scheibler and N. Ono, "Fast and stable blind source separation with rank-1 updates", ICASSP 2020, eq. (9) to
    (11).
    """
    if not compiled(outputs, weights):
        return iss_sweep_torch(outputs, weights)
    shape = outputs.shape
    flat = outputs.reshape(-1, *shape[-3:])
    flat_weights = weights.reshape(-1, *weights.shape[-3:]).contiguous().numpy()
    result = flat.resolve_conj().clone(memory_format=torch.contiguous_format)
    for item, item_weights in zip(result.numpy(), flat_weights, strict=True):
        _sweep(item, item_weights)
    return result.reshape(shape)


def iss_sweep_torch(outputs: Tensor, weights: Tensor) -> Tensor:
    """The same sweep in plain torch: the readable statement that the kernel is held to."""
    tiny = torch.finfo(weights.dtype).tiny
    for k in range(outputs.shape[-2]):
        y_k = outputs[..., k : k + 1, :]
        power = (weights * y_k.abs().square()).mean(-1).clamp_min(tiny)
        v = (weights * outputs * y_k.conj()).mean(-1) / power
        own = (1 - power[..., k].rsqrt()).to(v.dtype)
        v = torch.cat([v[..., :k], own[..., None], v[..., k + 1 :]], dim=-1)
        outputs = outputs - v[..., None] * y_k
    return outputs


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _sweep(outputs: NDArray[Any], weights: NDArray[Any]) -> None:
    n_freqs, n_sources, n_frames = outputs.shape
    shared = len(weights) == 1
    tiny = np.finfo(weights.dtype).tiny
    one = weights.dtype.type(1)
    v_real = np.empty(n_sources, weights.dtype)
    v_imag = np.empty(n_sources, weights.dtype)
    # Separate real and imaginary parts let the inner sums vectorise; those of one frequency stay in the cache.
    real, imag = np.empty((n_sources, n_frames), weights.dtype), np.empty((n_sources, n_frames), weights.dtype)
    for f in range(n_freqs):
        for k in range(n_sources):
            for t in range(n_frames):
                real[k, t], imag[k, t] = outputs[f, k, t].real, outputs[f, k, t].imag
        for k in range(n_sources):
            k_real, k_imag = real[k], imag[k]
            for m in range(n_sources):
                m_real, m_imag, w = real[m], imag[m], weights[0 if shared else f, m]
                power, cross_real, cross_imag = weights.dtype.type(0), weights.dtype.type(0), weights.dtype.type(0)
                for t in range(n_frames):
                    power += w[t] * (k_real[t] * k_real[t] + k_imag[t] * k_imag[t])
                    cross_real += w[t] * (m_real[t] * k_real[t] + m_imag[t] * k_imag[t])
                    cross_imag += w[t] * (m_imag[t] * k_real[t] - m_real[t] * k_imag[t])
                if m == k:
                    v_real[m], v_imag[m] = one - one / np.sqrt(max(power / n_frames, tiny)), 0
                else:
                    power = max(power, tiny)
                    v_real[m], v_imag[m] = cross_real / power, cross_imag / power
            # Output k itself comes last: the others need it as it was.
            for step in range(1, n_sources + 1):
                m = (k + step) % n_sources
                m_real, m_imag, a, b = real[m], imag[m], v_real[m], v_imag[m]
                for t in range(n_frames):
                    x, z = k_real[t], k_imag[t]
                    m_real[t] -= a * x - b * z
                    m_imag[t] -= a * z + b * x
        for k in range(n_sources):
            for t in range(n_frames):
                outputs[f, k, t] = complex(real[k, t], imag[k, t])


def iss_update(W: Tensor, V: Tensor, n_sweeps: int = 1) -> Tensor:
    """The same sweeps on a demixing matrix: w_m <- w_m - v_m w_k, from weighted covariances instead of outputs.

    <w_m y_m y_k*> = w_m V_m w_k^H: much faster than `iss_sweep` where microphones are few, as no output is written.

    Args:
        W: (..., freq, source, mic) complex128.
        V: (..., freq, source, mic, mic) complex128 Hermitian, positive definite; see `source_covariances`.
        n_sweeps: over all rows, with the same V.

    Cost: O(n_sweeps freq source^2 mic^2). Differentiable through the torch statement.
    """
    if not compiled(W, V):
        return iss_update_torch(W, V, n_sweeps)
    return by_frequency(_update, W, V, n_sweeps)


def iss_update_torch(W: Tensor, V: Tensor, n_sweeps: int = 1) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    tiny = torch.finfo(W.real.dtype).tiny
    for k in list(range(W.shape[-2])) * n_sweeps:
        heard = (V @ W[..., k, None, :, None].conj())[..., 0]
        power = (W[..., k : k + 1, :] * heard).sum(-1).real.clamp_min(tiny)
        v = (W * heard).sum(-1) / power
        own = (1 - power[..., k].rsqrt()).to(v.dtype)
        v = torch.cat([v[..., :k], own[..., None], v[..., k + 1 :]], dim=-1)
        W = W - v[..., None] * W[..., k : k + 1, :]
    return W


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _update(rows: NDArray[Any], covariances: NDArray[Any], n_sweeps: int) -> None:
    n_freqs, n_sources, n_mics = rows.shape
    tiny = np.finfo(np.float64).tiny
    v, before = np.empty(n_sources, np.complex128), np.empty(n_mics, np.complex128)
    for f in range(n_freqs):
        W = rows[f]
        for update in range(n_sweeps * n_sources):
            k = update % n_sources
            for m in range(n_sources):
                power, cross = 0.0, 0j
                for i in range(n_mics):
                    heard = 0j
                    for j in range(n_mics):
                        heard += covariances[f, m, i, j] * np.conj(W[k, j])
                    power += (W[k, i] * heard).real
                    cross += W[m, i] * heard
                power = max(power, tiny)
                v[m] = 1 - 1 / np.sqrt(power) if m == k else cross / power
            before[:] = W[k]
            for m in range(n_sources):
                for i in range(n_mics):
                    W[m, i] -= v[m] * before[i]
