"""Rounds of FastMNMF: the joint diagonaliser and the source models improved in one or two passes over frequency."""

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


def fastmnmf_update(
    white: Whitened, Q: Tensor, T: Tensor, V: Tensor, G: Tensor, n_sweeps: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One update of the diagonaliser Q, then of the spectra T, the spatial weights G and the activations V.

    The components Q z of the white recording z have variances Y = G^T R + `FLOOR`, with R = T V those of the sources. Q is swept
    by iterative source steering against the covariances that 1 / Y weights. Every other factor is multiplied by
    (found / expected)^(1/2), where found = sum |Q z|^2 / Y^2 and expected = sum 1 / Y, both weighted by how Y grows with that
    factor. No step lowers the likelihood.

    Args:
        white: the recording.
        Q: (..., freq, component, mic) complex128, of the white recording; components have a power near 1.
        T: (..., freq, source, basis) real, >= 0.
        V: (..., source, basis, frame) real, >= 0.
        G: (..., freq, source, component) real, >= 0 (FastMNMF1); a single frequency serves all (FastMNMF2).
        n_sweeps: of Q, with the same covariances.

    Returns: the updated Q, T, V and G; what came is not changed.

    Cost: O(freq frame (source basis + source mic + mic^3)). Differentiable through the torch statement.

    References: K. Sekiguchi, Y. Bando, A. A. Nugraha, K. Yoshii and T. Kawahara, "Fast multichannel nonnegative matrix
    factorization with directivity-aware jointly-diagonalizable spatial covariance matrices for blind source separation", IEEE/ACM
    TASLP 2020; R. Scheibler and N. Ono, ICASSP 2020 (the sweep).
    """
    if not compiled(white.parts, white.noise, Q, T, V, G):
        return fastmnmf_update_torch(white, Q, T, V, G, n_sweeps)
    Q, T, V, G = (values.resolve_conj().clone(memory_format=torch.contiguous_format) for values in (Q, T, V, G))
    parts, noise = (values.reshape(-1, *values.shape[-4:]).contiguous().numpy() for values in (white.parts, white.noise))
    for item in zip(parts, noise, *(values.view(-1, *values.shape[-3:]).numpy() for values in (Q, T, V, G)), strict=True):
        _update(*item, n_sweeps)  # type: ignore[call-arg]  # mypy cannot see through the star.
    return Q, T, V, G


def fastmnmf_update_torch(
    white: Whitened, Q: Tensor, T: Tensor, V: Tensor, G: Tensor, n_sweeps: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same in plain torch: the readable statement that the kernel is held to."""
    weights = component_weights(T, V, G)
    Q = iss_update_torch(Q, source_covariances_torch(white.parts, weights, white.noise), n_sweeps)
    power = output_power_torch(white.parts, Q, pooled=False)
    T = T * step(*(torch.einsum("...kbt,...fkt->...fkb", V, G @ ratio) for ratio in _ratios(power, T, V, G)))
    R = torch.einsum("...fkb,...kbt->...fkt", T, V)
    sums = [R @ ratio.mT for ratio in _ratios(power, T, V, G)]
    G = G * step(*(each.sum(-3, keepdim=True) if G.shape[-3] == 1 else each for each in sums))
    V = V * step(*(torch.einsum("...fkb,...fkt->...kbt", T, G @ ratio) for ratio in _ratios(power, T, V, G)))
    return Q, T, V, G


def component_weights(T: Tensor, V: Tensor, G: Tensor) -> Tensor:
    """1 / Y (..., freq, component, frame), see `fastmnmf_update`."""
    return 1 / (G.mT @ torch.einsum("...fkb,...kbt->...fkt", T, V) + FLOOR)


def _ratios(power: Tensor, T: Tensor, V: Tensor, G: Tensor) -> tuple[Tensor, Tensor]:
    """|Q z|^2 / Y^2 and 1 / Y."""
    inverse = component_weights(T, V, G)
    return power * inverse.square(), inverse


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _update(
    parts: NDArray[Any],
    noise: NDArray[Any],
    Q: NDArray[Any],
    T: NDArray[Any],
    V: NDArray[Any],
    G: NDArray[Any],
    n_sweeps: int,
) -> None:
    n_mics = Q.shape[1]
    n_sources, _, n_frames = V.shape
    shared = len(G) == 1
    room, row = np.empty((2, n_frames), parts.dtype), np.empty(n_mics, Q.dtype)
    level, covariances = np.empty(n_mics), np.empty((n_mics, n_mics, n_mics), Q.dtype)
    power, inverse = np.empty((n_mics, n_frames), parts.dtype), np.empty((n_mics, n_frames), parts.dtype)
    ratio, R = np.empty_like(power), np.empty((n_sources, n_frames), parts.dtype)
    found, expected = np.empty_like(R[0]), np.empty_like(R[0])
    sum_found, sum_expected, G_found, G_expected = np.zeros_like(V), np.zeros_like(V), np.zeros_like(G), np.zeros_like(G)
    for f in range(len(Q)):
        place = 0 if shared else f
        _fill_inverse(T[f], V, G[place], R, inverse)
        fill_level(inverse, level)
        fill_covariances(parts[f], inverse, level, noise[f], room, covariances)
        steer(Q[f], covariances, n_sweeps, row)
        power[:] = 0
        add_power(parts[f], Q[f], room, power)
        _fill_ratio(power, inverse, ratio)
        for k in range(n_sources):
            _gather(G[place, k], ratio, inverse, found, expected)
            update_spectra(T[f, k], V[k], found, expected)
        _fill_inverse(T[f], V, G[place], R, inverse)
        _fill_ratio(power, inverse, ratio)
        _add_for_weights(R, ratio, inverse, G_found[place], G_expected[place])
        if not shared:
            multiply_by_step(G[f], G_found[f], G_expected[f])
            _add_frequency(power, T[f], V, G[f], R, inverse, ratio, found, expected, sum_found, sum_expected)
    if shared:
        multiply_by_step(G[0], G_found[0], G_expected[0])
        for f in range(len(Q)):
            power[:] = 0
            add_power(parts[f], Q[f], room, power)
            _add_frequency(power, T[f], V, G[0], R, inverse, ratio, found, expected, sum_found, sum_expected)
    multiply_by_step(V, sum_found, sum_expected)


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


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _fill_ratio(power: NDArray[Any], inverse: NDArray[Any], ratio: NDArray[Any]) -> None:
    """Of one frequency: ratio (component, frame) <- power / Y^2."""
    for m in range(len(ratio)):
        for t in range(ratio.shape[1]):
            ratio[m, t] = power[m, t] * inverse[m, t] * inverse[m, t]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _gather(gains: NDArray[Any], ratio: NDArray[Any], inverse: NDArray[Any], found: NDArray[Any], expected: NDArray[Any]) -> None:
    """What a source's variance is to find and to expect (frame,), from all components with its gains (component,) there."""
    found[:], expected[:] = 0, 0
    for m in range(len(gains)):
        gain, upper, lower = gains[m], ratio[m], inverse[m]
        for t in range(len(found)):
            found[t] += gain * upper[t]
            expected[t] += gain * lower[t]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _add_for_weights(
    R: NDArray[Any], ratio: NDArray[Any], inverse: NDArray[Any], found: NDArray[Any], expected: NDArray[Any]
) -> None:
    """Add what one frequency contributes to found and expected (source, component) of the spatial weights."""
    kind = R.dtype.type
    for k in range(found.shape[0]):
        for m in range(found.shape[1]):
            variance, upper_row, lower_row, upper, lower = R[k], ratio[m], inverse[m], kind(0), kind(0)
            for t in range(len(variance)):
                upper += variance[t] * upper_row[t]
                lower += variance[t] * lower_row[t]
            found[k, m] += upper
            expected[k, m] += lower


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _add_frequency(
    power: NDArray[Any],
    T: NDArray[Any],
    V: NDArray[Any],
    G: NDArray[Any],
    R: NDArray[Any],
    inverse: NDArray[Any],
    ratio: NDArray[Any],
    found: NDArray[Any],
    expected: NDArray[Any],
    sum_found: NDArray[Any],
    sum_expected: NDArray[Any],
) -> None:
    """Add what one frequency contributes to found and expected (source, basis, frame) of the activations."""
    _fill_inverse(T, V, G, R, inverse)
    _fill_ratio(power, inverse, ratio)
    for k in range(len(V)):
        _gather(G[k], ratio, inverse, found, expected)
        add_for_activations(T[k], found, expected, sum_found[k], sum_expected[k])
