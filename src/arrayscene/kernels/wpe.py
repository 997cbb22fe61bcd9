"""Weighted prediction error: the filter that predicts late reverberation from the past of all microphones."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.past import filter_parts, stacked_past

LANES = 16
"""Frames are padded to a multiple of this, so that no sum over them ends in single steps."""


def prediction_filter(y: Tensor, taps: int, delay: int, n_iter: int, context: int, floor: float, loading: float) -> Tensor:
    """The G that leaves least of x(t) = y(t) - G y~(t), weighted by the power of what it leaves.

    G = P (R + loading diag R)^-1, R = sum_t y~ y~^H / lambda, P = sum_t y y~^H / lambda, with y~(t) the frames y(t - delay) ...
    y(t - delay - taps + 1) over each other, silence before the first, and lambda(t) the mean of |x|^2 over microphones and the
    frames t - context ... t + context; found in turn, from x = y.

    Args:
        y: (..., freq, mic, frame) complex.
        taps: frames of the past.
        delay: frames from the present to the first of the past, at least 1.
        n_iter: updates of G.
        context: frames to either side over which the power is averaged.
        floor: least lambda, relative to its mean at that frequency.
        loading: of R, relative to each entry of its diagonal; more where single precision needs it.

    Returns: (..., freq, mic, tap mic), the latest tap first, its microphones together.

    Cost: O(n_iter freq (taps mic)^2 (frame + taps mic)), with a quarter of the multiplications of products of matrices: the
    entries of R for taps k and k + j are sums of the same products of frames j apart, under real weights that shift with k.
    Differentiable through the torch statement.

    Reference: T. Yoshioka and T. Nakatani, "Generalization of multi-channel linear prediction methods for blind MIMO impulse
    response shortening", IEEE TASLP 2012.
    """
    if not compiled(y):
        return prediction_filter_torch(y, taps, delay, n_iter, context, floor, loading)
    n_mics, n_frames = y.shape[-2:]
    G = torch.empty((*y.shape[:-1], taps * n_mics), dtype=y.dtype)
    frames, filters = y.resolve_conj().reshape(-1, n_mics, n_frames).contiguous().numpy(), G.view(-1, *G.shape[-2:]).numpy()
    _filters(frames, filters, taps, delay, n_iter, context, floor, loading)
    return G


def prediction_filter_torch(y: Tensor, taps: int, delay: int, n_iter: int, context: int, floor: float, loading: float) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    past = stacked_past(nn.functional.pad(y, (delay + taps - 1, 0)), taps, delay)
    G = y.new_zeros((*y.shape[:-1], past.shape[-2]))
    tiny = torch.finfo(y.dtype).tiny * 1e6
    for _ in range(n_iter):
        power = _moving_mean((y - G @ past).abs().square().mean(-2, keepdim=True), context)
        weighted = past / power.maximum(floor * power.mean(-1, keepdim=True) + tiny)
        R, P = (past @ weighted.mH).to(torch.complex128), (y @ weighted.mH).to(torch.complex128)
        load = max(loading, torch.finfo(y.dtype).eps) * R.diagonal(dim1=-2, dim2=-1).real + tiny
        G = torch.linalg.solve(R + torch.diag_embed(load), P, left=False).to(y.dtype)
    return G


def _moving_mean(power: Tensor, context: int) -> Tensor:
    """Mean of (..., frame) over `context` frames to either side, of as many as there are."""
    if not context:
        return power
    total = nn.functional.pad(power.double().cumsum(-1), (1, 0))
    frame = torch.arange(power.shape[-1], device=power.device)
    first, last = (frame - context).clamp(min=0), (frame + context + 1).clamp(max=power.shape[-1])
    return ((total[..., last] - total[..., first]) / (last - first)).to(power.dtype)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _filters(
    frames: NDArray[Any], filters: NDArray[Any], taps: int, delay: int, n_iter: int, context: int, floor: float, loading: float
) -> None:
    n_items, n_mics, n_frames = frames.shape
    lead, length = delay + taps, -(-n_frames // LANES) * LANES
    real_type = frames.real.dtype
    # Real and imaginary parts apart, silence before and after: sums over frames vectorise, and no tap is a special case.
    y = np.zeros((n_mics, lead + length), real_type), np.zeros((n_mics, lead + length), real_type)
    x = np.zeros((n_mics, length), real_type), np.zeros((n_mics, length), real_type)
    power, weights = np.zeros(length, real_type), np.zeros(lead + length + 1, real_type)
    products = np.empty(length, real_type), np.empty(length, real_type)
    n = taps * n_mics
    # R and P^H side by side, in double precision: R is nearly singular where microphones hear nearly the same.
    system, factor = (
        (np.zeros((n, n + n_mics)), np.zeros((n, n + n_mics))),
        (np.zeros((n, n + n_mics)), np.zeros((n, n + n_mics))),
    )
    for item in range(n_items):
        for m in range(n_mics):
            for t in range(n_frames):
                y[0][m, lead + t], y[1][m, lead + t] = frames[item, m, t].real, frames[item, m, t].imag
        for iteration in range(n_iter):
            if iteration:
                filter_parts(y, 1, filters[item], x)
            else:
                x[0][:], x[1][:] = 0, 0
            power[:] = 0
            for m in range(n_mics):
                for t in range(n_frames):
                    a, b = y[0][m, lead + t] - x[0][m, t], y[1][m, lead + t] - x[1][m, t]
                    power[t] += (a * a + b * b) / n_mics
            _inverse(power[:n_frames], weights, context, floor)
            _correlate(y, weights, taps, delay, products, system)
            _solve(system, factor, filters[item], loading, np.finfo(real_type).tiny * 1e6)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _inverse(power: NDArray[Any], weights: NDArray[Any], context: int, floor: float) -> None:
    """1 / lambda."""
    n_frames, mean = len(power), 0.0
    for t in range(n_frames):
        total, first, last = 0.0, max(t - context, 0), min(t + context + 1, n_frames)
        for u in range(first, last):
            total += power[u]
        weights[t] = total / (last - first)
        mean += weights[t]
    least = weights.dtype.type(floor * mean / n_frames + np.finfo(weights.dtype).tiny * 1e6)
    for t in range(n_frames):
        weights[t] = 1 / max(weights[t], least)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _correlate(y: Any, weights: NDArray[Any], taps: int, delay: int, products: Any, system: Any) -> None:
    """P^H and the upper half of R."""
    n_mics, lead, n = len(y[0]), delay + taps, len(system[0])
    sums = np.empty(taps + 1), np.empty(taps + 1)
    for m in range(n_mics):
        now = y[0][m, lead:], y[1][m, lead:]
        for p in range(n_mics):
            for lag in range(0 if p >= m else 1, taps):
                earlier = y[0][p, lead - lag :], y[1][p, lead - lag :]
                _products_and_sums(now, earlier, weights[delay:], products, sums)
                for k in range(2, taps - lag, 2):
                    _sums(products, weights[delay + k :], (sums[0][k:], sums[1][k:]))
                for k in range(taps - lag):
                    row, column = k * n_mics + m, (k + lag) * n_mics + p
                    system[0][row, column], system[1][row, column] = sums[0][k], sums[1][k]
        for t in range(len(products[0])):
            products[0][t], products[1][t] = weights[t] * now[0][t], weights[t] * now[1][t]
        for p in range(n_mics):
            for k in range(0, taps, 2):
                start = taps - k - 1
                _two_lags(products, (y[0][p, start:], y[1][p, start:]), (sums[0][k:], sums[1][k:]))
            for k in range(taps):
                system[0][k * n_mics + p, n + m], system[1][k * n_mics + p, n + m] = sums[0][k], -sums[1][k]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _products_and_sums(now: Any, earlier: Any, weights: NDArray[Any], products: Any, sums: Any) -> None:
    """Products y_m y_p* of frames and earlier ones, and their sums under the weights and under those one frame later."""
    (a, b), (c, d), (real, imag), later = now, earlier, products, weights[1:]
    zero = real.dtype.type(0)
    first_real, first_imag, second_real, second_imag = zero, zero, zero, zero
    for t in range(len(real)):
        x, z = a[t] * c[t] + b[t] * d[t], b[t] * c[t] - a[t] * d[t]
        real[t], imag[t] = x, z
        first_real += x * weights[t]
        first_imag += z * weights[t]
        second_real += x * later[t]
        second_imag += z * later[t]
    sums[0][0], sums[1][0], sums[0][1], sums[1][1] = first_real, first_imag, second_real, second_imag


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _sums(products: Any, weights: NDArray[Any], sums: Any) -> None:
    """Sums of the products under the weights and under those one frame later, together: each product is loaded once."""
    (real, imag), later = products, weights[1:]
    zero = real.dtype.type(0)
    first_real, first_imag, second_real, second_imag = zero, zero, zero, zero
    for t in range(len(real)):
        first_real += real[t] * weights[t]
        first_imag += imag[t] * weights[t]
        second_real += real[t] * later[t]
        second_imag += imag[t] * later[t]
    sums[0][0], sums[1][0], sums[0][1], sums[1][1] = first_real, first_imag, second_real, second_imag


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _two_lags(now: Any, earlier: Any, sums: Any) -> None:
    """sum_t a(t) c(t + 1)^* and sum_t a(t) c(t)^*."""
    (a, b), (c, d) = now, earlier
    zero, next_c, next_d = a.dtype.type(0), c[1:], d[1:]
    first_real, first_imag, second_real, second_imag = zero, zero, zero, zero
    for t in range(len(a)):
        first_real += a[t] * next_c[t] + b[t] * next_d[t]
        first_imag += b[t] * next_c[t] - a[t] * next_d[t]
        second_real += a[t] * c[t] + b[t] * d[t]
        second_imag += b[t] * c[t] - a[t] * d[t]
    sums[0][0], sums[1][0], sums[0][1], sums[1][1] = first_real, first_imag, second_real, second_imag


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _solve(system: Any, factor: Any, G: NDArray[Any], loading: float, tiny: float) -> None:
    """G = P R^-1, with as much more loading as rounding has left R indefinite."""
    while not _factorized(system, factor, loading, tiny) and loading < 1:
        loading = 10 * max(loading, 1e-15)
    n, width = system[0].shape
    x, z = np.empty(n), np.empty(n)
    for m in range(width - n):
        for i in range(n - 1, -1, -1):
            u, v, real, imag = factor[0][i], factor[1][i], 0.0, 0.0
            for j in range(i + 1, n):
                real += u[j] * x[j] - v[j] * z[j]
                imag += u[j] * z[j] + v[j] * x[j]
            x[i], z[i] = (u[n + m] - real) / u[i], (v[n + m] - imag) / u[i]
            G[m, i] = complex(x[i], -z[i])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _factorized(system: Any, factor: Any, loading: float, tiny: float) -> bool:
    """Whether R has a Cholesky factor U that rounding does not rule; U and U^-H P^H side by side."""
    (A, B), (U, V) = system, factor
    n, width = A.shape
    for i in range(n):
        u, v = U[i], V[i]
        load = loading * A[i, i] + tiny
        for j in range(i, width):
            u[j], v[j] = A[i, j], B[i, j]
        for k in range(i):
            c, d, r, s = U[k, i], V[k, i], U[k], V[k]
            for j in range(i, width):
                u[j] -= c * r[j] + d * s[j]
                v[j] -= c * s[j] - d * r[j]
        u[i] += load
        if u[i] < 0.5 * load:
            return False
        scale = 1 / np.sqrt(u[i])
        for j in range(i, width):
            u[j] *= scale
            v[j] *= scale
    return True
