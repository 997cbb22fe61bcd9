"""Acoustic imaging as the papers state it, one number at a time in float64: slow and obvious.

P. Sijtsma, International Journal of Aeroacoustics 2007 (CLEAN-SC); T. F. Brooks and W. M. Humphreys, Journal of Sound and
Vibration 2006 (DAMAS).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]


def beam(C: Complex, h: Complex, remove_diagonal: bool) -> float:
    """h^H C h of one point, a pair of microphones after the other."""
    n_mics = len(h)
    total = 0.0
    for m in range(n_mics):
        for n in range(n_mics):
            if not (remove_diagonal and m == n):
                total += float((np.conj(h[m]) * C[m, n] * h[n]).real)
    return total * n_mics / (n_mics - 1) if remove_diagonal else total


def true_level(a: Complex) -> Complex:
    """Steering vectors (mic, point) of formulation III."""
    return np.stack([column / np.vdot(column, column).real for column in a.T], axis=1)


def clean_sc(C: Complex, a: Complex, damping: float, n_iter: int, patience: int, remove_diagonal: bool) -> Real:
    """(point,) powers taken out, the map made anew from the matrix that is left after each."""
    h = true_level(a)
    n_mics, n_points = a.shape
    gain = np.sqrt(n_mics / (n_mics - 1)) if remove_diagonal else 1.0
    left, taken, peaks = C.copy(), np.zeros(n_points), []
    for j in range(n_iter):
        dirty = [beam(left, h[:, q], remove_diagonal) for q in range(n_points)]
        q = int(np.argmax(dirty))
        if dirty[q] <= 0:
            break
        peaks.append(dirty[q])
        taken[q] += damping * dirty[q]
        if j > patience and peaks[j] > peaks[j - patience]:
            break
        w = gain * h[:, q]
        if remove_diagonal:
            trimmed = left - np.diag(np.diag(left))
            g = w
            for _ in range(20):
                H = np.diag(np.abs(g) ** 2)
                g = (trimmed @ w / dirty[q] + H @ w) / np.sqrt(1 + np.vdot(w, H @ w).real)
        else:
            g = left @ w / dirty[q]
        left = left - damping * dirty[q] * np.outer(g, np.conj(g))
    return taken


def damas(C: Complex, a: Complex, n_iter: int, remove_diagonal: bool) -> Real:
    """(point,) sources, each from the equation of its own point, in turn."""
    h = true_level(a)
    n_points = a.shape[1]
    spread = np.array(
        [[beam(np.outer(a[:, j], np.conj(a[:, j])), h[:, i], False) for j in range(n_points)] for i in range(n_points)]
    )
    dirty = np.maximum([beam(C, h[:, i], remove_diagonal) for i in range(n_points)], 0.0)
    x = dirty.copy()
    for _ in range(n_iter):
        for i in range(n_points):
            others = sum(spread[i, j] * x[j] for j in range(n_points) if j != i)
            x[i] = max(0.0, (dirty[i] - others) / spread[i, i])
    return x
