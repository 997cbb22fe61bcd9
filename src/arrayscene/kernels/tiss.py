"""Iterative source steering over past frames: one sweep that separates and dereverberates, without a matrix inverse."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn

from arrayscene.kernels.dispatch import FASTMATH, compiled


def tiss_sweep(outputs: Tensor, D: Tensor, mixture: Tensor, weights: Tensor, noise: Tensor, delay: int) -> tuple[Tensor, Tensor]:
    """One sweep over all past frames of all microphones, then over all outputs.

    x = D [y; y~], y~(t) = [y(t - delay), ..., y(t - delay - taps + 1)]. For every entry z of y~, then of x: x_m <- x_m - v_m z,
    with v_m = <w_m x_m z*> / <w_m |z|^2>, but v_k = 1 - <w_k |x_k|^2>^(-1/2) where z is x_k; D alike. <.> is the mean over
    frames, of the recording and of noise that the microphones hear anew in every frame.

    Args:
        outputs: (..., freq, source, frame) complex x; not changed.
        D: (..., freq, source, mic (1 + taps)) complex128, the present frame first, then the past, the latest tap first; likewise.
        mixture: (..., freq, mic, frame) complex y, silence before the first frame; as many microphones as sources.
        weights: (..., freq, source, frame) real, >= 0; the source model's weights w; a single frequency serves all.
        noise: (..., freq, mic, mic) complex128 covariance, positive definite; keeps D finite where channels are silent or alike.
        delay: frames from the present to the first of the past, at least 1.

    Returns: the updated outputs and D.

    Cost: O(freq source mic (1 + taps) frame). Differentiable through the torch statement.

    Reference: T. Nakashima, R. Scheibler, Y. Wakabayashi and N. Ono, "Joint dereverberation and separation with iterative source
    steering", ICASSP 2021.
    """
    if not compiled(outputs, D, mixture, weights, noise):
        return tiss_sweep_torch(outputs, D, mixture, weights, noise, delay)
    shape = outputs.shape
    x, filters = (each.resolve_conj().clone(memory_format=torch.contiguous_format) for each in (outputs, D))
    flat = (
        x.view(-1, *shape[-3:]).numpy(),
        filters.view(-1, *D.shape[-3:]).numpy(),
        mixture.resolve_conj().reshape(-1, *shape[-3:]).contiguous().numpy(),
        weights.reshape(-1, *weights.shape[-3:]).contiguous().numpy(),
        noise.resolve_conj().reshape(-1, *noise.shape[-3:]).contiguous().numpy(),
    )
    for item in zip(*flat, strict=True):
        _sweep(*item, delay)
    return x, filters


def tiss_sweep_torch(
    outputs: Tensor, D: Tensor, mixture: Tensor, weights: Tensor, noise: Tensor, delay: int
) -> tuple[Tensor, Tensor]:
    """The same sweep in plain torch: the readable statement that the kernel is held to."""
    n_mics, n_frames = mixture.shape[-2:]
    for i in range(n_mics, D.shape[-1]):
        shift = delay + i // n_mics - 1
        z = nn.functional.pad(mixture[..., i % n_mics, :], (shift, 0))[..., None, :n_frames]
        unit = torch.zeros_like(D[..., :1, :])
        unit[..., i] = 1
        v, _ = _projection(outputs, D, z, unit, weights, noise)
        outputs, D = outputs - v.to(outputs.dtype) * z, D - v * unit
    for k in range(n_mics):
        z, row = outputs[..., k : k + 1, :], D[..., k : k + 1, :]
        v, power = _projection(outputs, D, z, row, weights, noise)
        v = torch.cat([v[..., :k, :], (1 - power[..., k : k + 1, :].rsqrt()).to(v.dtype), v[..., k + 1 :, :]], dim=-2)
        outputs, D = outputs - v.to(outputs.dtype) * z, D - v * row
    return outputs, D


def _projection(outputs: Tensor, D: Tensor, z: Tensor, row: Tensor, weights: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """How much of z, which is `row` applied to y and y~, each output holds, and how strong z is to each: (..., source, 1)."""
    n_mics, mean = noise.shape[-1], weights.double().mean(-1, keepdim=True)
    heard = (row.reshape(*row.shape[:-1], -1, n_mics).conj() @ noise.mT[..., None, :, :]).flatten(-2)
    cross = (weights * outputs * z.conj()).mean(-1, keepdim=True) + mean * (D * heard).sum(-1, keepdim=True)
    power = (weights * z.abs().square()).mean(-1, keepdim=True) + mean * (row * heard).sum(-1, keepdim=True).real
    power = power.clamp_min(torch.finfo(power.dtype).tiny)
    return cross / power, power


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _sweep(
    outputs: NDArray[Any], D: NDArray[Any], mixture: NDArray[Any], weights: NDArray[Any], noise: NDArray[Any], delay: int
) -> None:
    n_freqs, n_mics, n_frames = outputs.shape
    n = D.shape[2]
    lead, real_type = delay + n // n_mics - 1, weights.dtype
    # Separate real and imaginary parts let the inner sums vectorise; those of one frequency stay in the cache.
    x_real, x_imag = np.empty((n_mics, n_frames), real_type), np.empty((n_mics, n_frames), real_type)
    y_real, y_imag = np.zeros((n_mics, lead + n_frames), real_type), np.zeros((n_mics, lead + n_frames), real_type)
    v, heard, row, mean = (
        np.empty(n_mics, np.complex128),
        np.empty(n, np.complex128),
        np.empty(n, np.complex128),
        np.empty(n_mics),
    )
    for f in range(n_freqs):
        w = weights[0 if len(weights) == 1 else f]
        for m in range(n_mics):
            mean[m] = w[m].mean()
            for t in range(n_frames):
                x_real[m, t], x_imag[m, t] = outputs[f, m, t].real, outputs[f, m, t].imag
                y_real[m, lead + t], y_imag[m, lead + t] = mixture[f, m, t].real, mixture[f, m, t].imag
        # The entries of y~, then those of x.
        for i in range(n_mics, n + n_mics):
            k, past = i % n_mics, i < n
            a, b = x_real[k], x_imag[k]
            row[:] = D[f, k]
            if past:
                start = n // n_mics - i // n_mics
                a, b = y_real[k, start : start + n_frames], y_imag[k, start : start + n_frames]
                row[:] = 0
                row[i] = 1
            for j in range(n):
                heard[j] = 0
                for p in range(n_mics):
                    heard[j] += noise[f, j % n_mics, p] * np.conj(row[j // n_mics * n_mics + p])
            for m in range(n_mics):
                power, cross = _products(x_real[m], x_imag[m], a, b, w[m])
                for j in range(n):
                    power += mean[m] * (row[j] * heard[j]).real
                    cross += mean[m] * D[f, m, j] * heard[j]
                power = max(power, np.finfo(real_type).tiny)
                v[m] = 1 - 1 / np.sqrt(power) if m == k and not past else cross / power
            # Output k itself comes last: the others need it as it was.
            for turn in range(1, n_mics + 1):
                m = (k + turn) % n_mics
                _subtract(x_real[m], x_imag[m], a, b, real_type.type(v[m].real), real_type.type(v[m].imag))
                for j in range(n):
                    D[f, m, j] -= v[m] * row[j]
        for m in range(n_mics):
            for t in range(n_frames):
                outputs[f, m, t] = complex(x_real[m, t], x_imag[m, t])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _products(x_real: NDArray[Any], x_imag: NDArray[Any], a: NDArray[Any], b: NDArray[Any], w: NDArray[Any]) -> Any:
    """<w |z|^2> and <w x z*> for z = a + b i."""
    power, cross_real, cross_imag = w.dtype.type(0), w.dtype.type(0), w.dtype.type(0)
    for t in range(len(w)):
        power += w[t] * (a[t] * a[t] + b[t] * b[t])
        cross_real += w[t] * (x_real[t] * a[t] + x_imag[t] * b[t])
        cross_imag += w[t] * (x_imag[t] * a[t] - x_real[t] * b[t])
    return np.float64(power) / len(w), np.complex128(complex(cross_real, cross_imag)) / len(w)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _subtract(x_real: NDArray[Any], x_imag: NDArray[Any], a: NDArray[Any], b: NDArray[Any], v_real: Any, v_imag: Any) -> None:
    """Take v z out of x."""
    for t in range(len(x_real)):
        c, d = a[t], b[t]
        x_real[t] -= v_real * c - v_imag * d
        x_imag[t] -= v_real * d + v_imag * c
