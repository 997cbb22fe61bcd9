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
    output_power_torch,
    room_for_covariances,
    room_for_rows,
    source_covariances_torch,
)
from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.iss import iss_update_torch, room_to_steer, steer
from arrayscene.kernels.lanes import LANES
from arrayscene.kernels.nmf import (
    FLOOR,
    add_for_activations,
    fill_variances,
    multiply_by_step,
    pad_factors,
    step,
    sum_for_spectra,
    unpad_factors,
)
from arrayscene.kernels.padding import copy_row, fill_frames, room
from arrayscene.kernels.vectors import fill, read, width, write
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
    (n_sources, n_mics), n_frames = W.shape[1:], parts.shape[-1]
    frames, products, sums = room_for_covariances(parts, LANES)
    spectra, activations = pad_factors(T, V)
    length, steering, w = frames.shape[1], room_to_steer(n_sources, n_mics), room_for_rows(W, parts)
    covariances = np.empty((LANES, n_sources, n_mics, n_mics), W.dtype)
    # Of some frequencies, each with all sources, row by row.
    inverse, found, expected = (
        room(LANES * n_sources, length, parts),
        room(LANES * n_sources, length, parts),
        room(LANES * n_sources, length, parts),
    )
    power, weights = room(n_sources, length, parts), room(n_sources, length, parts)
    sum_found, sum_expected = np.zeros_like(activations), np.zeros_like(activations)
    T_found, T_expected = np.zeros_like(spectra[:LANES]), np.zeros_like(spectra[:LANES])
    for start in range(0, len(W), LANES):
        n_freqs = min(LANES, len(W) - start)
        T_block = spectra[start : start + n_freqs]
        _fill_inverse(T_block, activations, n_frames, inverse)
        for f in range(n_freqs):
            own, y = inverse[f * n_sources : (f + 1) * n_sources], frames[2 * f * n_mics : 2 * (f + 1) * n_mics]
            fill_frames(parts[start + f], y)
            if tail > 0:
                power[:] = 0
                add_power(y, W[start + f], w, power)
                _fill_weights(own, power, tail, weights)
                own = weights
            fill_covariances(y, own, n_frames, noise[start + f], products, sums, covariances[f])
        steer(W[start : start + n_freqs], covariances[:n_freqs], n_sweeps, *steering)
        for f in range(n_freqs):
            own, y = found[f * n_sources : (f + 1) * n_sources], frames[2 * f * n_mics : 2 * (f + 1) * n_mics]
            own[:] = 0
            add_power(y, W[start + f], w, own)
            for k in range(n_sources):
                # The power itself is still needed.
                copy_row(own[k], weights[k])
                _to_ratio(weights[k], inverse[f * n_sources + k], tail)
                sum_for_spectra(activations, k, weights[k], inverse[f * n_sources + k], T_found[f, k], T_expected[f, k])
        multiply_by_step(T_block, T_found[:n_freqs], T_expected[:n_freqs])
        _fill_inverse(T_block, activations, n_frames, expected)
        for row in range(n_freqs * n_sources):
            _to_ratio(found[row], expected[row], tail)
        add_for_activations(T_block, found, expected, sum_found, sum_expected)
    multiply_by_step(activations, sum_found, sum_expected)
    unpad_factors(spectra, activations, T, V)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _fill_inverse(T: NDArray[Any], V: NDArray[Any], n_frames: int, inverse: NDArray[Any]) -> None:
    """Rows f n_sources + k of `inverse` <- 1 / R of some frequencies and all sources; 0 where there are no frames."""
    fill_variances(T, V, FLOOR, inverse)
    one = fill(inverse, 1)
    for row in range(T.shape[0] * T.shape[1]):
        for t in range(0, inverse.shape[1], width(inverse)):
            write(inverse, (row, t), one / read(inverse, (row, t)))
        inverse[row, n_frames:] = 0


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _fill_weights(inverse: NDArray[Any], power: NDArray[Any], tail: float, weights: NDArray[Any]) -> None:
    """1 / Q = 1 / (R (1 - tail + tail |y|^2 / R)), of one frequency."""
    share, keep = fill(weights, tail), fill(weights, 1 - tail)
    for k in range(len(weights)):
        for t in range(0, weights.shape[1], width(weights)):
            own = read(inverse, (k, t))
            write(weights, (k, t), own / (keep + share * read(power, (k, t)) * own))


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _to_ratio(power: NDArray[Any], inverse: NDArray[Any], tail: float) -> None:
    """|y|^2 / (R Q) in place of |y|^2, of one output at one frequency, with 1 / R."""
    share, keep = fill(power, tail), fill(power, 1 - tail)
    for t in range(0, len(power), width(power)):
        own = read(inverse, t)
        ratio = read(power, t) * own
        if tail > 0:
            write(power, t, ratio * own / (keep + share * ratio))
        else:
            write(power, t, ratio * own)
