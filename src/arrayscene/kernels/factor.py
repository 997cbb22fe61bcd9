"""The Cholesky factor of one small matrix and solves with it, for use inside other kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arrayscene.kernels.dispatch import FASTMATH


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def factorize(R: NDArray[Any], L: NDArray[Any]) -> None:
    """L of R = L L^H, for Hermitian positive definite R; the diagonal of L holds 1 / L_ii, so that solves need no division."""
    tiny = np.finfo(np.float64).tiny
    for i in range(len(R)):
        for j in range(i):
            total = R[i, j]
            for p in range(j):
                total -= L[i, p] * np.conj(L[j, p])
            L[i, j] = total * L[j, j].real
        pivot = R[i, i].real
        least = max(1e-15 * pivot, tiny)
        for p in range(i):
            pivot -= L[i, p].real ** 2 + L[i, p].imag ** 2
        L[i, i] = 1 / np.sqrt(max(pivot, least))


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def solve_factorized(L: NDArray[Any], b: NDArray[Any]) -> None:
    """Put R^-1 b in place of a vector b, with the L that `factorize` made of R."""
    n = len(b)
    for i in range(n):
        for p in range(i):
            b[i] -= L[i, p] * b[p]
        b[i] *= L[i, i].real
    for i in range(n - 1, -1, -1):
        for p in range(i + 1, n):
            b[i] -= np.conj(L[p, i]) * b[p]
        b[i] *= L[i, i].real
