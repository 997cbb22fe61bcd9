"""Small Hermitian systems of many frequencies at once, side by side: for use inside other kernels.

A matrix of a few microphones is too small for a processor's vectors; the same entry of many matrices is not. So arrays here hold
real and imaginary parts in their first axis and frequencies, `LANES` at a time, in their last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arrayscene.kernels.dispatch import FASTMATH

LANES = 32
"""Frequencies side by side: enough to fill vectors, few enough to stay in the cache."""

TINY = 1e-280
"""Keeps powers of nothing from dividing by zero."""


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def load(matrices: NDArray[Any], lanes: NDArray[Any]) -> None:
    """Put (freq, row, column) complex, at most `LANES` of them, into (2, row, column, lane); the last fills what is left."""
    last = len(matrices) - 1
    for i in range(lanes.shape[1]):
        for j in range(lanes.shape[2]):
            for lane in range(LANES):
                value = matrices[min(lane, last), i, j]
                lanes[0, i, j, lane], lanes[1, i, j, lane] = value.real, value.imag


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def store(lanes: NDArray[Any], matrices: NDArray[Any]) -> None:
    """The way back."""
    for lane in range(len(matrices)):
        for i in range(lanes.shape[1]):
            for j in range(lanes.shape[2]):
                matrices[lane, i, j] = complex(lanes[0, i, j, lane], lanes[1, i, j, lane])


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def inner(x: NDArray[Any], y: NDArray[Any], product: NDArray[Any]) -> None:
    """Put x^H y of vectors (2, entry, lane) into (2, lane)."""
    real, imag = product[0], product[1]
    real[:], imag[:] = 0, 0
    for i in range(x.shape[1]):
        a, b, c, d = x[0, i], x[1, i], y[0, i], y[1, i]
        for lane in range(LANES):
            real[lane] += a[lane] * c[lane] + b[lane] * d[lane]
            imag[lane] += a[lane] * d[lane] - b[lane] * c[lane]


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def factorize_lanes(R: NDArray[Any], L: NDArray[Any]) -> None:
    """L of R = L L^H, both (2, n, n, lane), from the lower half of R; the diagonal of L holds 1 / L_ii."""
    for i in range(R.shape[1]):
        for j in range(i + 1):
            real, imag, diagonal = L[0, i, j], L[1, i, j], L[0, j, j]
            real[:], imag[:] = R[0, i, j], R[1, i, j]
            for p in range(j):
                a, b, c, d = L[0, i, p], L[1, i, p], L[0, j, p], L[1, j, p]
                for lane in range(LANES):
                    real[lane] -= a[lane] * c[lane] + b[lane] * d[lane]
                    imag[lane] -= b[lane] * c[lane] - a[lane] * d[lane]
            for lane in range(LANES):
                if i == j:
                    real[lane] = 1 / np.sqrt(max(real[lane], 1e-15 * R[0, i, i, lane], TINY))
                else:
                    real[lane] *= diagonal[lane]
                    imag[lane] *= diagonal[lane]


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def solve_lanes(L: NDArray[Any], x: NDArray[Any]) -> None:
    """Put R^-1 x in place of a vector x (2, n, lane), with the L that `factorize_lanes` made of R."""
    n = x.shape[1]
    for i in range(n):
        real, imag, diagonal = x[0, i], x[1, i], L[0, i, i]
        for p in range(i):
            a, b, c, d = L[0, i, p], L[1, i, p], x[0, p], x[1, p]
            for lane in range(LANES):
                real[lane] -= a[lane] * c[lane] - b[lane] * d[lane]
                imag[lane] -= a[lane] * d[lane] + b[lane] * c[lane]
        for lane in range(LANES):
            real[lane] *= diagonal[lane]
            imag[lane] *= diagonal[lane]
    for i in range(n - 1, -1, -1):
        real, imag, diagonal = x[0, i], x[1, i], L[0, i, i]
        for p in range(i + 1, n):
            a, b, c, d = L[0, p, i], L[1, p, i], x[0, p], x[1, p]
            for lane in range(LANES):
                real[lane] -= a[lane] * c[lane] + b[lane] * d[lane]
                imag[lane] -= a[lane] * d[lane] - b[lane] * c[lane]
        for lane in range(LANES):
            real[lane] *= diagonal[lane]
            imag[lane] *= diagonal[lane]


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def factorize_gram(W: NDArray[Any], gram: NDArray[Any], L: NDArray[Any]) -> None:
    """Put the factor of W W^H into L, for W (2, row, column, lane)."""
    for i in range(W.shape[1]):
        for j in range(i + 1):
            inner(W[:, j], W[:, i], gram[:, i, j])
    factorize_lanes(gram, L)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def pseudo_inverse_column(W: NDArray[Any], L: NDArray[Any], k: int, unit: NDArray[Any], q: NDArray[Any]) -> None:
    """Put column k of W^+ = W^H (W W^H)^-1 into q (2, column, lane), with the factor L of W W^H."""
    unit[:] = 0
    unit[0, k] = 1
    solve_lanes(L, unit)
    for p in range(W.shape[2]):
        inner(W[:, :, p], unit, q[:, p])
