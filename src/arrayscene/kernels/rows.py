"""What updates of demixing matrices share: going through the frequencies, putting rows in, and the pseudo-inverse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH
from arrayscene.kernels.factor import factorize, solve_factorized

TINY = 1e-280
"""Keeps powers of nothing from dividing by zero."""


def by_frequency(kernel: Callable[[NDArray[Any], NDArray[Any], int], None], W: Tensor, V: Tensor, n_sweeps: int) -> Tensor:
    """A compiled update on a copy of W (..., freq, source, mic), with V (..., freq, source, mic, mic), both complex128."""
    result = W.resolve_conj().clone(memory_format=torch.contiguous_format)
    flat = V.resolve_conj().reshape(-1, *V.shape[-3:]).contiguous()
    kernel(result.view(-1, *W.shape[-2:]).numpy(), flat.numpy(), n_sweeps)
    return result


def replace_row(W: Tensor, k: int, row: Tensor) -> Tensor:
    """W (..., source, mic) with row (..., 1, mic) in place of its row k."""
    return torch.cat([W[..., :k, :], row, W[..., k + 1 :, :]], dim=-2)


def pseudo_inverse(W: Tensor) -> Tensor:
    """W^+ = W^H (W W^H)^-1 (..., mic, source), of rows that are linearly independent."""
    inverse: Tensor = torch.linalg.solve(W @ W.mH, W).mH
    return inverse


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def factorize_gram(W: NDArray[Any], gram: NDArray[Any], L: NDArray[Any]) -> None:
    """Put the factor of W W^H into L, see `factorize`."""
    n_sources, n_mics = W.shape
    for i in range(n_sources):
        for j in range(i + 1):
            total = 0j
            for p in range(n_mics):
                total += W[i, p] * np.conj(W[j, p])
            gram[i, j] = total
    factorize(gram, L)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def pseudo_inverse_column(W: NDArray[Any], L: NDArray[Any], k: int, unit: NDArray[Any], q: NDArray[Any]) -> None:
    """Put column k of W^+ into q, with the factor L of W W^H."""
    n_sources, n_mics = W.shape
    unit[:] = 0
    unit[k] = 1
    solve_factorized(L, unit)
    for p in range(n_mics):
        total = 0j
        for i in range(n_sources):
            total += np.conj(W[i, p]) * unit[i]
        q[p] = total
