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
