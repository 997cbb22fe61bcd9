"""Iterative projection with adjustment: one row replaced and all others steered by it, in one exact step."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.factor import factorize, solve_factorized
from arrayscene.kernels.lanes import TINY
from arrayscene.kernels.rows import by_frequency, replace_row

NEWTON_STEPS = 12
"""Most steps to the root; from where they start six are enough as a rule."""

LEAST = 1e-12
"""Share of the terms of e^H C e that their sum must reach; below, it is rounding, and the rows stay as they are."""

SWEEPS = 12
"""Most sweeps of Jacobi's method; it converges quadratically."""


def ipa_update(W: Tensor, V: Tensor, n_sweeps: int = 1) -> Tensor:
    """Sweeps of iterative projection with adjustment over all rows: row k <- u^H W, rows m != k <- w_m + p_m w_k.

    u and p are the exact minimum of sum_m w_m V_m w_m^H - 2 log|det W|. Given p, u = C e / sqrt(e^H C e) with C = (W V_k W^H)^-1
    and e = e_k - p; what is left for p is a quadratic form less the logarithm of another, whose minimum is the largest root s of
    a scalar equation, s = s^2 sum_i phi_i |c_i|^2 / (s - phi_i)^2 + z, found by Newton's method.

    Args:
        W: (..., freq, source, mic) complex128, as many sources as microphones.
        V: (..., freq, source, mic, mic) complex128 Hermitian, positive definite; see `source_covariances`.
        n_sweeps: over all rows, with the same V.

    Cost: O(n_sweeps freq source^4). Differentiable through the torch statement where no two eigenvalues phi
    nearly coincide.

    Reference: R. Scheibler, "Independent vector analysis via log-quadratically penalized quadratic minimization", IEEE TSP 2021.
    """
    if not compiled(W, V):
        return ipa_update_torch(W, V, n_sweeps)
    return by_frequency(_ipa, W, V, n_sweeps)


def ipa_update_torch(W: Tensor, V: Tensor, n_sweeps: int = 1) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    n_sources = W.shape[-2]
    for k in list(range(n_sources)) * n_sweeps:
        others = [m for m in range(n_sources) if m != k]
        heard = (V @ W[..., k, None, :, None].conj())[..., 0]
        power = (W[..., k : k + 1, :] * heard).sum(-1).real.clamp_min(TINY)
        # What each row alone would take: |p + p_0|^2 of power a.
        a, p_0 = power[..., others].sqrt(), ((W * heard).sum(-1) / power)[..., others]
        own = (W @ heard[..., k, :, None])[..., 0] / power[..., k : k + 1]
        C = torch.linalg.inv_ex(W @ V[..., k, :, :] @ W.mH)[0]
        U = C[..., others, :][..., others] / (a[..., None] * a[..., None, :])
        phi, basis = torch.linalg.eigh(U)
        phi = phi.clamp_min(0)
        c = (basis.mH @ (a * (own[..., others] - p_0))[..., None])[..., 0]
        z = 1 / power[..., k]
        s = _root(phi, phi * c.abs().square(), z)
        x = (basis @ (phi * c / (s[..., None] - phi))[..., None])[..., 0]
        p = x / a - p_0
        one = torch.ones_like(z[..., None].to(p.dtype))
        e = torch.cat([-p[..., :k], one, -p[..., k:]], dim=-1)[..., None]
        u = C @ e
        terms = (e.conj() * u).sum(-2, keepdim=True).real, (e.abs() * u.abs()).sum(-2, keepdim=True)
        sure = terms[0] > LEAST * terms[1]
        row = (u * torch.where(sure, terms[0], 1).rsqrt()).mH @ W
        p = torch.cat([p[..., :k], 0 * one, p[..., k:]], dim=-1)
        W = torch.where(sure, replace_row(W + p[..., None] * W[..., k : k + 1, :], k, row), W)
    return W


