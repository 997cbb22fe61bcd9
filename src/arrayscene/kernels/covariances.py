"""What auxiliary-function separations need of a recording: a weighted covariance a source, and the power of the outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.padding import copy_row, fill_frames, padded, room
from arrayscene.kernels.vectors import add_rows, add_sums, fill, read, width, write, write_totals, zeros

ROWS = 3
"""Rows whose sums over frames are taken at once: each vector of the weights is loaded once for all."""


def exact_covariance(frames: Tensor) -> Tensor:
    """Spatial covariance R = <y y^H>, <.> the mean over frames, with sums in double precision whatever comes in.

    Where channels are nearly alike, all that tells them apart is in the last digits.

    Args:
        frames: (..., freq, mic, frame) complex.

    Returns: (..., freq, mic, mic) complex128.

    Cost: O(freq mic^2 frame). Differentiable through the torch statement.
    """
    if not compiled(frames):
        return exact_covariance_torch(frames)
    shape = frames.shape[-3:]
    R = torch.empty((*frames.shape[:-1], frames.shape[-2]), dtype=torch.complex128)
    flat = frames.resolve_conj().reshape(-1, *shape[-2:]).contiguous()
    _exact(flat.numpy(), R.view(-1, shape[-2], shape[-2]).numpy())
    return R


def exact_covariance_torch(frames: Tensor) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    y = frames.to(torch.complex128)
    return y @ y.mH / y.shape[-1]


def source_covariances(parts: Tensor, weights: Tensor, noise: Tensor) -> Tensor:
    """Weighted spatial covariance of each source, V_k = <w_k y y^H> + <w_k> N_k, <.> the mean over frames.

    Args:
        parts: (..., freq, 2, mic, frame) real and imaginary parts of the recording y.
        weights: (..., freq, source, frame) real, >= 0, in the precision of `parts`; a single frequency serves all.
        noise: (..., freq, source, mic, mic) complex128, covariance N of noise that is taken for granted; one serves all sources.

    Returns: (..., freq, source, mic, mic) complex128; sums over frames are in the precision of `parts`.

    Cost: O(freq source mic^2 frame). Differentiable through the torch statement.
    """
    if not compiled(parts, weights, noise):
        return source_covariances_torch(parts, weights, noise)
    n_freqs, _, n_mics, n_frames = parts.shape[-4:]
    V = torch.empty((*parts.shape[:-3], weights.shape[-2], n_mics, n_mics), dtype=torch.complex128)
    items = zip(
        parts.reshape(-1, n_freqs, 2, n_mics, n_frames).numpy(),
        weights.expand(*parts.shape[:-4], *weights.shape[-3:]).reshape(-1, *weights.shape[-3:]).contiguous().numpy(),
        noise.reshape(-1, n_freqs, *noise.shape[-3:]).contiguous().numpy(),
        V.view(-1, *V.shape[-4:]).numpy(),
        strict=True,
    )
    for item in items:
        _covariances(*item)
    return V


def source_covariances_torch(parts: Tensor, weights: Tensor, noise: Tensor) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    y = torch.complex(*parts.unbind(-3))
    weighted = weights[..., :, None, :] * y[..., None, :, :]
    V = (weighted.flatten(-3, -2) @ y.mH).reshape(*weighted.shape[:-1], y.shape[-2]) / y.shape[-1]
    return V.to(noise.dtype) + weights.mean(-1).to(noise.dtype)[..., None, None] * noise


def output_power(parts: Tensor, W: Tensor, *, pooled: bool) -> Tensor:
    """Power |w_k y|^2 of the outputs of a demixing matrix in every bin, or its mean over frequency.

    Args:
        parts: (..., freq, 2, mic, frame) real and imaginary parts of the recording y.
        W: (..., freq, source, mic) complex128, rows w_k.
        pooled: whether to take the mean over frequency.

    Returns: (..., freq, source, frame) in the precision of `parts`; (..., 1, source, frame) where pooled.

    Cost: O(freq source mic frame). Differentiable through the torch statement.
    """
    if not compiled(parts, W):
        return output_power_torch(parts, W, pooled=pooled)
    n_freqs, n_sources, n_mics = W.shape[-3:]
    n_frames = parts.shape[-1]
    power = torch.zeros((*W.shape[:-3], 1 if pooled else n_freqs, n_sources, n_frames), dtype=parts.dtype)
    items = zip(
        parts.reshape(-1, n_freqs, 2, n_mics, n_frames).numpy(),
        W.resolve_conj().reshape(-1, n_freqs, n_sources, n_mics).contiguous().numpy(),
        power.view(-1, *power.shape[-3:]).numpy(),
        strict=True,
    )
    for item in items:
        _power(*item)
    return power / n_freqs if pooled else power


def output_power_torch(parts: Tensor, W: Tensor, *, pooled: bool) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    y = torch.complex(*parts.unbind(-3))
    power = (W.to(y.dtype) @ y).abs().square()
    return power.mean(-3, keepdim=True) if pooled else power


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def covariance_of_parts(real: NDArray[Any], imag: NDArray[Any], R: NDArray[Any]) -> None:
    """Put the covariance of (mic, frame) into R; for use inside other kernels."""
    n_mics, n_frames = real.shape
    for i in range(n_mics):
        for j in range(i + 1):
            a, b, c, d = real[i], imag[i], real[j], imag[j]
            total_real, total_imag = 0.0, 0.0
            for t in range(n_frames):
                total_real += a[t] * c[t] + b[t] * d[t]
                total_imag += b[t] * c[t] - a[t] * d[t]
            R[j, i] = complex(total_real / n_frames, -total_imag / n_frames)
            R[i, j] = complex(total_real / n_frames, total_imag / n_frames)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def split(frames: NDArray[Any], real: NDArray[Any], imag: NDArray[Any]) -> None:
    """Put the parts of complex (mic, frame) into rows of doubles; for use inside other kernels."""
    for i in range(len(frames)):
        for t in range(frames.shape[1]):
            real[i, t], imag[i, t] = frames[i, t].real, frames[i, t].imag


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _exact(frames: NDArray[Any], R: NDArray[Any]) -> None:
    real, imag = np.empty(frames.shape[1:]), np.empty(frames.shape[1:])
    for f in range(len(frames)):
        split(frames[f], real, imag)
        covariance_of_parts(real, imag, R[f])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _covariances(parts: NDArray[Any], weights: NDArray[Any], noise: NDArray[Any], V: NDArray[Any]) -> None:
    n_frames = parts.shape[-1]
    y, products, sums = room_for_covariances(parts, 1)
    rows = room(weights.shape[1], y.shape[1], parts)
    for f in range(len(parts)):
        if f < len(weights):
            for k in range(len(rows)):
                copy_row(weights[f, k], rows[k])
        fill_frames(parts[f], y)
        fill_covariances(y, rows, n_frames, noise[f], products, sums, V[f])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def room_for_covariances(parts: NDArray[Any], n_freqs: int) -> Any:
    """Memory for rows that `fill_frames` makes of so many frequencies (freq, 2, mic, frame), and for `fill_covariances`."""
    n_mics, length = parts.shape[2], padded(parts.shape[3], parts)
    n_products = -(-n_mics * n_mics // ROWS) * ROWS
    return room(n_freqs * 2 * n_mics, length, parts), room(n_products, length, parts), np.zeros(n_products, parts.dtype)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def fill_covariances(
    y: NDArray[Any],
    weights: NDArray[Any],
    n_frames: int,
    noise: NDArray[Any],
    products: NDArray[Any],
    sums: NDArray[Any],
    V: NDArray[Any],
) -> None:
    """Of one frequency: V (source, mic, mic) <- <w_k y y^H> + <w_k> N_k.

    For rows y (2 mic, padded frame) of `n_frames` frames, and weights (source, padded frame) that are 0 beyond; `products` and
    `sums` are room to work in.
    """
    n_mics = V.shape[1]
    # Products of two channels serve all sources.
    _fill_products(y, n_mics, products)
    for k in range(len(V)):
        row, level = weights[k], weights.dtype.type(0)
        for t in range(len(row)):
            level += row[t]
        for p in range(0, len(products), ROWS):
            sum_rows(row, products, p, sums)
        p = 0
        for i in range(n_mics):
            for j in range(i + 1):
                value = complex(sums[p], 0.0 if i == j else sums[p + 1])
                value = (value + level * noise[k % len(noise), i, j]) / n_frames
                V[k, j, i] = np.conj(value)
                V[k, i, j] = complex(value.real, 0.0) if i == j else value
                p += 1 if i == j else 2


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _fill_products(y: NDArray[Any], n_mics: int, products: NDArray[Any]) -> None:
    """Real and imaginary part of y_i y_j^* for j < i, then |y_i|^2, one i after the other."""
    p = 0
    for i in range(n_mics):
        for j in range(i + 1):
            for t in range(0, y.shape[1], width(y)):
                a, b, c, d = read(y, (i, t)), read(y, (n_mics + i, t)), read(y, (j, t)), read(y, (n_mics + j, t))
                write(products, (p, t), a * c + b * d)
                if j < i:
                    write(products, (p + 1, t), b * c - a * d)
            p += 1 if i == j else 2


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def sum_rows(factor: NDArray[Any], rows: NDArray[Any], first: int, sums: NDArray[Any]) -> None:
    """Put sum_t factor(t) rows(p, t) into sums(p) for `ROWS` p from the first on; the frames are `padded`."""
    even, odd, step = zeros(rows, ROWS), zeros(rows, ROWS), width(rows)
    for t in range(0, len(factor), 2 * step):
        even = add_rows(even, read(factor, t), rows, (first, t))
        odd = add_rows(odd, read(factor, t + step), rows, (first, t + step))
    write_totals(add_sums(even, odd), sums, first)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _power(parts: NDArray[Any], W: NDArray[Any], power: NDArray[Any]) -> None:
    n_sources, n_mics, n_frames = W.shape[1], W.shape[2], parts.shape[-1]
    y, total, w = (
        room(2 * n_mics, padded(n_frames, parts), parts),
        room(n_sources, padded(n_frames, parts), parts),
        room_for_rows(W, parts),
    )
    for f in range(len(parts)):
        fill_frames(parts[f], y)
        add_power(y, W[f], w, total)
        if len(power) > 1 or f == len(parts) - 1:
            for k in range(n_sources):
                copy_row(total[k], power[min(f, len(power) - 1), k])
            total[:] = 0


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def room_for_rows(W: NDArray[Any], parts: NDArray[Any]) -> Any:
    """Memory for a demixing matrix of one frequency in the precision of the recording."""
    return np.empty((W.shape[1], W.shape[2], 2), parts.dtype)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def add_power(y: NDArray[Any], W: NDArray[Any], w: NDArray[Any], power: NDArray[Any]) -> None:
    """Of one frequency: power (source, padded frame) <- power + |W y|^2, for y (2 mic, padded frame); w is room to work in."""
    n_sources, n_mics = W.shape
    for k in range(n_sources):
        for m in range(n_mics):
            w[k, m, 0], w[k, m, 1] = W[k, m].real, W[k, m].imag
    none = fill(y, 0)
    for k in range(n_sources):
        for t in range(0, y.shape[1], width(y)):
            real, imag = none, none
            for m in range(n_mics):
                a, b, c, d = fill(y, w[k, m, 0]), fill(y, w[k, m, 1]), read(y, (m, t)), read(y, (n_mics + m, t))
                real, imag = real + a * c - b * d, imag + a * d + b * c
            write(power, (k, t), read(power, (k, t)) + real * real + imag * imag)
