"""The multichannel Wiener filter with one full-rank covariance a source, and the statistics that it takes from their images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.lanes import LANES, factorize_lanes, load, solve_lanes
from arrayscene.kernels.memory import frames_first
from arrayscene.linalg import squared_abs

LEAST = 1e-6
"""Least variance in a bin, relative to the mean power of the recording at its frequency."""


def multichannel_wiener(y: Tensor, variances: Tensor, covariances: Tensor, noise: Tensor, reference: int) -> Tensor:
    """Every source as heard at the reference microphone, in the mean-square sense.

    x_k(f, t) = v_k e_ref^T R_k (sum_j v_j R_j + sigma^2 I)^-1 y

    Args:
        y: (..., mic, freq, frame) complex recording.
        variances: (..., source, freq, frame) real v.
        covariances: (..., freq, source, mic, mic) complex Hermitian R.
        noise: (..., freq) real sigma^2, > 0.
        reference: microphone, from 0.

    Returns: (..., source, freq, frame) complex.

    Cost: O(freq frame (mic^3 + source mic^2)). Differentiable through the torch statement.

    Reference: N. Q. K. Duong, E. Vincent and R. Gribonval, "Under-determined reverberant audio source separation using a
    full-rank spatial covariance model", IEEE TASLP 2010, eq. (30).
    """
    if not compiled(y, variances, covariances, noise):
        return multichannel_wiener_torch(y, variances, covariances, noise, reference)
    n_mics, n_freqs, n_frames = y.shape[-3:]
    n_sources = variances.shape[-3]
    result = torch.empty((*variances.shape[:-2], n_frames, n_freqs), dtype=y.dtype)
    # Inverses are taken in double precision whatever comes in: a source may lie 60 dB below another.
    flat = (
        frames_first(y, 3),
        frames_first(variances, 3),
        covariances.to(torch.complex128).resolve_conj().reshape(-1, n_freqs, n_sources, n_mics, n_mics).contiguous().numpy(),
        noise.double().reshape(-1, n_freqs).contiguous().numpy(),
        result.view(-1, n_sources, n_frames, n_freqs).numpy(),
    )
    for frames, v, R, sigma, out in zip(*flat, strict=True):
        _filter(frames, v, R, sigma, out, reference)
    return result.mT


def multichannel_wiener_torch(y: Tensor, variances: Tensor, covariances: Tensor, noise: Tensor, reference: int) -> Tensor:
    """The same filter in plain torch: the readable statement that the kernel is held to."""
    R = covariances.to(torch.complex128)
    v = variances.to(R.dtype)
    eye = torch.eye(y.shape[-3], dtype=R.dtype, device=R.device)
    R_yy = torch.einsum("...kft,...fkmn->...ftmn", v, R) + noise.to(R.dtype)[..., None, None, None] * eye
    whitened = torch.linalg.solve(R_yy, y.to(R.dtype).movedim(-3, -1)[..., None])[..., 0]
    return (v * torch.einsum("...fkn,...ftn->...kft", R[..., reference, :], whitened)).to(y.dtype)


def image_statistics(y: Tensor, images: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """Variances and spatial covariances of sources, and of what they leave of the recording, as the last of them.

    v_k(f, t) is the mean power of the image over microphones, R_k(f) ~ <c c^H / v_k> with <.> the mean over frames, brought to a
    mean diagonal of 1.

    Args:
        y: (..., mic, freq, frame) complex recording.
        images: (..., source, mic, freq, frame) complex, the sources as heard at every microphone.
        floor: least variance, relative to its mean over frames.

    Returns: (..., source + 1, freq, frame) real, (..., freq, source + 1, mic, mic) complex.

    Cost: O(source freq frame mic^2). Differentiable through the torch statement.
    """
    if not compiled(y, images):
        return image_statistics_torch(y, images, floor)
    n_sources, n_mics, n_freqs, n_frames = images.shape[-4:]
    leading = images.shape[:-4]
    v = torch.empty((*leading, n_sources + 1, n_frames, n_freqs), dtype=y.real.dtype)
    R = torch.empty((*leading, n_freqs, n_sources + 1, n_mics, n_mics), dtype=y.dtype)
    flat = (
        frames_first(y, 3),
        frames_first(images.flatten(-4, -3), 3),
        v.view(-1, n_sources + 1, n_frames, n_freqs).numpy(),
        R.view(-1, n_freqs, n_sources + 1, n_mics, n_mics).numpy(),
    )
    for frames, heard, variances, covariances in zip(*flat, strict=True):
        _statistics(frames, heard.reshape(n_sources, n_mics, n_frames, n_freqs), floor, variances, covariances)
    return v.mT, R


def image_statistics_torch(y: Tensor, images: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """The same statistics in plain torch: the readable statement that the kernel is held to."""
    parts = torch.cat([images, y[..., None, :, :, :] - images.sum(-4, keepdim=True)], dim=-4)
    tiny = torch.finfo(y.real.dtype).tiny * 1e6
    least = LEAST * squared_abs(y).mean(dim=(-3, -1))[..., None, :, None]
    v = squared_abs(parts).mean(-3)
    v = v.clamp_min(tiny).maximum(floor * v.mean(-1, keepdim=True) + least)
    whitened = (parts / v.sqrt()[..., None, :, :]).movedim(-2, -4)
    R = whitened @ whitened.mH
    trace = R.diagonal(dim1=-2, dim2=-1).real.mean(-1)
    return v, R / trace.clamp_min(tiny)[..., None, None]


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _filter(
    y: NDArray[Any], variances: NDArray[Any], covariances: NDArray[Any], noise: NDArray[Any], result: NDArray[Any], reference: int
) -> None:
    n_mics, n_frames, n_freqs = y.shape
    n_sources = len(variances)
    R = np.empty((n_sources, 2, n_mics, n_mics, LANES))
    R_yy, L = np.zeros((2, n_mics, n_mics, LANES)), np.zeros((2, n_mics, n_mics, LANES))
    z, v, sigma = np.zeros((2, n_mics, LANES)), np.zeros((n_sources, LANES)), np.ones(LANES)
    real, imag = np.empty(LANES), np.empty(LANES)
    for start in range(0, n_freqs, LANES):
        width = min(LANES, n_freqs - start)
        for k in range(n_sources):
            load(covariances[start : start + width, k], R[k])
        sigma[:width] = noise[start : start + width]
        for t in range(n_frames):
            for k in range(n_sources):
                for lane in range(width):
                    v[k, lane] = variances[k, t, start + lane]
            for i in range(n_mics):
                for lane in range(width):
                    value = y[i, t, start + lane]
                    z[0, i, lane], z[1, i, lane] = value.real, value.imag
                for j in range(i + 1):
                    a, b = R_yy[0, i, j], R_yy[1, i, j]
                    if i == j:
                        a[:] = sigma
                    else:
                        a[:] = 0
                    b[:] = 0
                    for k in range(n_sources):
                        c, d, scale = R[k, 0, i, j], R[k, 1, i, j], v[k]
                        for lane in range(LANES):
                            a[lane] += scale[lane] * c[lane]
                            b[lane] += scale[lane] * d[lane]
            factorize_lanes(R_yy, L)
            solve_lanes(L, z)
            for k in range(n_sources):
                real[:], imag[:] = 0, 0
                for i in range(n_mics):
                    a, b, c, d = R[k, 0, reference, i], R[k, 1, reference, i], z[0, i], z[1, i]
                    for lane in range(LANES):
                        real[lane] += a[lane] * c[lane] - b[lane] * d[lane]
                        imag[lane] += a[lane] * d[lane] + b[lane] * c[lane]
                for lane in range(width):
                    result[k, t, start + lane] = complex(v[k, lane] * real[lane], v[k, lane] * imag[lane])


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _statistics(y: NDArray[Any], images: NDArray[Any], floor: float, variances: NDArray[Any], covariances: NDArray[Any]) -> None:
    n_mics, n_frames, n_freqs = y.shape
    n_parts = len(images) + 1
    number = variances.dtype.type
    tiny = np.finfo(variances.dtype).tiny * number(1e6)
    # All frequencies of a frame at once: rows long enough for the processor's vectors.
    c = np.empty((n_parts, n_mics, 2, n_freqs), variances.dtype)
    mean, least = np.zeros((n_parts, n_freqs), variances.dtype), np.zeros(n_freqs, variances.dtype)
    R = np.zeros((n_parts, n_mics, n_mics, 2, n_freqs), variances.dtype)
    weight = np.empty(n_freqs, variances.dtype)
    for t in range(n_frames):
        _parts(y, images, t, c)
        for m in range(n_mics):
            for f in range(n_freqs):
                value = y[m, t, f]
                least[f] += value.real * value.real + value.imag * value.imag
        for k in range(n_parts):
            v = variances[k, t]
            v[:] = 0
            for m in range(n_mics):
                a, b = c[k, m]
                for f in range(n_freqs):
                    v[f] += a[f] * a[f] + b[f] * b[f]
            for f in range(n_freqs):
                v[f] /= number(n_mics)
                mean[k, f] += v[f]
    for k in range(n_parts):
        for f in range(n_freqs):
            mean[k, f] = max(number(floor / n_frames) * mean[k, f] + number(LEAST / (n_mics * n_frames)) * least[f], tiny)
    for t in range(n_frames):
        _parts(y, images, t, c)
        for k in range(n_parts):
            v, lowest = variances[k, t], mean[k]
            for f in range(n_freqs):
                v[f] = max(v[f], lowest[f])
                weight[f] = number(1) / v[f]
            for i in range(n_mics):
                for j in range(i + 1):
                    a, b = R[k, i, j]
                    p, q = c[k, i]
                    real, imag = c[k, j]
                    for f in range(n_freqs):
                        a[f] += weight[f] * (p[f] * real[f] + q[f] * imag[f])
                        b[f] += weight[f] * (q[f] * real[f] - p[f] * imag[f])
    for k in range(n_parts):
        for f in range(n_freqs):
            trace = number(0)
            for i in range(n_mics):
                trace += R[k, i, i, 0, f]
            scale = number(1) / max(trace / number(n_mics), tiny)
            for i in range(n_mics):
                for j in range(i + 1):
                    real, imag = scale * R[k, i, j, 0, f], scale * R[k, i, j, 1, f]
                    covariances[f, k, i, j] = complex(real, imag)
                    covariances[f, k, j, i] = complex(real, -imag)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _parts(y: NDArray[Any], images: NDArray[Any], t: int, c: NDArray[Any]) -> None:
    """Put the images in one frame, and what they leave of the recording, into c (part, mic, 2, freq)."""
    for m in range(len(y)):
        rest_real, rest_imag = c[len(images), m]
        for f in range(y.shape[2]):
            value = y[m, t, f]
            rest_real[f], rest_imag[f] = value.real, value.imag
        for k in range(len(images)):
            real, imag = c[k, m]
            for f in range(y.shape[2]):
                value = images[k, m, t, f]
                real[f], imag[f] = value.real, value.imag
                rest_real[f] -= value.real
                rest_imag[f] -= value.imag
