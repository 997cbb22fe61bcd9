"""Frames in whole vectors: room for rows that begin at cache lines and end in silence. For use inside of kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arrayscene.kernels.dispatch import FASTMATH
from arrayscene.kernels.vectors import BYTES, width


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def padded(n_frames: int, numbers: NDArray[Any]) -> Any:
    """So many frames and as few more as make an even number of vectors, in the precision of an array."""
    return -(-n_frames // (2 * width(numbers))) * 2 * width(numbers)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def room(n_rows: int, n_columns: int, numbers: NDArray[Any]) -> Any:
    """Zeros (row, column) in the precision of an array, from a cache line on: vectors across two lines take twice as long."""
    size = n_rows * n_columns
    memory = np.zeros(size + BYTES // numbers.itemsize, numbers.dtype)
    first = -memory.ctypes.data % BYTES // numbers.itemsize
    return memory[first : first + size].reshape(n_rows, n_columns)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def fill_frames(parts: NDArray[Any], y: NDArray[Any]) -> None:
    """Put (2, mic, frame) into rows (2 mic, padded frame) that are silent beyond."""
    n_mics = parts.shape[1]
    for part in range(2):
        for m in range(n_mics):
            copy_row(parts[part, m], y[part * n_mics + m])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def copy_row(source: NDArray[Any], target: NDArray[Any]) -> None:
    """Put the numbers of a row at the beginning of another; the language's own statement takes seconds to compile."""
    for t in range(min(len(source), len(target))):
        target[t] = source[t]
