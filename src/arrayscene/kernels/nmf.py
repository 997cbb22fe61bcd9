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

FLOOR = 1e-3
"""Part of every variance that no factor models; powers come with a mean near 1, so that it lies 30 dB below."""


def step(found: Tensor, expected: Tensor) -> Tensor:
    """(found / expected)^(1/2); 1 where there is nothing of either."""
    tiny = torch.finfo(found.dtype).tiny * 1e6
    return (found.clamp_min(tiny) / expected.clamp_min(tiny)).sqrt()


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def multiply_by_step(factor: NDArray[Any], found: NDArray[Any], expected: NDArray[Any]) -> None:
    """Factor <- factor (found / expected)^(1/2), of any shape."""
    tiny = np.finfo(factor.dtype).tiny * 1e6
    values, upper, lower = factor.ravel(), found.ravel(), expected.ravel()
    for i in range(values.size):
        values[i] *= np.sqrt(max(upper[i], tiny) / max(lower[i], tiny))


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def fill_variance(spectra: NDArray[Any], activations: NDArray[Any], floor: float, R: NDArray[Any]) -> None:
    """R (frame,) <- floor + sum_b spectra (basis,) activations (basis, frame)."""
    R[:] = R.dtype.type(floor)
    for b in range(len(spectra)):
        weight, row = spectra[b], activations[b]
        for t in range(len(R)):
            R[t] += weight * row[t]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def update_spectra(spectra: NDArray[Any], activations: NDArray[Any], found: NDArray[Any], expected: NDArray[Any]) -> None:
    """Update the spectra (basis,) of a source at one frequency, with found and expected (frame,)."""
    kind = spectra.dtype.type
    tiny = kind(np.finfo(spectra.dtype).tiny * 1e6)
    for b in range(len(spectra)):
        row, upper, lower = activations[b], kind(0), kind(0)
        for t in range(len(row)):
            upper += found[t] * row[t]
            lower += expected[t] * row[t]
        spectra[b] *= np.sqrt(max(upper, tiny) / max(lower, tiny))


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def add_for_activations(
    spectra: NDArray[Any], found: NDArray[Any], expected: NDArray[Any], sum_found: NDArray[Any], sum_expected: NDArray[Any]
) -> None:
    """Add what one frequency contributes to found and expected (basis, frame) of the activations of a source."""
    for b in range(len(spectra)):
        upper, lower, weight = sum_found[b], sum_expected[b], spectra[b]
        for t in range(len(found)):
            upper[t] += weight * found[t]
            lower[t] += weight * expected[t]
