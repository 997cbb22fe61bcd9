"""Pairwise iterative projection: two rows of a demixing matrix at a time replaced by the best two there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.factor import factorize, solve_factorized
from arrayscene.kernels.ip import ip_update, ip_update_torch
from arrayscene.kernels.rows import TINY, by_frequency, factorize_gram, pseudo_inverse, pseudo_inverse_column, replace_row

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
    gram, G = np.empty((n_sources, n_sources), np.complex128), np.empty((n_sources, n_sources), np.complex128)
    unit, L = np.empty(n_sources, np.complex128), np.empty((n_sources, n_mics, n_mics), np.complex128)
    Q, P = np.empty((2, n_mics), np.complex128), np.empty((2, 2, n_mics), np.complex128)
    B, h = np.empty((2, 2, 2), np.complex128), np.empty((2, 2), np.complex128)
    for f in range(n_freqs):
        W = rows[f]
        for k in range(n_sources):
            factorize(covariances[f, k], L[k])
        for update in range(1 if n_sources == 2 else n_sweeps * n_sources):
            pair = (update % n_sources, (update + 1) % n_sources)
            factorize_gram(W, gram, G)
            for c in range(2):
                pseudo_inverse_column(W, G, pair[c], unit, Q[c])
            for u in range(2):
                for c in range(2):
                    P[u, c] = Q[c]
                    solve_factorized(L[pair[u]], P[u, c])
                    for r in range(2):
                        total = 0j
                        for p in range(n_mics):
                            total += np.conj(Q[r, p]) * P[u, c, p]
                        B[u, r, c] = total
            _best_two(B, h)
            for u in range(2):
                power = 0.0
                for r in range(2):
                    for c in range(2):
                        power += (np.conj(h[u, r]) * B[u, r, c] * h[u, c]).real
                scale = 1 / np.sqrt(max(power, TINY))
                for p in range(n_mics):
                    W[pair[u], p] = np.conj(P[u, 0, p] * h[u, 0] + P[u, 1, p] * h[u, 1]) * scale


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _best_two(B: NDArray[Any], h: NDArray[Any]) -> None:
    """Rows of h: generalised eigenvectors of (B[0], B[1]), that of the larger eigenvalue first."""
    first = max(B[1, 0, 0].real, TINY)
    below = B[1, 1, 0] / np.sqrt(first)
    second = max(B[1, 1, 1].real - below.real**2 - below.imag**2, 1e-15 * B[1, 1, 1].real, TINY)
    # C = L^-1 B_0 L^-H with B_1 = L L^H.
    scale, other = 1 / np.sqrt(first), 1 / np.sqrt(second)
    lowest = -below * scale * other
    c00 = B[0, 0, 0].real * scale * scale
    c10 = (lowest * B[0, 0, 0] + other * B[0, 1, 0]) * scale
    c11 = (
        (lowest.real**2 + lowest.imag**2) * B[0, 0, 0].real
        + 2 * (lowest * B[0, 0, 1]).real * other
        + other * other * B[0, 1, 1].real
    )
    half = 0.5 * (c00 - c11)
    large = abs(half) + np.sqrt(half * half + c10.real**2 + c10.imag**2 + TINY) + EQUAL * (c00 + c11)
    x, y = (complex(large), c10) if half >= 0 else (np.conj(c10), complex(large))
    for u in range(2):
        v0, v1 = (x, y) if u == 0 else (-np.conj(y), np.conj(x))
        h[u, 0] = scale * v0 + np.conj(lowest) * v1
        h[u, 1] = other * v1
