"""Multiplicative updates of sources whose full-rank spatial covariances become diagonal by one matrix a frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.nmf import FLOOR, fill_variance, step


def joint_update(power: Tensor, T: Tensor, V: Tensor, G: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One multiplicative update of the spectra T, then the activations V, then the spatial weights G of every source.

    The components z = Q y of the recording have variances Y = G^T R + `FLOOR`, with R = T V those of the sources. Every factor is
    multiplied by (found / expected)^(1/2), where found = sum |z|^2 / Y^2 and expected = sum 1 / Y, both weighted by how Y grows
    with that factor. Never lowers the likelihood.

    Args:
        power: (..., freq, component, frame) real |z|^2, mean over frames near 1.
        T: (..., freq, source, basis) real, >= 0.
        V: (..., source, basis, frame) real, >= 0.
        G: (..., freq, source, component) real, >= 0 (FastMNMF1); a single frequency serves all (FastMNMF2).

    Returns: the updated T, V and G; what came is not changed.

    Cost: O(freq source frame (basis + component)), in two passes over frequency. Differentiable through the torch statement.

    Reference: K. Sekiguchi, Y. Bando, A. A. Nugraha, K. Yoshii and T. Kawahara, "Fast multichannel nonnegative matrix
    factorization with directivity-aware jointly-diagonalizable spatial covariance matrices for blind source separation", IEEE/ACM
    TASLP 2020.
    """
    if not compiled(power, T, V, G):
        return joint_update_torch(power, T, V, G)
    T, V, G = (factor.clone(memory_format=torch.contiguous_format) for factor in (T, V, G))
    items = (values.reshape(-1, *values.shape[-3:]).contiguous().numpy() for values in (power, T, V, G))
    for item in zip(*items, strict=True):
        _update_sources(*item)
        _update_weights(*item)
    return T, V, G


