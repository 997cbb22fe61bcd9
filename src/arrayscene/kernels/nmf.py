"""Multiplicative updates of nonnegative source models: the power of a source as a few spectra that come and go.

A variance grows with each factor it is made of; every factor is multiplied by (found / expected)^(1/2), where found is the sum of
power / variance^2 over the bins and expected that of 1 / variance, both weighted by how fast the variance grows there. For use
inside of the kernels of methods with such models, and of their torch statements.

Reference: C. Fevotte and J. Idier, "Algorithms for nonnegative matrix factorization with the beta-divergence", Neural Computation
2011 (majorization-minimization, where the exponent comes from).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH
from arrayscene.kernels.padding import copy_row, padded, room
from arrayscene.kernels.vectors import add_rows, add_scaled, add_to_rows, fill, read, width, write, write_totals, zeros

FLOOR = 1e-3
"""Part of every variance that no factor models; powers come with a mean near 1, so that it lies 30 dB below."""


BASES = 4
"""Bases that are worked on at once."""


def step(found: Tensor, expected: Tensor) -> Tensor:
    """(found / expected)^(1/2); 1 where there is nothing of either."""
    tiny = torch.finfo(found.dtype).tiny * 1e6
    return (found.clamp_min(tiny) / expected.clamp_min(tiny)).sqrt()


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def multiply_by_step(factor: NDArray[Any], found: NDArray[Any], expected: NDArray[Any]) -> None:
    """Factor <- factor (found / expected)^(1/2), of any shape."""
    tiny = found.dtype.type(np.finfo(factor.dtype).tiny * 1e6)
    values, upper, lower = factor.ravel(), found.ravel(), expected.ravel()
    for i in range(values.size):
        values[i] *= np.sqrt(max(upper[i], tiny) / max(lower[i], tiny))


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def pad_factors(T: NDArray[Any], V: NDArray[Any]) -> Any:
    """T (freq, source, basis) and V (source basis, frame) as copies, with as many empty bases and frames as fill tiles."""
    (n_freqs, n_sources, n_bases), n_frames = T.shape, V.shape[2]
    n_padded = -(-n_bases // BASES) * BASES
    spectra, activations = np.zeros((n_freqs, n_sources, n_padded), T.dtype), room(n_sources * n_padded, padded(n_frames, V), V)
    for k in range(n_sources):
        for f in range(n_freqs):
            copy_row(T[f, k], spectra[f, k])
        for b in range(n_bases):
            copy_row(V[k, b], activations[k * n_padded + b])
    return spectra, activations


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def unpad_factors(spectra: NDArray[Any], activations: NDArray[Any], T: NDArray[Any], V: NDArray[Any]) -> None:
    """The way back."""
    n_sources, n_bases, n_padded = V.shape[0], V.shape[1], spectra.shape[2]
    for k in range(n_sources):
        for f in range(len(T)):
            copy_row(spectra[f, k], T[f, k])
        for b in range(n_bases):
            copy_row(activations[k * n_padded + b], V[k, b])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def fill_variances(T: NDArray[Any], V: NDArray[Any], floor: float, R: NDArray[Any]) -> None:
    """Rows f n_sources + k of R <- floor + sum_b T V of source k, from T (freq, source, basis) and V (source basis, frame)."""
    (n_freqs, n_sources, n_bases), step = T.shape, width(V)
    for k in range(n_sources):
        for t in range(0, V.shape[1], step):
            for b in range(0, n_bases, BASES):
                first = k * n_bases + b
                v0, v1, v2, v3 = read(V, (first, t)), read(V, (first + 1, t)), read(V, (first + 2, t)), read(V, (first + 3, t))
                for f in range(n_freqs):
                    row = f * n_sources + k
                    value = fill(V, floor) if b == 0 else read(R, (row, t))
                    value += fill(V, T[f, k, b]) * v0 + fill(V, T[f, k, b + 1]) * v1
                    value += fill(V, T[f, k, b + 2]) * v2 + fill(V, T[f, k, b + 3]) * v3
                    write(R, (row, t), value)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def sum_for_spectra(
    V: NDArray[Any], k: int, found: NDArray[Any], expected: NDArray[Any], sum_found: NDArray[Any], sum_expected: NDArray[Any]
) -> None:
    """Found and expected (basis,) of the spectra of source k at one frequency, from those of the variance (frame,)."""
    n_bases, step = len(sum_found), width(V)
    for b in range(0, n_bases, BASES):
        upper, lower = zeros(V, BASES), zeros(V, BASES)
        for t in range(0, V.shape[1], step):
            upper = add_rows(upper, read(found, t), V, (k * n_bases + b, t))
            lower = add_rows(lower, read(expected, t), V, (k * n_bases + b, t))
        write_totals(upper, sum_found, b)
        write_totals(lower, sum_expected, b)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def add_for_activations(
    T: NDArray[Any], found: NDArray[Any], expected: NDArray[Any], sum_found: NDArray[Any], sum_expected: NDArray[Any]
) -> None:
    """Add what several frequencies contribute to found and expected (source basis, frame) of the activations.

    From T (freq, source, basis), and found and expected in rows f n_sources + k of source k.
    """
    (n_freqs, n_sources, n_bases), step = T.shape, width(found)
    for k in range(n_sources):
        for b in range(0, n_bases, BASES):
            for t in range(0, found.shape[1], step):
                upper, lower = zeros(found, BASES), zeros(found, BASES)
                for f in range(n_freqs):
                    upper = add_scaled(upper, T, (f, k, b), read(found, (f * n_sources + k, t)))
                    lower = add_scaled(lower, T, (f, k, b), read(expected, (f * n_sources + k, t)))
                first = k * n_bases + b
                add_to_rows(upper, sum_found, (first, t))
                add_to_rows(lower, sum_expected, (first, t))
