"""The multichannel Wiener filter with one full-rank covariance a source: an inverse in every time-frequency bin."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled


def multichannel_wiener(y: Tensor, variances: Tensor, covariances: Tensor, noise: Tensor, reference: int) -> Tensor:
    """Every source as heard at the reference microphone, in the mean-square sense.

    x_k(f, t) = v_k e_ref^T R_k (sum_j v_j R_j + sigma^2 I)^-1 y

    Args:
        y: (..., freq, frame, mic) complex recording.
        variances: (..., freq, frame, source) real v.
        covariances: (..., freq, source, mic, mic) complex R.
        noise: (..., freq) real sigma^2, > 0.
        reference: microphone, from 0.

    Returns: (..., freq, frame, source) complex.

    Cost: O(freq frame (mic^3 + source mic^2)). Differentiable through the torch statement.

    Reference: N. Q. K. Duong, E. Vincent and R. Gribonval, "Under-determined reverberant audio source separation using a
    full-rank spatial covariance model", IEEE TASLP 2010, eq. (30).
    """
    if not compiled(y, variances, covariances, noise):
        return multichannel_wiener_torch(y, variances, covariances, noise, reference)
    n_freqs, n_frames, n_mics = y.shape[-3:]
    n_sources = variances.shape[-1]
    result = torch.empty(variances.shape, dtype=y.dtype)
    # Inverses are taken in double precision whatever comes in: a source may lie 60 dB below another.
    flat = (
        y.resolve_conj().reshape(-1, n_freqs, n_frames, n_mics).contiguous().numpy(),
        variances.reshape(-1, n_freqs, n_frames, n_sources).contiguous().numpy(),
        covariances.to(torch.complex128).resolve_conj().reshape(-1, n_freqs, n_sources, n_mics, n_mics).contiguous().numpy(),
        noise.double().reshape(-1, n_freqs).contiguous().numpy(),
        result.reshape(-1, n_freqs, n_frames, n_sources).numpy(),
    )
    for frames, v, R, sigma, out in zip(*flat, strict=True):
        _filter(frames, v, R, sigma, out, reference)
    return result


def multichannel_wiener_torch(y: Tensor, variances: Tensor, covariances: Tensor, noise: Tensor, reference: int) -> Tensor:
    """The same filter in plain torch: the readable statement that the kernel is held to."""
    R = covariances.to(torch.complex128)
    v = variances.to(R.dtype)
    eye = torch.eye(y.shape[-1], dtype=R.dtype, device=R.device)
    R_yy = torch.einsum("...ftk,...fkmn->...ftmn", v, R) + noise.to(R.dtype)[..., None, None, None] * eye
    whitened = torch.linalg.solve(R_yy, y.to(R.dtype)[..., None])[..., 0]
    return (v * torch.einsum("...fkn,...ftn->...ftk", R[..., reference, :], whitened)).to(y.dtype)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _filter(
    y: NDArray[Any], variances: NDArray[Any], covariances: NDArray[Any], noise: NDArray[Any], result: NDArray[Any], reference: int
) -> None:
    n_freqs, n_frames, n_mics = y.shape
    n_sources = variances.shape[2]
    L = np.zeros((n_mics, n_mics), np.complex128)
    z = np.zeros(n_mics, np.complex128)
    for f in range(n_freqs):
        R = covariances[f]
        for t in range(n_frames):
            # Cholesky factor of the mixture's covariance, then two triangular solves.
            for i in range(n_mics):
                for j in range(i + 1):
                    total = 0j
                    for k in range(n_sources):
                        total += variances[f, t, k] * R[k, i, j]
                    if i == j:
                        total += noise[f]
                    for p in range(j):
                        total -= L[i, p] * np.conj(L[j, p])
                    if i == j:
                        L[i, i] = np.sqrt(max(total.real, 1e-12 * noise[f]))
                    else:
                        L[i, j] = total / L[j, j].real
            for i in range(n_mics):
                value = np.complex128(y[f, t, i])
                for p in range(i):
                    value -= L[i, p] * z[p]
                z[i] = value / L[i, i].real
            for i in range(n_mics - 1, -1, -1):
                value = z[i]
                for p in range(i + 1, n_mics):
                    value -= np.conj(L[p, i]) * z[p]
                z[i] = value / L[i, i].real
            for k in range(n_sources):
                value = np.complex128(0)
                for i in range(n_mics):
                    value += R[k, reference, i] * z[i]
                result[f, t, k] = variances[f, t, k] * value
