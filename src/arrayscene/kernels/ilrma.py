"""Rounds of independent low-rank matrix analysis: demixing matrix and source model improved in one pass over frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.covariances import (
    add_power,
    fill_covariances,
    fill_level,
    output_power_torch,
    source_covariances_torch,
)
from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.iss import iss_update_torch, steer
from arrayscene.kernels.nmf import FLOOR, add_for_activations, fill_variance, multiply_by_step, step, update_spectra
from arrayscene.kernels.whitening import Whitened


def ilrma_update(white: Whitened, W: Tensor, T: Tensor, V: Tensor, tail: float, n_sweeps: int) -> tuple[Tensor, Tensor, Tensor]:
    """One update of the demixing matrix W, then of the spectra T, then of the activations V.

    R = T V + `FLOOR` is the variance of a source, Q = (1 - tail) R + tail |y|^2. W is swept by iterative source steering against
    the covariances that 1 / Q weights; T is multiplied by (sum_t V |y|^2 / (R Q) / sum_t V / R)^(1/2), and V likewise with sums
    over frequency. With tail = 0 the sources are Gaussian, with tail = 2 / (2 + nu) they have Student's t distribution with nu
    degrees of freedom. No step lowers the likelihood.

    Args:
        white: the recording.
        W: (..., freq, source, mic) complex128, of the white recording; outputs y = W z have a power near 1.
        T: (..., freq, source, basis) real, >= 0.
        V: (..., source, basis, frame) real, >= 0.
        tail: at least 0, below 1.
        n_sweeps: of W, with the same covariances.

    Returns: the updated W, T and V; what came is not changed.

    Cost: O(freq source (frame (basis + mic^2) + n_sweeps source mic^2)); in one pass, since memory is slower than the arithmetic.
    Differentiable through the torch statement.

    References: D. Kitamura et al., "Determined blind source separation unifying independent vector analysis and nonnegative
    matrix factorization", IEEE/ACM TASLP 2016; S. Mogami et al., "Independent low-rank matrix analysis based on complex Student's
    t-distribution for blind audio source separation", MLSP 2017; R. Scheibler and N. Ono, ICASSP 2020 (the sweep).
    """
    if not compiled(white.parts, white.noise, W, T, V):
        return ilrma_update_torch(white, W, T, V, tail, n_sweeps)
    W, T, V = (values.resolve_conj().clone(memory_format=torch.contiguous_format) for values in (W, T, V))
    parts, noise = (values.reshape(-1, *values.shape[-4:]).contiguous().numpy() for values in (white.parts, white.noise))
    for item in zip(parts, noise, *(values.view(-1, *values.shape[-3:]).numpy() for values in (W, T, V)), strict=True):
        _update(*item, tail, n_sweeps)  # type: ignore[call-arg]  # mypy cannot see through the star.
    return W, T, V


def ilrma_update_torch(
    white: Whitened, W: Tensor, T: Tensor, V: Tensor, tail: float, n_sweeps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The same in plain torch: the readable statement that the kernel is held to."""
    power = output_power_torch(white.parts, W, pooled=False)
    weights = 1 / torch.lerp(_variance(T, V), power, tail)
    W = iss_update_torch(W, source_covariances_torch(white.parts, weights, white.noise), n_sweeps)
    power = output_power_torch(white.parts, W, pooled=False)
    T = T * step(*(torch.einsum("...kbt,...fkt->...fkb", V, ratio) for ratio in _ratios(power, T, V, tail)))
    V = V * step(*(torch.einsum("...fkb,...fkt->...kbt", T, ratio) for ratio in _ratios(power, T, V, tail)))
    return W, T, V


def _variance(T: Tensor, V: Tensor) -> Tensor:
    return torch.einsum("...fkb,...kbt->...fkt", T, V) + FLOOR


def _ratios(power: Tensor, T: Tensor, V: Tensor, tail: float) -> tuple[Tensor, Tensor]:
    """|y|^2 / (R Q) and 1 / R."""
    R = _variance(T, V)
    return power / (R * torch.lerp(R, power, tail)), 1 / R


# Numba raises ZeroDivisionError unless told otherwise, and loops that may raise do not vectorise.
@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _update(
    parts: NDArray[Any],
    noise: NDArray[Any],
    W: NDArray[Any],
    T: NDArray[Any],
    V: NDArray[Any],
    tail: float,
    n_sweeps: int,
) -> None:
    n_sources, n_mics = W.shape[1:]
    n_frames = parts.shape[-1]
    kind = parts.dtype.type
    share, keep = kind(tail), kind(1 - tail)
    room, row = np.empty((2, n_frames), parts.dtype), np.empty(n_mics, W.dtype)
    level, covariances = np.empty(n_sources), np.empty((n_sources, n_mics, n_mics), W.dtype)
    power, weights = np.empty((n_sources, n_frames), parts.dtype), np.empty((n_sources, n_frames), parts.dtype)
    R, found, expected = np.empty_like(power), np.empty(n_frames, parts.dtype), np.empty(n_frames, parts.dtype)
    sum_found, sum_expected = np.zeros_like(V), np.zeros_like(V)
    for f in range(len(W)):
        power[:] = 0
        if tail > 0:
            add_power(parts[f], W[f], room, power)
        for k in range(n_sources):
            fill_variance(T[f, k], V[k], FLOOR, R[k])
            for t in range(n_frames):
                weights[k, t] = kind(1) / (keep * R[k, t] + share * power[k, t])
        fill_level(weights, level)
        fill_covariances(parts[f], weights, level, noise[f], room, covariances)
        steer(W[f], covariances, n_sweeps, row)
        power[:] = 0
        add_power(parts[f], W[f], room, power)
        for k in range(n_sources):
            _fill_ratios(power[k], R[k], share, keep, found, expected)
            update_spectra(T[f, k], V[k], found, expected)
            fill_variance(T[f, k], V[k], FLOOR, R[k])
            _fill_ratios(power[k], R[k], share, keep, found, expected)
            add_for_activations(T[f, k], found, expected, sum_found[k], sum_expected[k])
    multiply_by_step(V, sum_found, sum_expected)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _fill_ratios(
    power: NDArray[Any], R: NDArray[Any], share: float, keep: float, found: NDArray[Any], expected: NDArray[Any]
) -> None:
    """Of one output at one frequency, (frame,): found <- |y|^2 / (R Q), expected <- 1 / R."""
    kind = power.dtype.type
    for t in range(len(power)):
        Q = keep * R[t] + share * power[t]
        inverse = kind(1) / (R[t] * Q)
        found[t] = power[t] * inverse
        expected[t] = Q * inverse