def joint_update_torch(power: Tensor, T: Tensor, V: Tensor, G: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same in plain torch: the readable statement that the kernel is held to."""
    T = T * step(*(torch.einsum("...kbt,...fkt->...fkb", V, G @ ratio) for ratio in _ratios(power, T, V, G)))
    V = V * step(*(torch.einsum("...fkb,...fkt->...kbt", T, G @ ratio) for ratio in _ratios(power, T, V, G)))
    R = torch.einsum("...fkb,...kbt->...fkt", T, V)
    sums = (R @ ratio.mT for ratio in _ratios(power, T, V, G))
    if G.shape[-3] == 1:
        sums = (each.sum(-3, keepdim=True) for each in sums)
    return T, V, G * step(*sums)


def joint_weights(T: Tensor, V: Tensor, G: Tensor) -> Tensor:
    """Weights (..., freq, component, frame) of the auxiliary function that Q minimises: 1 / Y of `joint_update`.

    Args: as in `joint_update`.

    Cost: O(freq source frame (basis + component)). Differentiable through the torch statement.
    """
    if not compiled(T, V, G):
        return joint_weights_torch(T, V, G)
    weights = torch.empty((*T.shape[:-2], G.shape[-1], V.shape[-1]), dtype=T.dtype)
    items = (values.reshape(-1, *values.shape[-3:]).contiguous().numpy() for values in (T, V, G))
    for item_T, item_V, item_G, result in zip(*items, weights.view(-1, *weights.shape[-3:]).numpy(), strict=True):
        _weights(item_T, item_V, item_G, result)
    return weights


def joint_weights_torch(T: Tensor, V: Tensor, G: Tensor) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    return 1 / (G.mT @ torch.einsum("...fkb,...kbt->...fkt", T, V) + FLOOR)


def _ratios(power: Tensor, T: Tensor, V: Tensor, G: Tensor) -> tuple[Tensor, Tensor]:
    """|z|^2 / Y^2 and 1 / Y."""
    inverse = joint_weights_torch(T, V, G)
    return power * inverse.square(), inverse


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _update_sources(power: NDArray[Any], T: NDArray[Any], V: NDArray[Any], G: NDArray[Any]) -> None:
    n_freqs, n_mics, n_frames = power.shape
    n_sources, n_bases = V.shape[:2]
    kind = power.dtype.type
    tiny = kind(np.finfo(power.dtype).tiny * 1e6)
    V_found, V_expected = np.zeros(V.shape, power.dtype), np.zeros(V.shape, power.dtype)
    R, inverse = np.empty((n_sources, n_frames), power.dtype), np.empty((n_mics, n_frames), power.dtype)
    ratio, found, expected = np.empty_like(inverse), np.empty(n_frames, power.dtype), np.empty(n_frames, power.dtype)
    for f in range(n_freqs):
        gains = G[f if len(G) > 1 else 0]
        for turn in range(2):
            _fill_ratios(power[f], T[f], V, gains, R, ratio, inverse)
            for k in range(n_sources):
                found[:], expected[:] = 0, 0
                for m in range(n_mics):
                    gain, ratio_row, inverse_row = gains[k, m], ratio[m], inverse[m]
                    for t in range(n_frames):
                        found[t] += gain * ratio_row[t]
                        expected[t] += gain * inverse_row[t]
                for b in range(n_bases):
                    if turn == 0:
                        # R is that of the old spectra for all sources alike.
                        row, upper, lower = V[k, b], kind(0), kind(0)
                        for t in range(n_frames):
                            upper += found[t] * row[t]
                            lower += expected[t] * row[t]
                        T[f, k, b] *= np.sqrt(max(upper, tiny) / max(lower, tiny))
                    else:
                        upper_row, lower_row, weight = V_found[k, b], V_expected[k, b], T[f, k, b]
                        for t in range(n_frames):
                            upper_row[t] += weight * found[t]
                            lower_row[t] += weight * expected[t]
    for k in range(n_sources):
        for b in range(n_bases):
            for t in range(n_frames):
                V[k, b, t] *= np.sqrt(max(V_found[k, b, t], tiny) / max(V_expected[k, b, t], tiny))


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _update_weights(power: NDArray[Any], T: NDArray[Any], V: NDArray[Any], G: NDArray[Any]) -> None:
    n_freqs, n_mics, n_frames = power.shape
    n_sources = len(V)
    kind = power.dtype.type
    tiny = np.finfo(power.dtype).tiny * 1e6
    found, expected = np.zeros(G.shape), np.zeros(G.shape)
    R, inverse = np.empty((n_sources, n_frames), power.dtype), np.empty((n_mics, n_frames), power.dtype)
    ratio = np.empty_like(inverse)
    for f in range(n_freqs):
        place = f if len(G) > 1 else 0
        _fill_ratios(power[f], T[f], V, G[place], R, ratio, inverse)
        for k in range(n_sources):
            for m in range(n_mics):
                variance, ratio_row, inverse_row, upper, lower = R[k], ratio[m], inverse[m], kind(0), kind(0)
                for t in range(n_frames):
                    upper += variance[t] * ratio_row[t]
                    lower += variance[t] * inverse_row[t]
                found[place, k, m] += upper
                expected[place, k, m] += lower
    for place in range(len(G)):
        for k in range(n_sources):
            for m in range(n_mics):
                G[place, k, m] *= np.sqrt(max(found[place, k, m], tiny) / max(expected[place, k, m], tiny))


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _weights(T: NDArray[Any], V: NDArray[Any], G: NDArray[Any], weights: NDArray[Any]) -> None:
    R = np.empty((V.shape[0], V.shape[2]), weights.dtype)
    for f in range(len(weights)):
        _fill_inverse(T[f], V, G[f if len(G) > 1 else 0], R, weights[f])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _fill_ratios(
    power: NDArray[Any],
    T: NDArray[Any],
    V: NDArray[Any],
    G: NDArray[Any],
    R: NDArray[Any],
    ratio: NDArray[Any],
    inverse: NDArray[Any],
) -> None:
    """Of one frequency: ratio (component, frame) <- |z|^2 / Y^2, with what `_fill_inverse` fills."""
    _fill_inverse(T, V, G, R, inverse)
    for m in range(len(ratio)):
        row, power_row, inverse_row = ratio[m], power[m], inverse[m]
        for t in range(len(row)):
            row[t] = power_row[t] * inverse_row[t] * inverse_row[t]


# Numba raises ZeroDivisionError unless told otherwise, and loops that may raise do not vectorise.
@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _fill_inverse(T: NDArray[Any], V: NDArray[Any], G: NDArray[Any], R: NDArray[Any], inverse: NDArray[Any]) -> None:
    """Of one frequency: R (source, frame) <- T V and inverse (component, frame) <- 1 / (G^T R + `FLOOR`)."""
    n_sources, n_mics = G.shape
    kind = inverse.dtype.type
    for k in range(n_sources):
        fill_variance(T[k], V[k], 0.0, R[k])
    for m in range(n_mics):
        row = inverse[m]
        row[:] = kind(FLOOR)
        for k in range(n_sources):
            gain, variance = G[k, m], R[k]
            for t in range(len(row)):
                row[t] += gain * variance[t]
        for t in range(len(row)):
            row[t] = kind(1) / row[t]