def _root(phi: Tensor, force: Tensor, z: Tensor) -> Tensor:
    """Largest root s of s^2 sum_i force_i / (s - phi_i)^2 + z = s, all (..., i) or (...)."""
    # From the left the function falls and is convex: steps never pass the root. There each term alone would end.
    least = phi + 0.5 * (force + (force * (force + 4 * phi)).sqrt())
    s = torch.cat([least * (1 + 1e-9), z[..., None]], dim=-1).amax(-1)
    for _ in range(NEWTON_STEPS):
        gap = s[..., None] - phi
        terms = force * (s[..., None] / gap).square()
        slope = -2 * (terms * phi / (s[..., None] * gap)).sum(-1) - 1
        s = torch.maximum(s, s - (terms.sum(-1) + z - s) / slope)
    return s


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _ipa(rows: NDArray[Any], covariances: NDArray[Any], n_sweeps: int) -> None:
    n_freqs, n_sources, n_mics = rows.shape
    n_others = n_sources - 1
    heard, C = np.empty((n_sources, n_mics), np.complex128), np.empty((n_sources, n_sources), np.complex128)
    L = np.empty((n_sources, n_sources), np.complex128)
    U, basis = np.empty((n_others, n_others), np.complex128), np.empty((n_others, n_others), np.complex128)
    a, p_0, own = np.empty(n_others), np.empty(n_others, np.complex128), np.empty(n_others, np.complex128)
    phi, force, c = np.empty(n_others), np.empty(n_others), np.empty(n_others, np.complex128)
    e, u, row = np.empty(n_sources, np.complex128), np.empty(n_sources, np.complex128), np.empty(n_mics, np.complex128)
    for f in range(n_freqs):
        W = rows[f]
        for update in range(n_sweeps * n_sources):
            k = update % n_sources
            V = covariances[f, k]
            # (W V_k W^H), then its inverse C.
            for i in range(n_sources):
                for p in range(n_mics):
                    total = 0j
                    for q in range(n_mics):
                        total += V[p, q] * np.conj(W[i, q])
                    heard[i, p] = total
            for i in range(n_sources):
                for j in range(n_sources):
                    C[i, j] = _product(W[i], heard[j])
            z = 1 / max(C[k, k].real, TINY)
            for i in range(n_others):
                own[i] = C[i + (i >= k), k] * z
            factorize(C, L)
            for j in range(n_sources):
                u[:] = 0
                u[j] = 1
                solve_factorized(L, u)
                C[:, j] = u
            for i in range(n_others):
                m = i + (i >= k)
                for p in range(n_mics):
                    total = 0j
                    for q in range(n_mics):
                        total += covariances[f, m, p, q] * np.conj(W[k, q])
                    heard[m, p] = total
                power = max(_product(W[k], heard[m]).real, TINY)
                a[i], p_0[i] = np.sqrt(power), _product(W[m], heard[m]) / power
            for i in range(n_others):
                for j in range(n_others):
                    U[i, j] = C[i + (i >= k), j + (j >= k)] / (a[i] * a[j])
            _diagonalize(U, basis)
            for j in range(n_others):
                phi[j], c[j] = max(U[j, j].real, 0), 0
                for i in range(n_others):
                    c[j] += np.conj(basis[i, j]) * a[i] * (own[i] - p_0[i])
                force[j] = phi[j] * (c[j].real ** 2 + c[j].imag ** 2)
            s = _largest_root(phi, force, z)
            e[k] = 1
            for i in range(n_others):
                x = 0j
                for j in range(n_others):
                    x += basis[i, j] * phi[j] * c[j] / (s - phi[j])
                own[i] = x / a[i] - p_0[i]
                e[i + (i >= k)] = -own[i]
            power, terms = 0.0, 0.0
            for i in range(n_sources):
                u[i] = _product(C[i], e)
                power += (np.conj(e[i]) * u[i]).real
                terms += abs(e[i]) * abs(u[i])
            if not power > LEAST * terms:
                continue
            scale = 1 / np.sqrt(power)
            row[:] = 0
            for i in range(n_sources):
                for p in range(n_mics):
                    row[p] += np.conj(u[i]) * scale * W[i, p]
            for i in range(n_others):
                for p in range(n_mics):
                    W[i + (i >= k), p] += own[i] * W[k, p]
            W[k] = row


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _product(x: NDArray[Any], y: NDArray[Any]) -> complex:
    total = 0j
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _largest_root(phi: NDArray[Any], force: NDArray[Any], z: float) -> float:
    s = z
    for i in range(len(phi)):
        s = max(s, (phi[i] + 0.5 * (force[i] + np.sqrt(force[i] * (force[i] + 4 * phi[i])))) * (1 + 1e-9))
    for _ in range(NEWTON_STEPS):
        value, slope = z - s, -1.0
        for i in range(len(phi)):
            gap = s - phi[i]
            term = force[i] * (s / gap) ** 2
            value += term
            slope -= 2 * term * phi[i] / (s * gap)
        if not value > 1e-14 * s:
            break
        s -= value / slope
    return s


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _diagonalize(A: NDArray[Any], basis: NDArray[Any]) -> None:
    """Jacobi's method: A becomes diagonal, its eigenvectors are the columns of `basis`."""
    n = len(A)
    basis[:] = 0
    for i in range(n):
        basis[i, i] = 1
    for _ in range(SWEEPS):
        off, total = 0.0, 0.0
        for p in range(n):
            total += A[p, p].real ** 2
            for q in range(p):
                off += A[p, q].real ** 2 + A[p, q].imag ** 2
        if not off > 1e-20 * total:
            break
        for p in range(n):
            for q in range(p + 1, n):
                size = abs(A[p, q])
                if size < TINY:
                    continue
                tau = (A[q, q].real - A[p, p].real) / (2 * size)
                tangent = (1.0 if tau >= 0 else -1.0) / (abs(tau) + np.sqrt(1 + tau * tau))
                cosine = 1 / np.sqrt(1 + tangent * tangent)
                turn = tangent * cosine * A[p, q] / size
                for i in range(n):
                    x, y = A[i, p], A[i, q]
                    A[i, p], A[i, q] = cosine * x - np.conj(turn) * y, turn * x + cosine * y
                for i in range(n):
                    x, y = A[p, i], A[q, i]
                    A[p, i], A[q, i] = cosine * x - turn * y, np.conj(turn) * x + cosine * y
                for i in range(n):
                    x, y = basis[i, p], basis[i, q]
                    basis[i, p], basis[i, q] = cosine * x - np.conj(turn) * y, turn * x + cosine * y
