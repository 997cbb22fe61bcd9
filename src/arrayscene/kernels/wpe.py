"""Weighted prediction error: the filter that predicts late reverberation from the past of all microphones."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.padding import padded, room
from arrayscene.kernels.past import filter_parts, split_coefficients, stacked_past
from arrayscene.kernels.prediction import empty_system, solve_loaded
from arrayscene.kernels.vectors import WIDE, add_shifted, add_sums, fill, read, width, write_totals, zeros

MOST = 10 if WIDE else 6
"""Sums that fit into the processor's registers, real and imaginary parts, beside what they are made of."""

HALF = MOST // 2

STRETCH = 16
"""Vectors of frames that are summed before their sum is added to those before: shorter sums round less."""


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


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _filters(
    frames: NDArray[Any], filters: NDArray[Any], taps: int, delay: int, n_iter: int, context: int, floor: float, loading: float
) -> None:
    n_items, n_mics, n_frames = frames.shape
    real_type = frames.real.dtype
    lead, length = padded(delay + taps, frames.real), padded(n_frames, frames.real)
    # Real and imaginary parts apart, silence before and after: sums over frames vectorise, and no tap is a special case.
    n_seen = padded(lead + length + MOST, frames.real)
    y = room(n_mics, n_seen, frames.real), room(n_mics, n_seen, frames.real)
    x = np.zeros((n_mics, length), real_type), np.zeros((n_mics, length), real_type)
    power, weights = np.zeros(length, real_type), np.zeros(lead + length + MOST, real_type)
    sums, G = np.zeros((2, MOST)), np.zeros((2, taps * n_mics, n_mics + 1), real_type)
    # R and P^H side by side, in double precision: R is nearly singular where microphones hear nearly the same.
    system, factor = empty_system(taps * n_mics, n_mics), empty_system(taps * n_mics, n_mics)
    for item in range(n_items):
        for m in range(n_mics):
            for t in range(n_frames):
                y[0][m, lead + t], y[1][m, lead + t] = frames[item, m, t].real, frames[item, m, t].imag
        for iteration in range(n_iter):
            if iteration:
                split_coefficients(filters[item], G)
                filter_parts(y, lead - delay - taps + 1, G, x)
            else:
                x[0][:], x[1][:] = 0, 0
            power[:] = 0
            for m in range(n_mics):
                for t in range(n_frames):
                    a, b = y[0][m, lead + t] - x[0][m, t], y[1][m, lead + t] - x[1][m, t]
                    power[t] += a * a + b * b
            _inverse(power[:n_frames], n_mics, weights, context, floor)
            _correlate(y, lead, weights, taps, delay, sums, system)
            solve_loaded(system, factor, filters[item], loading, np.finfo(real_type).tiny * 1e6)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _inverse(power: NDArray[Any], n_mics: int, weights: NDArray[Any], context: int, floor: float) -> None:
    """1 / lambda, lambda the mean power over microphones and frames around each."""
    n_frames, mean, kind = len(power), 0.0, weights.dtype.type
    for t in range(n_frames):
        weights[t] = power[t] / kind(n_mics)
    if context:
        for t in range(n_frames):
            total, first, last = 0.0, max(t - context, 0), min(t + context + 1, n_frames)
            for u in range(first, last):
                total += power[u]
            weights[t] = total / ((last - first) * n_mics)
    for t in range(n_frames):
        mean += weights[t]
    least = kind(floor * mean / n_frames + np.finfo(weights.dtype).tiny * 1e6)
    for t in range(n_frames):
        weights[t] = kind(1) / max(weights[t], least)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _correlate(y: Any, lead: int, weights: NDArray[Any], taps: int, delay: int, sums: NDArray[Any], system: Any) -> None:
    """P^H and the upper half of R, from y that begins `lead` frames before the first."""
    n_mics, n = len(y[0]), len(system[0])
    for m in range(n_mics):
        for p in range(n_mics):
            for lag in range(0 if p >= m else 1, taps):
                for k in range(0, taps - lag, MOST):
                    count = min(taps - lag - k, MOST)
                    _sum_under_shifted_weights(y, m, p, lead, lag, weights, delay + k, count, sums)
                    for i in range(count):
                        row, column = (k + i) * n_mics + m, (k + i + lag) * n_mics + p
                        system[0][row, column], system[1][row, column] = sums[0, i], sums[1, i]
            for k in range(0, taps, HALF):
                count = min(taps - k, HALF)
                _sum_lags(y, m, p, lead, delay + k + count - 1, weights, sums)
                for i in range(count):
                    row = (k + count - 1 - i) * n_mics + p
                    system[0][row, n + m], system[1][row, n + m] = sums[0, i], -sums[1, i]


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _sum_under_shifted_weights(
    y: Any, m: int, p: int, lead: int, lag: int, weights: NDArray[Any], shift: int, count: int, sums: NDArray[Any]
) -> None:
    """sum_t w(t + shift + i) y_m(t) y_p(t - lag)^* for i = 0 ... count - 1: each product is made once."""
    if count > 8:
        _sum_products(zeros(weights, 10), y, m, p, lead, lag, weights, shift, sums)
    elif count > 6:
        _sum_products(zeros(weights, 8), y, m, p, lead, lag, weights, shift, sums)
    elif count > 4:
        _sum_products(zeros(weights, 6), y, m, p, lead, lag, weights, shift, sums)
    elif count > 2:
        _sum_products(zeros(weights, 4), y, m, p, lead, lag, weights, shift, sums)
    else:
        _sum_products(zeros(weights, 2), y, m, p, lead, lag, weights, shift, sums)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _sum_products(
    none: Any, y: Any, m: int, p: int, lead: int, lag: int, weights: NDArray[Any], shift: int, sums: NDArray[Any]
) -> None:
    """The same for as many i as there are zeros in `none`."""
    (real, imag), (sum_real, sum_imag), n_frames = y, (none, none), len(weights) - lead - MOST
    for first in range(0, n_frames, STRETCH * width(weights)):
        part_real, part_imag = none, none
        for t in range(first, min(first + STRETCH * width(weights), n_frames), width(weights)):
            a, b = read(real, (m, lead + t)), read(imag, (m, lead + t))
            c, d = read(real, (p, lead + t - lag)), read(imag, (p, lead + t - lag))
            part_real = add_shifted(part_real, a * c + b * d, weights, t + shift)
            part_imag = add_shifted(part_imag, b * c - a * d, weights, t + shift)
        sum_real, sum_imag = add_sums(sum_real, part_real), add_sums(sum_imag, part_imag)
    write_totals(sum_real, sums, (0, 0))
    write_totals(sum_imag, sums, (1, 0))


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _sum_lags(y: Any, m: int, p: int, lead: int, lag: int, weights: NDArray[Any], sums: NDArray[Any]) -> None:
    """sum_t w(t) y_m(t) y_p(t - lag + i)^* for i = 0 ... HALF - 1."""
    (real, imag), none, nothing, n_frames = y, fill(weights, 0), zeros(weights, HALF), len(weights) - lead - MOST
    sum_real, sum_imag = nothing, nothing
    for first in range(0, n_frames, STRETCH * width(weights)):
        part_real, part_imag = nothing, nothing
        for t in range(first, min(first + STRETCH * width(weights), n_frames), width(weights)):
            w = read(weights, t)
            a, b = w * read(real, (m, lead + t)), w * read(imag, (m, lead + t))
            part_real = add_shifted(part_real, a, real, (p, lead + t - lag))
            part_real = add_shifted(part_real, b, imag, (p, lead + t - lag))
            part_imag = add_shifted(part_imag, b, real, (p, lead + t - lag))
            part_imag = add_shifted(part_imag, none - a, imag, (p, lead + t - lag))
        sum_real, sum_imag = add_sums(sum_real, part_real), add_sums(sum_imag, part_imag)
    write_totals(sum_real, sums, (0, 0))
    write_totals(sum_imag, sums, (1, 0))
