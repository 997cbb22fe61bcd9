"""Iterative projection: each row of a demixing matrix replaced by the best there is, the others as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.lanes import (
    LANES,
    TINY,
    factorize_gram,
    factorize_lanes,
    inner,
    load,
    pseudo_inverse_column,
    solve_lanes,
    store,
)
from arrayscene.kernels.rows import by_frequency, pseudo_inverse, replace_row


def ip_update(W: Tensor, V: Tensor, n_sweeps: int = 1) -> Tensor:
    """Sweeps of iterative projection over all rows: w_k^H <- a / sqrt(a^H V_k a), a = V_k^-1 W^+ e_k.

    W^+ = W^H (W W^H)^-1. With as many rows as microphones a is (W V_k)^-1 e_k; with fewer, on a white mixture, the other outputs
    are taken to be noise that is orthogonal to the rows.

    Args:
        W: (..., freq, source, mic) complex128.
        V: (..., freq, source, mic, mic) complex128 Hermitian, positive definite; see `source_covariances`.
        n_sweeps: over all rows, with the same V.

    Cost: O(freq source (mic^3 + n_sweeps source^2 mic)). Differentiable through the torch statement.

    References: N. Ono, "Stable and fast update rules for independent vector analysis based on auxiliary function technique",
    WASPAA 2011; R. Scheibler and N. Ono, "Independent vector analysis with more microphones than sources", WASPAA 2019.
    """
    if not compiled(W, V):
        return ip_update_torch(W, V, n_sweeps)
    return by_frequency(_ip, W, V, n_sweeps)


def ip_update_torch(W: Tensor, V: Tensor, n_sweeps: int = 1) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    for k in list(range(W.shape[-2])) * n_sweeps:
        q = pseudo_inverse(W)[..., k : k + 1]
        a = torch.linalg.solve(V[..., k, :, :], q)
        power = (q.mH @ a).real.clamp_min(TINY)
        W = replace_row(W, k, (a * power.rsqrt()).mH)
    return W


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _ip(rows: NDArray[Any], covariances: NDArray[Any], n_sweeps: int) -> None:
    n_freqs, n_sources, n_mics = rows.shape
    W, V = np.empty((2, n_sources, n_mics, LANES)), np.empty((2, n_mics, n_mics, LANES))
    L = np.empty((n_sources, 2, n_mics, n_mics, LANES))
    gram, G = np.empty((2, n_sources, n_sources, LANES)), np.empty((2, n_sources, n_sources, LANES))
    unit, power = np.empty((2, n_sources, LANES)), np.empty((2, LANES))
    q, a = np.empty((2, n_mics, LANES)), np.empty((2, n_mics, LANES))
    for start in range(0, n_freqs, LANES):
        load(rows[start : start + LANES], W)
        for k in range(n_sources):
            load(covariances[start : start + LANES, k], V)
            factorize_lanes(V, L[k])
        for update in range(n_sweeps * n_sources):
            k = update % n_sources
            factorize_gram(W, gram, G)
            pseudo_inverse_column(W, G, k, unit, q)
            a[:] = q
            solve_lanes(L[k], a)
            inner(q, a, power)
            for p in range(n_mics):
                for lane in range(LANES):
                    scale = 1 / np.sqrt(max(power[0, lane], TINY))
                    W[0, k, p, lane] = a[0, p, lane] * scale
                    W[1, k, p, lane] = -a[1, p, lane] * scale
        store(W, rows[start : start + LANES])
