"""Rounds of FastMNMF: the joint diagonaliser and the source models improved in one or two passes over frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.covariances import (
    ROWS,
    add_power,
    fill_covariances,
    output_power_torch,
    room_for_covariances,
    room_for_rows,
    source_covariances_torch,
    sum_rows,
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
    n_mics, n_sources, n_frames = Q.shape[1], V.shape[0], V.shape[2]
    shared = len(G) == 1
    frames, products, sums = room_for_covariances(parts, LANES)
    spectra, activations = pad_factors(T, V)
    length, steering, q = frames.shape[1], room_to_steer(n_mics, n_mics), room_for_rows(Q, parts)
    covariances = np.empty((LANES, n_mics, n_mics, n_mics), Q.dtype)
    # Of some frequencies, each with all sources or components, row by row.
    R, found, expected = (
        room(LANES * n_sources, length, parts),
        room(LANES * n_sources, length, parts),
        room(LANES * n_sources, length, parts),
    )
    inverses = room(LANES * n_mics, length, parts)
    power, inverse, ratio = room(n_mics, length, parts), room(_whole(n_mics), length, parts), room(_whole(n_mics), length, parts)
    sum_found, sum_expected, G_found, G_expected = (
        np.zeros_like(activations),
        np.zeros_like(activations),
        np.zeros_like(G),
        np.zeros_like(G),
    )
    T_found, T_expected = np.zeros_like(spectra[:LANES]), np.zeros_like(spectra[:LANES])
    for start in range(0, len(Q), LANES):
        n_freqs = min(LANES, len(Q) - start)
        T_block = spectra[start : start + n_freqs]
        fill_variances(T_block, activations, 0.0, R)
        for f in range(n_freqs):
            own, y = inverses[f * n_mics : (f + 1) * n_mics], frames[2 * f * n_mics : 2 * (f + 1) * n_mics]
            _fill_inverse(R[f * n_sources : (f + 1) * n_sources], G[0 if shared else start + f], n_frames, own)
            fill_frames(parts[start + f], y)
            fill_covariances(y, own, n_frames, noise[start + f], products, sums, covariances[f])
        steer(Q[start : start + n_freqs], covariances[:n_freqs], n_sweeps, *steering)
        for f in range(n_freqs):
            own, gains = inverses[f * n_mics : (f + 1) * n_mics], G[0 if shared else start + f]
            y = frames[2 * f * n_mics : 2 * (f + 1) * n_mics]
            power[:] = 0
            add_power(y, Q[start + f], q, power)
            _fill_ratio(power, own, ratio)
            for k in range(n_sources):
                _gather(gains[k], ratio, own, found[0], expected[0])
                sum_for_spectra(activations, k, found[0], expected[0], T_found[f, k], T_expected[f, k])
            # From here on the row of a component holds its power.
            for m in range(n_mics):
                copy_row(power[m], own[m])
        multiply_by_step(T_block, T_found[:n_freqs], T_expected[:n_freqs])
        fill_variances(T_block, activations, 0.0, R)
        for f in range(n_freqs):
            variances, own, place = (
                R[f * n_sources : (f + 1) * n_sources],
                inverses[f * n_mics : (f + 1) * n_mics],
                0 if shared else start + f,
            )
            _fill_inverse(variances, G[place], n_frames, inverse)
            _fill_ratio(own, inverse, ratio)
            _add_for_weights(variances, ratio, inverse, sums, G_found[place], G_expected[place])
            if not shared:
                multiply_by_step(G[place], G_found[place], G_expected[place])
                _gather_all(own, variances, G[place], f, n_frames, inverse, ratio, found, expected)
        if not shared:
            add_for_activations(T_block, found, expected, sum_found, sum_expected)
    if shared:
        multiply_by_step(G[0], G_found[0], G_expected[0])
        for start in range(0, len(Q), LANES):
            n_freqs = min(LANES, len(Q) - start)
            T_block = spectra[start : start + n_freqs]
            fill_variances(T_block, activations, 0.0, R)
            for f in range(n_freqs):
                y = frames[: 2 * n_mics]
                fill_frames(parts[start + f], y)
                power[:] = 0
                add_power(y, Q[start + f], q, power)
                _gather_all(power, R[f * n_sources : (f + 1) * n_sources], G[0], f, n_frames, inverse, ratio, found, expected)
            add_for_activations(T_block, found, expected, sum_found, sum_expected)
    multiply_by_step(activations, sum_found, sum_expected)
    unpad_factors(spectra, activations, T, V)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _whole(n_mics: int) -> Any:
    """So many rows and as few more as `sum_rows` goes through."""
    return -(-n_mics // ROWS) * ROWS


# Numba raises ZeroDivisionError unless told otherwise, and loops that may raise do not vectorise.
@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _fill_inverse(R: NDArray[Any], G: NDArray[Any], n_frames: int, inverse: NDArray[Any]) -> None:
    """Of one frequency: inverse (component, frame) <- 1 / (G^T R + `FLOOR`), R (source, frame); 0 where there are no frames."""
    n_sources, n_mics = G.shape
    one, floor = fill(inverse, 1), fill(inverse, FLOOR)
    for m in range(n_mics):
        for t in range(0, inverse.shape[1], width(inverse)):
            value = floor
            for k in range(n_sources):
                value += fill(inverse, G[k, m]) * read(R, (k, t))
            write(inverse, (m, t), one / value)
        inverse[m, n_frames:] = 0


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _fill_ratio(power: NDArray[Any], inverse: NDArray[Any], ratio: NDArray[Any]) -> None:
    """Of one frequency: ratio (component, frame) <- power / Y^2."""
    for m in range(len(power)):
        for t in range(0, power.shape[1], width(power)):
            own = read(inverse, (m, t))
            write(ratio, (m, t), read(power, (m, t)) * own * own)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _gather(gains: NDArray[Any], ratio: NDArray[Any], inverse: NDArray[Any], found: NDArray[Any], expected: NDArray[Any]) -> None:
    """What a source's variance is to find and to expect (frame,), from all components with its gains (component,) there."""
    none = fill(found, 0)
    for t in range(0, len(found), width(found)):
        upper, lower = none, none
        for m in range(len(gains)):
            gain = fill(found, gains[m])
            upper, lower = upper + gain * read(ratio, (m, t)), lower + gain * read(inverse, (m, t))
        write(found, t, upper)
        write(expected, t, lower)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _add_for_weights(
    R: NDArray[Any],
    ratio: NDArray[Any],
    inverse: NDArray[Any],
    sums: NDArray[Any],
    found: NDArray[Any],
    expected: NDArray[Any],
) -> None:
    """Add what one frequency contributes to found and expected (source, component) of the spatial weights."""
    n_sources, n_mics = found.shape
    for k in range(n_sources):
        for rows, result in ((ratio, found), (inverse, expected)):
            for m in range(0, n_mics, ROWS):
                sum_rows(R[k], rows, m, sums)
            for m in range(n_mics):
                result[k, m] += sums[m]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _gather_all(
    power: NDArray[Any],
    R: NDArray[Any],
    G: NDArray[Any],
    f: int,
    n_frames: int,
    inverse: NDArray[Any],
    ratio: NDArray[Any],
    found: NDArray[Any],
    expected: NDArray[Any],
) -> None:
    """What the variances of all sources are to find and to expect at one frequency, the f-th of some."""
    _fill_inverse(R, G, n_frames, inverse)
    _fill_ratio(power, inverse, ratio)
    for k in range(len(G)):
        _gather(G[k], ratio, inverse, found[f * len(G) + k], expected[f * len(G) + k])
