"""Iterative source steering: independent-vector-analysis updates without a matrix inverse."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.rows import by_frequency


def iss_update(W: Tensor, V: Tensor, n_sweeps: int = 1) -> Tensor:
    """Sweeps of iterative source steering over all rows: w_m <- w_m - v_m w_k for every k.

    v_m = w_m V_m w_k^H / w_k V_m w_k^H for m != k and v_k = 1 - (w_k V_k w_k^H)^(-1/2). From weighted covariances instead of
    outputs: where microphones are few that is much faster, as no output is written.

    Args:
        W: (..., freq, source, mic) complex128.
        V: (..., freq, source, mic, mic) complex128 Hermitian, positive definite; see `source_covariances`.
        n_sweeps: over all rows, with the same V.

    Cost: O(n_sweeps freq source^2 mic^2). Differentiable through the torch statement.

    Reference: R. Scheibler and N. Ono, "Fast and stable blind source separation with rank-1 updates", ICASSP 2020.
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
    row = np.empty(rows.shape[2], np.complex128)
    for f in range(len(rows)):
        steer(rows[f], covariances[f], n_sweeps, row)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def steer(W: NDArray[Any], covariances: NDArray[Any], n_sweeps: int, row: NDArray[Any]) -> None:
    """Sweeps over W (source, mic) of one frequency; row (mic,) is room to work in."""
    n_sources, n_mics = W.shape
    tiny = np.finfo(np.float64).tiny
    for update in range(n_sweeps * n_sources):
        k = update % n_sources
        row[:] = W[k]
        own = 0.0
        # In real numbers: the compiler's complex ones take a quarter longer.
        for m in range(n_sources):
            power, cross_real, cross_imag = 0.0, 0.0, 0.0
            for i in range(n_mics):
                real, imag = 0.0, 0.0
                for j in range(n_mics):
                    R, w = covariances[m, i, j], row[j]
                    real += R.real * w.real + R.imag * w.imag
                    imag += R.imag * w.real - R.real * w.imag
                a, b = row[i], W[m, i]
                power += a.real * real - a.imag * imag
                cross_real += b.real * real - b.imag * imag
                cross_imag += b.real * imag + b.imag * real
            inverse = 1 / max(power, tiny)
            if m == k:
                own = np.sqrt(inverse)
            else:
                cross_real, cross_imag = cross_real * inverse, cross_imag * inverse
                for i in range(n_mics):
                    a = row[i]
                    W[m, i] -= complex(cross_real * a.real - cross_imag * a.imag, cross_real * a.imag + cross_imag * a.real)
        for i in range(n_mics):
            W[k, i] = own * row[i]
