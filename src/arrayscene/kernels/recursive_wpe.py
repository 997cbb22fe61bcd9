"""Recursive least squares for weighted prediction error: the prediction of late reverberation, renewed at every frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.past import stacked_past

LANES = 8
"""Rows are padded to a multiple of this and begin at one, so that no sum over them ends in single steps."""


def recursive_prediction(
    frames: Tensor, power: Tensor, inverse: Tensor, G: Tensor, position: int, delay: int, forgetting: float, loading: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Frames less what their past predicts, and the prediction that was learnt on the way.

    At every frame: e = y - G y~, k = S y~ / (alpha lambda + y~^H S y~), G <- G + e k^H, S <- (S - k y~^H S) / alpha, x = y - G
    y~, with y~ the frames y(t - delay) ... y(t - delay - taps + 1) over each other, and S the inverse of sum alpha^age y~ y~^H /
    lambda. Then one entry of y~ after the other, one a frame, hears noise of power `loading` in the scale of y / sqrt(lambda),
    from which nothing is to be predicted: S stays finite where microphones hear the same, or nothing.

    Args:
        frames: (..., freq, mic, delay + taps - 1 + frame) complex y, the past first.
        power: (..., freq, frame) real lambda; nothing is learnt from a frame where it is 0.
        inverse: (..., freq, tap mic, tap mic) complex128 S, Hermitian.
        G: (..., freq, mic, tap mic) complex128, the latest tap first, its microphones together.
        position: frames learnt before these: whose turn it is to hear noise.
        delay: frames from the present to the first of the past, at least 1.
        forgetting: alpha, at most 1.
        loading: power of the noise, relative to a frame of unit variance.

    Returns: x (..., freq, mic, frame), S and G after the last frame.

    Cost: O(freq frame (taps mic)^2). Differentiable through the torch statement.

    Reference: T. Yoshioka, H. Tachibana, T. Nakatani and M. Miyoshi, "Adaptive dereverberation of speech signals with
    speaker-position change detection", ICASSP 2009; J. Caroselli, I. Shafran, A. Narayanan and R. Rose, "Adaptive multichannel
    dereverberation for automatic speech recognition", Interspeech 2017.
    """
    if not compiled(frames, power, inverse, G):
        return recursive_prediction_torch(frames, power, inverse, G, position, delay, forgetting, loading)
    n_mics, n_frames, n = frames.shape[-2], power.shape[-1], G.shape[-1]
    before = (
        frames.resolve_conj().reshape(-1, *frames.shape[-2:]).contiguous().numpy(),
        power.double().reshape(-1, n_frames).contiguous().numpy(),
        inverse.resolve_conj().reshape(-1, n, n).contiguous().numpy(),
        G.resolve_conj().reshape(-1, n_mics, n).contiguous().numpy(),
    )
    x = torch.empty((*frames.shape[:-1], n_frames), dtype=frames.dtype)
    S, filters = torch.empty(inverse.shape, dtype=inverse.dtype), torch.empty(G.shape, dtype=G.dtype)
    after = x.view(-1, n_mics, n_frames).numpy(), S.view(-1, n, n).numpy(), filters.view(-1, n_mics, n).numpy()
    _recursion(*before, *after, position, delay, forgetting, loading)
    return x, S, filters


