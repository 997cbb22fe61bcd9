"""Systems of sources at many points that are heard through each other's beams: the point spread, and its nonnegative solution."""

from __future__ import annotations

from typing import Any

import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled

_ROWS = 128
"""Sources whose maps are made together: few enough that their product stays in the cache."""


def point_spread(W: Tensor, A: Tensor, *, remove_diagonal: bool) -> Tensor:
    """Maps of unit sources: S_ji = |w_i^H a_j|^2, less sum_m |w_mi|^2 |a_mj|^2 where the diagonal is removed.

    Args:
        W: (mic, point) complex steering vectors.
        A: (mic, source) complex transfer functions, in the precision of W.
        remove_diagonal: whether the matrices that maps are made from lack their diagonal.

    Returns: (source, point) real, in the precision of W: row j is the map of a source at j.

    Cost: O(mic source point) as a matrix product.
    """
    if not compiled(W, A):
        return point_spread_torch(W, A, remove_diagonal=remove_diagonal)
    W, A = W.resolve_conj().contiguous(), A.resolve_conj().mH.resolve_conj().contiguous()
    S = torch.empty((len(A), W.shape[1]), dtype=W.real.dtype)
    own = _squared(W) if remove_diagonal else W.real[:0]
    for first in range(0, len(A), _ROWS):
        rows = A[first : first + _ROWS]
        product = torch.view_as_real(rows @ W)
        below = _squared(rows) @ own if remove_diagonal else S[:0]
        _fill(product.view(len(rows), -1, 2).numpy(), below.numpy(), S[first : first + _ROWS].numpy())
    return S


def point_spread_torch(W: Tensor, A: Tensor, *, remove_diagonal: bool) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    S = (A.mH @ W).abs().square()
    return S - A.abs().square().mT @ W.abs().square() if remove_diagonal else S


def nonnegative_sweeps(S: Tensor, y: Tensor, x: Tensor, n_sweeps: int, tolerance: float = 0.0) -> tuple[Tensor, int]:
    """Gauss-Seidel sweeps with x >= 0 for y = S^T x: x_i <- max(0, x_i + (y_i - sum_j S_ji x_j) / S_ii), point after point.

    With a symmetric S that is coordinate descent on x^T S x / 2 - x^T y, the least squares of a nonnegative fit.

    Args:
        S: (source, point) real, square, with a positive diagonal.
        y: (point,) real, the map.
        x: (point,) real, where to begin.
        n_sweeps: at most.
        tolerance: largest change of a sweep, relative to the largest x, at which to stop; 0: never.

    Returns: (point,) float64, and the sweeps made.

    Cost: O(source point) a sweep at most; points that stay 0 cost nothing. What is left of y is kept in double precision.

    Reference: T. F. Brooks and W. M. Humphreys, "A deconvolution approach for the mapping of acoustic sources (DAMAS) determined
    from phased microphone arrays", Journal of Sound and Vibration 2006, equation (15).
    """
    if not compiled(S, y, x):
        return nonnegative_sweeps_torch(S, y, x, n_sweeps, tolerance)
    found = x.to(torch.float64).clone()
    left = y.to(torch.float64).clone()
    S = S.contiguous()
    done = _sweep(S.numpy(), left.numpy(), found.numpy(), n_sweeps, tolerance)
    return found, int(done)


def nonnegative_sweeps_torch(S: Tensor, y: Tensor, x: Tensor, n_sweeps: int, tolerance: float = 0.0) -> tuple[Tensor, int]:
    """The same in plain torch, each point from the whole system: the readable statement that the kernel is held to."""
    system, found, target = S.to(torch.float64), x.to(torch.float64).clone(), y.to(torch.float64)
    for sweep in range(n_sweeps):
        largest = 0.0
        for i in range(len(found)):
            old = float(found[i])
            found[i] = torch.clamp(found[i] + (target[i] - system[:, i] @ found) / system[i, i], min=0.0)
            largest = max(largest, abs(float(found[i]) - old))
        if largest <= tolerance * float(found.max()):
            return found, sweep + 1
    return found, n_sweeps


def _squared(z: Tensor) -> Tensor:
    return z.real.square() + z.imag.square()


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _fill(product: NDArray[Any], below: NDArray[Any], S: NDArray[Any]) -> None:
    for j in range(len(S)):
        row, target = product[j], S[j]
        for i in range(len(target)):
            target[i] = row[i, 0] * row[i, 0] + row[i, 1] * row[i, 1]
        if len(below):
            lower = below[j]
            for i in range(len(target)):
                target[i] -= lower[i]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _sweep(S: NDArray[Any], left: NDArray[Any], x: NDArray[Any], n_sweeps: int, tolerance: float) -> int:
    for j in range(len(x)):
        if x[j] != 0:
            _subtract(left, S[j], x[j])
    for sweep in range(n_sweeps):
        largest, highest = 0.0, 0.0
        for i in range(len(x)):
            new = max(0.0, x[i] + left[i] / S[i, i])
            change = new - x[i]
            if change != 0:
                x[i] = new
                _subtract(left, S[i], change)
                largest = max(largest, abs(change))
            highest = max(highest, new)
        if largest <= tolerance * highest:
            return sweep + 1
    return n_sweeps


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _subtract(left: NDArray[Any], row: NDArray[Any], factor: float) -> None:
    for i in range(len(left)):
        left[i] -= factor * row[i]
