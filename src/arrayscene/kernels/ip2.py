"""Pairwise iterative projection: two rows of a demixing matrix at a time replaced by the best two there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.ip import ip_update, ip_update_torch
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

EQUAL = 1e-15
"""Relative difference of eigenvalues below which any two vectors will do."""


def ip2_update(W: Tensor, V: Tensor, n_sweeps: int = 1) -> Tensor:
    """Sweeps of pairwise iterative projection over neighbours: rows (0, 1), (1, 2), ..., the last with the first.

    For rows k and m: Q = W^+ [e_k, e_m], B_u = Q^H V_u^-1 Q; w_u^H <- V_u^-1 Q h_u / sqrt(h_u^H B_u h_u), with h_k and h_m the
    generalised eigenvectors of (B_k, B_m) of the larger and the smaller eigenvalue. W^+ as in `ip_update`.

    Args:
        W: (..., freq, source, mic) complex128.
        V: (..., freq, source, mic, mic) complex128 Hermitian, positive definite; see `source_covariances`.
        n_sweeps: over all pairs, with the same V; two rows are exact after one.

    Cost: O(freq source (mic^3 + n_sweeps (source^2 mic + mic^2))). Differentiable through the torch statement where the two
    eigenvalues differ.

    References: N. Ono, "Fast stereo independent vector analysis and its implementation on mobile phone", IWAENC 2012 (two rows);
    R. Scheibler and N. Ono, "MM algorithms for joint independent subspace analysis with application to blind single and
    multi-source extraction", 2020 (pairs of more).
    """
    if not compiled(W, V):
        return ip2_update_torch(W, V, n_sweeps)
    if W.shape[-2] == 1:
        return ip_update(W, V)
    return by_frequency(_ip2, W, V, n_sweeps)


def ip2_update_torch(W: Tensor, V: Tensor, n_sweeps: int = 1) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    n_sources = W.shape[-2]
    if n_sources == 1:
        return ip_update_torch(W, V)
    for k in [0] if n_sources == 2 else list(range(n_sources)) * n_sweeps:
        pair = [k, (k + 1) % n_sources]
        Q = pseudo_inverse(W)[..., pair]
        P = torch.linalg.solve(V[..., pair, :, :], Q[..., None, :, :])
        B = Q.mH[..., None, :, :] @ P
        L = torch.linalg.cholesky(B[..., 1, :, :])
        half = torch.linalg.solve_triangular(L, B[..., 0, :, :], upper=False)
        C = torch.linalg.solve_triangular(L, half.mH, upper=False)
        h = torch.linalg.solve_triangular(L.mH, _eigenvectors(C), upper=True)
        for u, row in enumerate(pair):
            h_u = h[..., u : u + 1]
            power = (h_u.mH @ B[..., u, :, :] @ h_u).real.clamp_min(TINY)
            W = replace_row(W, row, (P[..., u, :, :] @ h_u * power.rsqrt()).mH)
    return W


def _eigenvectors(C: Tensor) -> Tensor:
    """(..., 2, 2) eigenvectors in columns, that of the larger eigenvalue first, of a Hermitian 2 x 2 matrix."""
    half = 0.5 * (C[..., 0, 0] - C[..., 1, 1]).real
    off = C[..., 1, 0]
    # The sum of positive numbers, never their difference: exact where one eigenvalue is far from the other.
    trace = (C[..., 0, 0] + C[..., 1, 1]).real
    large = (half.abs() + (half.square() + off.abs().square() + TINY).sqrt() + EQUAL * trace).to(C.dtype)
    x = torch.where(half >= 0, large, off.conj())
    y = torch.where(half >= 0, off, large)
    return torch.stack([torch.stack([x, -y.conj()], dim=-1), torch.stack([y, x.conj()], dim=-1)], dim=-2)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _ip2(rows: NDArray[Any], covariances: NDArray[Any], n_sweeps: int) -> None:
    n_freqs, n_sources, n_mics = rows.shape
    W, V = np.empty((2, n_sources, n_mics, LANES)), np.empty((2, n_mics, n_mics, LANES))
    L = np.empty((n_sources, 2, n_mics, n_mics, LANES))
    gram, G = np.empty((2, n_sources, n_sources, LANES)), np.empty((2, n_sources, n_sources, LANES))
    unit, h = np.empty((2, n_sources, LANES)), np.empty((2, 2, 2, LANES))
    Q, P, B = np.empty((2, 2, n_mics, LANES)), np.empty((2, 2, 2, n_mics, LANES)), np.empty((2, 2, 2, 2, LANES))
    for start in range(0, n_freqs, LANES):
        load(rows[start : start + LANES], W)
        for k in range(n_sources):
            load(covariances[start : start + LANES, k], V)
            factorize_lanes(V, L[k])
        for update in range(1 if n_sources == 2 else n_sweeps * n_sources):
            pair = (update % n_sources, (update + 1) % n_sources)
            factorize_gram(W, gram, G)
            for c in range(2):
                pseudo_inverse_column(W, G, pair[c], unit, Q[c])
            for u in range(2):
                for c in range(2):
                    P[u, c] = Q[c]
                    solve_lanes(L[pair[u]], P[u, c])
                    for r in range(2):
                        inner(Q[r], P[u, c], B[u, :, r, c])
            _best_two(B, h)
            for u in range(2):
                for p in range(n_mics):
                    real, imag = W[0, pair[u], p], W[1, pair[u], p]
                    for lane in range(LANES):
                        a, b, c, d = P[u, 0, 0, p, lane], P[u, 0, 1, p, lane], P[u, 1, 0, p, lane], P[u, 1, 1, p, lane]
                        x, y, z, t = h[u, 0, 0, lane], h[u, 0, 1, lane], h[u, 1, 0, lane], h[u, 1, 1, lane]
                        real[lane] = a * x - b * y + c * z - d * t
                        imag[lane] = -(a * y + b * x + c * t + d * z)
        store(W, rows[start : start + LANES])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _best_two(B: NDArray[Any], h: NDArray[Any]) -> None:
    """Put the generalised eigenvectors of (B[0], B[1]), that of the larger eigenvalue first, into h, with h_u^H B_u h_u = 1.

    Args:
        B: (2, 2, 2, 2, lane), of each row its real and imaginary part.
        h: (2, 2, 2, lane) of each row both entries, real and imaginary part.
    """
    for lane in range(LANES):
        # B_1 = L L^H; the inverse of L has 1 / L_00 = s, 1 / L_11 = t, and (x, y) below the diagonal.
        s = 1 / np.sqrt(max(B[1, 0, 0, 0, lane], TINY))
        x, y = B[1, 0, 1, 0, lane] * s, B[1, 1, 1, 0, lane] * s
        corner = B[1, 0, 1, 1, lane]
        t = 1 / np.sqrt(max(corner - x * x - y * y, 1e-15 * corner, TINY))
        x, y = -x * s * t, -y * s * t
        # C = L^-1 B_0 L^-H
        first, second, a, b = B[0, 0, 0, 0, lane], B[0, 0, 1, 1, lane], B[0, 0, 1, 0, lane], B[0, 1, 1, 0, lane]
        C_00 = s * s * first
        C_11 = (x * x + y * y) * first + 2 * t * (x * a + y * b) + t * t * second
        c, d = s * (x * first + t * a), s * (y * first + t * b)
        half = 0.5 * (C_00 - C_11)
        # The sum of positive numbers, never their difference: exact where one eigenvalue is far from the other.
        large = abs(half) + np.sqrt(half * half + c * c + d * d + TINY) + EQUAL * (C_00 + C_11)
        # v_0 = (e + f i, g + k i), and v_1 = (-g + k i, e - f i) orthogonal to it; h = L^-H v.
        e, f, g, k = (large, 0.0, c, d) if half >= 0 else (c, -d, large, 0.0)
        h[0, 0, 0, lane], h[0, 0, 1, lane] = s * e + x * g + y * k, s * f + x * k - y * g
        h[0, 1, 0, lane], h[0, 1, 1, lane] = t * g, t * k
        h[1, 0, 0, lane], h[1, 0, 1, lane] = -s * g + x * e - y * f, s * k - x * f - y * e
        h[1, 1, 0, lane], h[1, 1, 1, lane] = t * e, -t * f
    for u in range(2):
        for lane in range(LANES):
            e, f, g, k = h[u, 0, 0, lane], h[u, 0, 1, lane], h[u, 1, 0, lane], h[u, 1, 1, lane]
            a, b = B[u, 0, 1, 0, lane], B[u, 1, 1, 0, lane]
            power = B[u, 0, 0, 0, lane] * (e * e + f * f) + B[u, 0, 1, 1, lane] * (g * g + k * k)
            power += 2 * (g * (a * e - b * f) + k * (a * f + b * e))
            scale = 1 / np.sqrt(max(power, TINY))
            for i in range(2):
                h[u, i, 0, lane] *= scale
                h[u, i, 1, lane] *= scale
