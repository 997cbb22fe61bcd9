"""Real parts of inner products over microphones, for many points at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled


def real_inner(X: Tensor, Y: Tensor) -> Tensor:
    """Re sum_m X_m^* Y_m.

    Args:
        X: (item, mic, point) complex.
        Y: likewise.

    Returns: (item, point) real, in their precision.

    Cost: one pass over both. Differentiable through the torch statement.
    """
    if not compiled(X, Y):
        return real_inner_torch(X, Y)
    x, y = (torch.view_as_real(part.resolve_conj().contiguous()).flatten(-2) for part in (X, Y))
    result = torch.empty((X.shape[0], X.shape[-1]), dtype=x.dtype)
    _sum_products(x.numpy(), y.numpy(), result.numpy())
    return result


def real_inner_torch(X: Tensor, Y: Tensor) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    return (X.real * Y.real + X.imag * Y.imag).sum(-2)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _sum_products(x: NDArray[Any], y: NDArray[Any], result: NDArray[Any]) -> None:
    sums = np.empty(x.shape[-1], x.dtype)
    for item in range(len(x)):
        sums[:] = 0
        for m in range(x.shape[1]):
            _add(sums, x[item, m], y[item, m])
        for q in range(result.shape[1]):
            result[item, q] = sums[2 * q] + sums[2 * q + 1]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _add(sums: NDArray[Any], x: NDArray[Any], y: NDArray[Any]) -> None:
    for i in range(len(sums)):
        sums[i] += x[i] * y[i]
