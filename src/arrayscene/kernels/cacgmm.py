"""Expectation maximisation of a mixture of complex angular central Gaussians: whose sound each bin is."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.linalg import weighted_covariance


def cacgmm_rounds(y: Tensor, shares: Tensor, n_iter: int, *, loading: float, tied: bool) -> Tensor:
    """Rounds of the mixture's updates.

    With z = y / |y|, in turn B_k = M sum_t w_k z z^H / (z^H B_k^-1 z) / sum_t w_k, brought to a mean diagonal of 1 and loaded,
    and w_k = pi_k det(B_k)^-1 (z^H B_k^-1 z)^-M, made to sum to 1. The prior pi_k is the mean of w_k over the frequencies of a
    frame where it is tied, and over the frames of a frequency otherwise.

    Args:
        y: (..., mic, freq, frame) complex.
        shares: (..., class, freq, frame) real w to start from, in the precision of y; one frequency stands for all, and leading
            axes broadcast.
        n_iter: rounds.
        loading: of the diagonal of B_k, > 0.
        tied: one prior for all frequencies of a frame; otherwise one for all frames of a frequency.

    Returns: w (..., class, freq, frame).

    Cost: O(n_iter class freq frame mic^2). Differentiable through the torch statement.

    Reference: N. Ito, S. Araki and T. Nakatani, "Complex angular central Gaussian mixture model for directional statistics in
    mask-based microphone array signal processing", EUSIPCO 2016.
    """
    leading = torch.broadcast_shapes(y.shape[:-3], shares.shape[:-3])  # type: ignore[no-untyped-call]
    y, shares = y.expand(*leading, *y.shape[-3:]), shares.expand(*leading, shares.shape[-3], *y.shape[-2:])
    if not compiled(y, shares):
        return cacgmm_rounds_torch(y, shares, n_iter, loading=loading, tied=tied)
    frames = y.movedim(-3, -2).resolve_conj().reshape(-1, y.shape[-2], y.shape[-3], y.shape[-1]).contiguous()
    by_bin = shares.movedim(-3, -2).clone(memory_format=torch.contiguous_format)
    flat = by_bin.view(-1, *by_bin.shape[-3:])
    for item in range(len(flat)):
        _rounds(frames[item].numpy(), flat[item].numpy(), n_iter, loading, tied)
    return by_bin.movedim(-2, -3)


def cacgmm_rounds_torch(y: Tensor, shares: Tensor, n_iter: int, *, loading: float, tied: bool) -> Tensor:
    """The same rounds in plain torch: the readable statement that the kernel is held to."""
    n_mics, w = y.shape[-3], shares
    tiny = torch.finfo(w.dtype).tiny
    z = y / y.abs().square().sum(-3, keepdim=True).clamp_min(tiny).sqrt()
    frames = z.movedim(-3, -2).contiguous()
    identity = torch.eye(n_mics, dtype=torch.complex128, device=y.device)
    form = torch.ones_like(w)
    for _ in range(n_iter):
        # The scale of B_k cancels between its determinant and the form.
        B = weighted_covariance(z, w / form).to(torch.complex128)
        B = B / B.diagonal(dim1=-2, dim2=-1).real.mean(-1).clamp_min(tiny)[..., None, None] + loading * identity
        L = torch.linalg.cholesky(B)
        inverse = torch.linalg.solve_triangular(L, identity, upper=False)
        whitened = (inverse.to(y.dtype).flatten(-3, -2) @ frames).reshape(*inverse.shape[:-1], -1)
        # No form of a bin that sounds is below 1 / M (1 + loading).
        form = whitened.abs().square().sum(-2).clamp_min(0.1 / n_mics).movedim(-3, -2)
        log_det = 2 * L.diagonal(dim1=-2, dim2=-1).real.log().sum(-1).to(w.dtype).mT[..., None]
        prior = w.mean(-2 if tied else -1, keepdim=True).clamp_min(tiny).log()
        w = (prior - log_det - n_mics * form.log()).softmax(-3)
    return w


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _rounds(y: NDArray[Any], w: NDArray[Any], n_iter: int, loading: float, tied: bool) -> None:
    n_freqs, n_mics, n_frames = y.shape
    n_classes = w.shape[1]
    real_type = w.dtype.type
    tiny = np.finfo(w.dtype).tiny
    least, least_part = real_type(0.1 / n_mics), 1e4 * tiny
    real, imag = np.empty((n_mics, n_frames), w.dtype), np.empty((n_mics, n_frames), w.dtype)
    power, u = np.empty(n_frames, w.dtype), np.empty(n_frames, w.dtype)
    a, b = np.empty(n_frames, w.dtype), np.empty(n_frames, w.dtype)
    form = np.ones((n_freqs, n_classes, n_frames), w.dtype)
    # Products of many small factors: in double precision none vanishes.
    posterior, total, ratio = np.empty((n_classes, n_frames)), np.empty(n_frames), np.empty(n_frames)
    prior, coming = np.empty((n_classes, n_frames)), np.zeros((n_classes, n_frames))
    B = np.empty((n_mics, n_mics), np.complex128)
    inverse = np.empty((n_mics, n_mics), np.complex128)
    log_det = np.empty(n_classes)
    for f in range(n_freqs):
        for k in range(n_classes):
            for t in range(n_frames):
                coming[k, t] += w[f, k, t]
    for _ in range(n_iter):
        if tied:
            for k in range(n_classes):
                for t in range(n_frames):
                    prior[k, t] = max(coming[k, t] / n_freqs, tiny)
                    coming[k, t] = 0
        for f in range(n_freqs):
            power[:] = 0
            for m in range(n_mics):
                for t in range(n_frames):
                    real[m, t], imag[m, t] = y[f, m, t].real, y[f, m, t].imag
                    power[t] += real[m, t] * real[m, t] + imag[m, t] * imag[m, t]
            for t in range(n_frames):
                power[t] = real_type(1) / np.sqrt(max(power[t], tiny))
            for m in range(n_mics):
                for t in range(n_frames):
                    real[m, t] *= power[t]
                    imag[m, t] *= power[t]
            for k in range(n_classes):
                shares, forms = w[f, k], form[f, k]
                weight = 0.0
                for t in range(n_frames):
                    u[t] = shares[t] / forms[t]
                    weight += u[t]
                scale = real_type(1 / max(weight, tiny))
                for t in range(n_frames):
                    u[t] *= scale
                if not tied:
                    mean = 0.0
                    for t in range(n_frames):
                        mean += shares[t]
                    prior[k, :] = max(mean / n_frames, tiny)
                trace = 0.0
                for i in range(n_mics):
                    for t in range(n_frames):
                        a[t], b[t] = u[t] * real[i, t], u[t] * imag[i, t]
                    for j in range(i + 1):
                        cross_real, cross_imag = real_type(0), real_type(0)
                        for t in range(n_frames):
                            cross_real += a[t] * real[j, t] + b[t] * imag[j, t]
                            cross_imag += b[t] * real[j, t] - a[t] * imag[j, t]
                        B[i, j] = complex(cross_real, cross_imag)
                    trace += B[i, i].real
                log_det[k] = _inverse_factor(B, n_mics / max(trace, n_mics * tiny), loading, inverse)
                forms[:] = 0
                for i in range(n_mics):
                    a[:], b[:] = 0, 0
                    for j in range(i + 1):
                        x, z = real_type(inverse[i, j].real), real_type(inverse[i, j].imag)
                        for t in range(n_frames):
                            a[t] += x * real[j, t] - z * imag[j, t]
                            b[t] += x * imag[j, t] + z * real[j, t]
                    for t in range(n_frames):
                        forms[t] += a[t] * a[t] + b[t] * b[t]
                for t in range(n_frames):
                    forms[t] = max(forms[t], least)
            # The least form over each form, to the power of n_mics, needs no logarithm and cannot overflow.
            for t in range(n_frames):
                power[t] = form[f, 0, t]
            for k in range(1, n_classes):
                for t in range(n_frames):
                    power[t] = min(power[t], form[f, k, t])
            total[:] = 0
            for k in range(n_classes):
                density = np.exp(log_det.min() - log_det[k])
                for t in range(n_frames):
                    ratio[t] = power[t] / form[f, k, t]
                    posterior[k, t] = prior[k, t] * density
                for _ in range(n_mics):
                    for t in range(n_frames):
                        posterior[k, t] *= ratio[t]
                for t in range(n_frames):
                    total[t] += posterior[k, t]
            for k in range(n_classes):
                for t in range(n_frames):
                    part = posterior[k, t] / total[t]
                    # Numbers below the smallest normal one would slow down all sums that they enter.
                    w[f, k, t] = part if part > least_part else 0.0
                    coming[k, t] += part


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _inverse_factor(B: NDArray[Any], scale: float, loading: float, inverse: NDArray[Any]) -> float:
    """Write L^-1 with L L^H = scale B + loading I, of which B holds the lower triangle, and return log det(L L^H)."""
    n = len(B)
    log_det = 0.0
    for i in range(n):
        for j in range(i + 1):
            value = B[i, j] * scale
            if i == j:
                value += loading
            for p in range(j):
                value -= B[i, p] * np.conj(B[j, p])
            if i == j:
                pivot = np.sqrt(max(value.real, 1e-9 * loading))
                B[i, i] = pivot
                log_det += 2 * np.log(pivot)
            else:
                B[i, j] = value / B[j, j].real
    for j in range(n):
        for i in range(j, n):
            value = complex(1.0, 0.0) if i == j else complex(0.0, 0.0)
            for p in range(j, i):
                value -= B[i, p] * inverse[p, j]
            inverse[i, j] = value / B[i, i].real
    return log_det
