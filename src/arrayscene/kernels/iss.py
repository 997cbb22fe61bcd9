"""Iterative source steering: one sweep of independent-vector-analysis updates, without a matrix inverse."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled


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
