"""What auxiliary-function separations need of a recording: a weighted covariance a source, and the power of the outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled


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
    level, products = np.empty(weights.shape[1]), np.empty((2, parts.shape[-1]), parts.dtype)
    for f in range(len(parts)):
        if f < len(weights):
            fill_level(weights[f], level)
        fill_covariances(parts[f], weights[f if len(weights) > 1 else 0], level, noise[f], products, V[f])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def fill_level(weights: NDArray[Any], level: NDArray[Any]) -> None:
    """Mean over frames of weights (source, frame), into level (source,)."""
    for k in range(len(weights)):
        total = weights.dtype.type(0)
        for t in range(weights.shape[1]):
            total += weights[k, t]
        level[k] = total / weights.shape[1]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def fill_covariances(
    parts: NDArray[Any],
    weights: NDArray[Any],
    level: NDArray[Any],
    noise: NDArray[Any],
    products: NDArray[Any],
    V: NDArray[Any],
) -> None:
    """Of one frequency: V (source, mic, mic) <- <w_k y y^H> + level_k N_k; products (2, frame) is room to work in."""
    _, n_mics, n_frames = parts.shape
    # Products of two channels serve all sources; rows of floats let the sums vectorise.
    product_real, product_imag = products[0], products[1]
    kind = parts.dtype.type
    for i in range(n_mics):
        a, b = parts[0, i], parts[1, i]
        for j in range(i):
            c, d = parts[0, j], parts[1, j]
            for t in range(n_frames):
                product_real[t] = a[t] * c[t] + b[t] * d[t]
                product_imag[t] = b[t] * c[t] - a[t] * d[t]
            for k in range(len(weights)):
                row, real, imag = weights[k], kind(0), kind(0)
                for t in range(n_frames):
                    real += row[t] * product_real[t]
                    imag += row[t] * product_imag[t]
                value = complex(real / n_frames, imag / n_frames) + level[k] * noise[k % len(noise), i, j]
                V[k, j, i] = np.conj(value)
                V[k, i, j] = value
        for t in range(n_frames):
            product_real[t] = a[t] * a[t] + b[t] * b[t]
        for k in range(len(weights)):
            row, real = weights[k], kind(0)
            for t in range(n_frames):
                real += row[t] * product_real[t]
            V[k, i, i] = real / n_frames + level[k] * noise[k % len(noise), i, i].real


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _power(parts: NDArray[Any], W: NDArray[Any], power: NDArray[Any]) -> None:
    outputs = np.empty((2, parts.shape[-1]), parts.dtype)
    for f in range(len(parts)):
        add_power(parts[f], W[f], outputs, power[f if len(power) > 1 else 0])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def add_power(parts: NDArray[Any], W: NDArray[Any], outputs: NDArray[Any], power: NDArray[Any]) -> None:
    """Of one frequency: power (source, frame) <- power + |W y|^2; outputs (2, frame) is room to work in."""
    n_mics, n_frames = parts.shape[1:]
    kind = parts.dtype.type
    real, imag = outputs[0], outputs[1]
    for k in range(len(W)):
        for m in range(n_mics):
            a, b = kind(W[k, m].real), kind(W[k, m].imag)
            c, d = parts[0, m], parts[1, m]
            if m == 0:
                for t in range(n_frames):
                    real[t] = a * c[t] - b * d[t]
                    imag[t] = a * d[t] + b * c[t]
            else:
                for t in range(n_frames):
                    real[t] += a * c[t] - b * d[t]
                    imag[t] += a * d[t] + b * c[t]
        total = power[k]
        for t in range(n_frames):
            total[t] += real[t] * real[t] + imag[t] * imag[t]
