"""Rounds of independent low-rank matrix analysis: demixing matrix and source model improved in one pass over frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.covariances import _covariances, _power, output_power_torch, source_covariances_torch
from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.iss import _update as _steer
from arrayscene.kernels.iss import iss_update_torch
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
    n_freqs, n_sources, n_mics = W.shape
    n_frames = parts.shape[-1]
    kind = parts.dtype.type
    share, keep = kind(tail), kind(1 - tail)
    rows = np.empty((1, 2, n_sources, n_mics), parts.dtype)
    covariances = np.empty((1, n_sources, n_mics, n_mics), np.complex128)
    power, weights = np.empty((1, n_sources, n_frames), parts.dtype), np.empty((1, n_sources, n_frames), parts.dtype)
    R, found, expected = np.empty_like(power[0]), np.empty_like(power[0]), np.empty_like(power[0])
    sum_found, sum_expected = np.zeros_like(V), np.zeros_like(V)
    for f in range(n_freqs):
        one = slice(f, f + 1)
        if tail > 0:
            fill_power(parts[one], W[f], rows, power)
        else:
            power[:] = 0
        for k in range(n_sources):
            fill_variance(T[f, k], V[k], FLOOR, R[k])
            for t in range(n_frames):
                weights[0, k, t] = kind(1) / (keep * R[k, t] + share * power[0, k, t])
        _covariances(parts[one], weights, noise[one], covariances)
        _steer(W[one], covariances, n_sweeps)
        fill_power(parts[one], W[f], rows, power)
        for turn in range(2):
            for k in range(n_sources):
                for t in range(n_frames):
                    Q = keep * R[k, t] + share * power[0, k, t]
                    inverse = kind(1) / (R[k, t] * Q)
                    found[k, t] = power[0, k, t] * inverse
                    expected[k, t] = Q * inverse
                if turn == 0:
                    update_spectra(T[f, k], V[k], found[k], expected[k])
                    fill_variance(T[f, k], V[k], FLOOR, R[k])
                else:
                    add_for_activations(T[f, k], found[k], expected[k], sum_found[k], sum_expected[k])
    multiply_by_step(V, sum_found, sum_expected)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def fill_power(parts: NDArray[Any], W: NDArray[Any], rows: NDArray[Any], power: NDArray[Any]) -> None:
    """Power (1, source, frame) <- |W z|^2 of one frequency."""
    for k in range(W.shape[0]):
        for m in range(W.shape[1]):
            rows[0, 0, k, m], rows[0, 1, k, m] = W[k, m].real, W[k, m].imag
    power[:] = 0
    _power(parts, rows, power)
