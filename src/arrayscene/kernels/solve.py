"""Systems of equations with a covariance on the left, many small ones at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled

LARGEST = 16
"""Microphones up to which the kernel is faster than LAPACK, which works on blocks."""


def solve_positive(R: Tensor, B: Tensor) -> Tensor:
    """R^-1 B for Hermitian positive definite R, by its Cholesky factor.

    Args:
        R: (..., mic, mic) complex Hermitian, positive definite: load it.
        B: (..., mic, column) complex; leading axes broadcast.

    Returns: (..., mic, column).

    Cost: O(mic^2 (mic + column)). Differentiable through the torch statement.

    Reference: G. H. Golub and C. F. Van Loan, "Matrix Computations", 4th ed. 2013, section 4.2.
    """
    if not compiled(R, B) or R.shape[-1] > LARGEST:
        return solve_positive_torch(R, B)
    leading = torch.broadcast_shapes(R.shape[:-2], B.shape[:-2])  # type: ignore[no-untyped-call]
    dtype = torch.promote_types(R.dtype, B.dtype)
    left = R.to(torch.complex128).expand(*leading, *R.shape[-2:]).reshape(-1, *R.shape[-2:]).resolve_conj().contiguous()
    result = B.to(torch.complex128).expand(*leading, *B.shape[-2:]).resolve_conj().clone(memory_format=torch.contiguous_format)
    _solve(left.numpy(), result.view(-1, *B.shape[-2:]).numpy())
    return result.to(dtype)


def solve_positive_torch(R: Tensor, B: Tensor) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    X: Tensor = torch.linalg.solve(R, B)
    return X


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _solve(left: NDArray[Any], result: NDArray[Any]) -> None:
    n_mics, n_columns = result.shape[-2:]
    tiny = np.finfo(np.float64).tiny
    L = np.zeros((n_mics, n_mics), np.complex128)
    scale = np.zeros(n_mics)
    for item in range(len(left)):
        for i in range(n_mics):
            for j in range(i):
                total = left[item, i, j]
                for p in range(j):
                    total -= L[i, p] * np.conj(L[j, p])
                L[i, j] = total * scale[j]
            pivot = left[item, i, i].real
            least = max(1e-15 * pivot, tiny)
            for p in range(i):
                pivot -= L[i, p].real ** 2 + L[i, p].imag ** 2
            scale[i] = 1 / np.sqrt(max(pivot, least))
        for i in range(n_mics):
            for p in range(i):
                for c in range(n_columns):
                    result[item, i, c] -= L[i, p] * result[item, p, c]
            for c in range(n_columns):
                result[item, i, c] *= scale[i]
        for i in range(n_mics - 1, -1, -1):
            for p in range(i + 1, n_mics):
                for c in range(n_columns):
                    result[item, i, c] -= np.conj(L[p, i]) * result[item, p, c]
            for c in range(n_columns):
                result[item, i, c] *= scale[i]