def recursive_prediction_torch(
    frames: Tensor, power: Tensor, inverse: Tensor, G: Tensor, position: int, delay: int, forgetting: float, loading: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The same in plain torch: the readable statement that the kernel is held to."""
    n_mics, n = G.shape[-2:]
    past, S, outputs = stacked_past(frames, n // n_mics, delay).to(G.dtype), inverse, []
    now = frames[..., frames.shape[-1] - power.shape[-1] :].to(G.dtype)
    for t in range(power.shape[-1]):
        y, z, variance = now[..., t : t + 1], past[..., t : t + 1], forgetting * power[..., t, None, None].double()
        heard = variance > 0
        whitened = S @ z
        total = torch.where(heard, variance + (z.mH @ whitened).real, 1)
        error = y - G @ z
        gain = torch.where(heard, whitened / total, 0)
        outputs.append(torch.where(heard, error * (variance / total), error))
        G = G + error @ gain.mH
        S = torch.where(heard, (S - gain @ whitened.mH) / forgetting, S)
        entry = (position + t) % n
        column = S[..., entry : entry + 1]
        share = torch.where(heard, loading / (1 + loading * column[..., entry : entry + 1, :].real), 0)
        G = G - share * G[..., entry : entry + 1] @ column.mH
        S = S - share * column @ column.mH
        # What rounding leaves of S - S^H would grow as alpha^-t.
        S = 0.5 * (S + S.mH)
    return torch.cat(outputs, dim=-1).to(frames.dtype), S, G


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _recursion(
    frames: NDArray[Any],
    power: NDArray[Any],
    inverse: NDArray[Any],
    filters: NDArray[Any],
    outputs: NDArray[Any],
    new_inverse: NDArray[Any],
    new_filters: NDArray[Any],
    position: int,
    delay: int,
    forgetting: float,
    loading: float,
) -> None:
    n_freqs, n_mics, n_frames = outputs.shape
    n = inverse.shape[-1]
    width = -(-n // LANES) * LANES
    lead = frames.shape[-1] - n_frames
    # Only the half of S at and right of its diagonal is used, its real and imaginary parts apart, so that inner loops vectorise.
    S, g = (np.zeros((n, width)), np.zeros((n, width))), (np.zeros((n_mics, width)), np.zeros((n_mics, width)))
    z, whitened = (np.zeros(width), np.zeros(width)), (np.zeros(width), np.zeros(width))
    column = np.zeros(width), np.zeros(width)
    for f in range(n_freqs):
        for i in range(n):
            for j in range(n):
                S[0][i, j], S[1][i, j] = inverse[f, i, j].real, inverse[f, i, j].imag
        for m in range(n_mics):
            for i in range(n):
                g[0][m, i], g[1][m, i] = filters[f, m, i].real, filters[f, m, i].imag
        for t in range(n_frames):
            for i in range(n):
                value = frames[f, i % n_mics, lead + t - delay - i // n_mics]
                z[0][i], z[1][i] = value.real, value.imag
            variance, total, share = forgetting * power[f, t], 1.0, 0.0
            entry = (position + t) % n
            if variance > 0:
                total = variance + _whiten(S, z, whitened)
                _column(S, whitened, entry, 1 / forgetting, 1 / (forgetting * total), column)
                share = loading / (1 + loading * column[0][entry])
            for m in range(n_mics):
                error = frames[f, m, lead + t] - _predicted(g[0][m], g[1][m], z)
                outputs[f, m, t] = error
                if variance > 0:
                    outputs[f, m, t] = error * (variance / total)
                    _learn(g[0][m], g[1][m], whitened, column, error / total, share, entry)
            if variance > 0:
                _downdate(S, whitened, column, 1 / forgetting, 1 / (forgetting * total), share)
        for i in range(n):
            for j in range(i, n):
                value = complex(S[0][i, j], S[1][i, j])
                new_inverse[f, i, j], new_inverse[f, j, i] = value, np.conj(value)
        for m in range(n_mics):
            for i in range(n):
                new_filters[f, m, i] = complex(g[0][m, i], g[1][m, i])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _whiten(S: Any, z: Any, result: Any) -> float:
    """S z, and z^H S z."""
    (a, b), (c, d), (real, imag) = S, z, result
    real[:], imag[:] = 0, 0
    for i in range(len(a)):
        # Around the diagonal S is whole; further right each entry stands for two.
        first = i // LANES * LANES
        p, q, u, v = a[i, first:], b[i, first:], c[first:], d[first:]
        total_real, total_imag = 0.0, 0.0
        for j in range(len(p)):
            total_real += p[j] * u[j] - q[j] * v[j]
            total_imag += p[j] * v[j] + q[j] * u[j]
        real[i] += total_real
        imag[i] += total_imag
        x, y, p, q, u, v = c[i], d[i], p[LANES:], q[LANES:], real[first + LANES :], imag[first + LANES :]
        for j in range(len(p)):
            u[j] += p[j] * x + q[j] * y
            v[j] += p[j] * y - q[j] * x
    form = 0.0
    for i in range(len(c)):
        form += c[i] * real[i] + d[i] * imag[i]
    return form


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _column(S: Any, whitened: Any, entry: int, scale: float, gain: float, result: Any) -> None:
    """The column that S will have after this frame, before the noise."""
    (a, b), (c, d), (real, imag) = S, whitened, result
    x, y = gain * c[entry], -gain * d[entry]
    for i in range(len(a)):
        p, q = (a[i, entry], b[i, entry]) if i < entry else (a[entry, i], -b[entry, i])
        real[i], imag[i] = scale * p - (c[i] * x - d[i] * y), scale * q - (c[i] * y + d[i] * x)
    imag[entry] = 0


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _predicted(real: NDArray[Any], imag: NDArray[Any], z: Any) -> complex:
    """A row of G times y~."""
    c, d = z
    total_real, total_imag = 0.0, 0.0
    for i in range(len(c)):
        total_real += real[i] * c[i] - imag[i] * d[i]
        total_imag += real[i] * d[i] + imag[i] * c[i]
    return complex(total_real, total_imag)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _learn(real: NDArray[Any], imag: NDArray[Any], whitened: Any, column: Any, error: complex, share: float, entry: int) -> None:
    """A row of G, after the frame and then after the noise."""
    (a, b), (c, d) = whitened, column
    x, y = error.real, error.imag
    for i in range(len(a)):
        real[i] += x * a[i] + y * b[i]
        imag[i] += y * a[i] - x * b[i]
    x, y = share * real[entry], share * imag[entry]
    for i in range(len(a)):
        real[i] -= x * c[i] + y * d[i]
        imag[i] -= y * c[i] - x * d[i]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _downdate(S: Any, whitened: Any, column: Any, scale: float, gain: float, share: float) -> None:
    """S after the frame and the noise."""
    (a, b), (c, d), (r, s) = S, whitened, column
    for i in range(len(a)):
        first = i // LANES * LANES
        p, q, e, f, g, h = a[i, first:], b[i, first:], c[first:], d[first:], r[first:], s[first:]
        x, y, u, v = gain * c[i], gain * d[i], share * r[i], share * s[i]
        for j in range(len(p)):
            p[j] = scale * p[j] - (x * e[j] + y * f[j]) - (u * g[j] + v * h[j])
            q[j] = scale * q[j] - (y * e[j] - x * f[j]) - (v * g[j] - u * h[j])
    # What rounding leaves of S - S^H would grow as alpha^-t.
    for i in range(len(a)):
        for j in range(i // LANES * LANES, i):
            a[i, j], b[i, j] = a[j, i], -b[j, i]
        b[i, i] = 0
