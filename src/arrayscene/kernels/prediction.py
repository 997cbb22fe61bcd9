"""The equations for the coefficients of a prediction, solved by a Cholesky factor: for use inside other kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arrayscene.kernels.dispatch import FASTMATH
from arrayscene.kernels.vectors import fill, read, width, write


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def empty_system(n: int, n_outputs: int) -> Any:
    """Real and imaginary parts of R (n, n) and P^H (n, n_outputs) side by side, with room for rows of whole vectors."""
    row = np.zeros(1)
    shape = n, (-(-(n + n_outputs) // width(row)) + 2) * width(row)
    return np.zeros(shape), np.zeros(shape)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def solve_loaded(system: Any, factor: Any, G: NDArray[Any], loading: float, tiny: float) -> None:
    """G = P R^-1 (output, n), R loaded by parts of its diagonal; more of it where rounding has left R indefinite."""
    while not _factorized(system, factor, len(G), loading, tiny) and loading < 1:
        loading = 10 * max(loading, 1e-15)
    (U, V), n, n_outputs = factor, G.shape[1], len(G)
    step, none = width(U), fill(U, 0)
    x, z = np.empty((n, step)), np.empty((n, step))
    # Outputs side by side.
    for first in range(0, n_outputs, step):
        for i in range(n - 1, -1, -1):
            cx, dz, cz, dx = none, none, none, none
            for j in range(i + 1, n):
                c, d, a, b = fill(U, U[i, j]), fill(U, V[i, j]), read(x, (j, 0)), read(z, (j, 0))
                cx, dz, cz, dx = cx + c * a, dz + d * b, cz + c * b, dx + d * a
            scale = fill(U, 1 / U[i, i])
            write(x, (i, 0), (read(U, (i, n + first)) - (cx - dz)) * scale)
            write(z, (i, 0), (read(V, (i, n + first)) - (cz + dx)) * scale)
        for m in range(first, min(first + step, n_outputs)):
            for i in range(n):
                G[m, i] = complex(x[i, m - first], -z[i, m - first])


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _factorized(system: Any, factor: Any, n_outputs: int, loading: float, tiny: float) -> bool:
    """Whether R has a Cholesky factor U that rounding does not rule; U and U^-H P^H side by side."""
    (A, B), (U, V), n = system, factor, len(system[0])
    step, none = width(U), fill(U, 0)
    for i in range(n):
        # Two vectors of a row at once, from the one that holds the diagonal on; what lies before it is not looked at.
        for j in range(i // step * step, n + n_outputs, 2 * step):
            cr, ds, cs, dr = none, none, none, none
            next_cr, next_ds, next_cs, next_dr = none, none, none, none
            for k in range(i):
                c, d, r, s = fill(U, U[k, i]), fill(U, V[k, i]), read(U, (k, j)), read(V, (k, j))
                cr, ds, cs, dr = cr + c * r, ds + d * s, cs + c * s, dr + d * r
                r, s = read(U, (k, j + step)), read(V, (k, j + step))
                next_cr, next_ds, next_cs, next_dr = next_cr + c * r, next_ds + d * s, next_cs + c * s, next_dr + d * r
            write(U, (i, j), read(A, (i, j)) - (cr + ds))
            write(V, (i, j), read(B, (i, j)) - (cs - dr))
            write(U, (i, j + step), read(A, (i, j + step)) - (next_cr + next_ds))
            write(V, (i, j + step), read(B, (i, j + step)) - (next_cs - next_dr))
        load_added = loading * A[i, i] + tiny
        pivot = U[i, i] + load_added
        if pivot < 0.5 * load_added:
            return False
        U[i, i], V[i, i] = pivot, 0
        scale = fill(U, 1 / np.sqrt(pivot))
        for j in range(i // step * step, n + n_outputs, step):
            write(U, (i, j), read(U, (i, j)) * scale)
            write(V, (i, j), read(V, (i, j)) * scale)
    return True
