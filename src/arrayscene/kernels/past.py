"""Filters over past frames: what late reverberation is predicted with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.padding import padded
from arrayscene.kernels.vectors import add_scaled, fill, read, width, write, zeros


def filter_past(frames: Tensor, G: Tensor, delay: int) -> Tensor:
    """What a filter makes of the past of all microphones.

    G y~(t), with y~(t) the frames y(t - delay) ... y(t - delay - taps + 1) over each other.

    Args:
        frames: (..., freq, mic, delay + taps - 1 + frame) complex y, the past first.
        G: (..., freq, source, tap mic) complex, the latest tap first, its microphones together.
        delay: frames from the present to the first of the past, at least 1.

    Returns: (..., freq, source, frame), in the precision of G.

    Cost: O(freq source taps mic frame), without a copy of the frames for every tap. Differentiable through the torch statement.
    """
    if not compiled(frames, G):
        return filter_past_torch(frames, G, delay)
    n_mics, (n_sources, n) = frames.shape[-2], G.shape[-2:]
    x = torch.empty((*G.shape[:-1], frames.shape[-1] - delay - n // n_mics + 1), dtype=G.dtype)
    _filter_items(
        frames.resolve_conj().expand(*G.shape[:-2], *frames.shape[-2:]).reshape(-1, *frames.shape[-2:]).contiguous().numpy(),
        G.resolve_conj().reshape(-1, n_sources, n).contiguous().numpy(),
        x.view(-1, *x.shape[-2:]).numpy(),
    )
    return x


def filter_past_torch(frames: Tensor, G: Tensor, delay: int) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    return G @ stacked_past(frames.to(G.dtype), G.shape[-1] // frames.shape[-2], delay)


def stacked_past(frames: Tensor, taps: int, delay: int) -> Tensor:
    """The past y~ (..., tap mic, frame) of all but the first delay + taps - 1 frames (..., mic, frame)."""
    n = frames.shape[-1]
    return torch.cat([frames[..., taps - 1 - k : n - delay - k] for k in range(taps)], dim=-2)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _filter_items(frames: NDArray[Any], filters: NDArray[Any], outputs: NDArray[Any]) -> None:
    n_items, n_sources, n_frames = outputs.shape
    n_mics, n_seen = frames.shape[1:]
    real_type = filters.real.dtype
    length = padded(n_frames, filters.real)
    n_padded = n_seen - n_frames + length
    y = np.zeros((n_mics, n_padded), real_type), np.zeros((n_mics, n_padded), real_type)
    x = np.empty((n_sources, length), real_type), np.empty((n_sources, length), real_type)
    G = np.zeros((2, filters.shape[2], n_sources + 1), real_type)
    for item in range(n_items):
        for m in range(n_mics):
            for t in range(n_seen):
                y[0][m, t], y[1][m, t] = frames[item, m, t].real, frames[item, m, t].imag
        split_coefficients(filters[item], G)
        filter_parts(y, 0, G, x)
        for k in range(n_sources):
            for t in range(n_frames):
                outputs[item, k, t] = complex(x[0][k, t], x[1][k, t])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def split_coefficients(filters: NDArray[Any], G: NDArray[Any]) -> None:
    """Put the parts of (source, tap mic) into (2, tap mic, source), with room for one source more, which stays 0."""
    for k in range(len(filters)):
        for i in range(filters.shape[1]):
            G[0, i, k], G[1, i, k] = filters[k, i].real, filters[k, i].imag


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def filter_parts(y: Any, spare: int, G: NDArray[Any], x: Any) -> None:
    """G y~ of one frequency.

    Real and imaginary parts apart: y (mic, spare + delay + taps - 1 + frame) and x (source, frame) with `padded` frames, G as
    `split_coefficients` puts it.
    """
    (y_real, y_imag), (x_real, x_imag) = y, x
    n_mics, (n_sources, n_frames), n, step = len(y_real), x_real.shape, G.shape[1], width(x_real)
    latest = spare + n // n_mics - 1
    none = fill(x_real, 0)
    # Two outputs and two vectors of frames at once: each coefficient and each frame that is loaded serves twice.
    for k in range(0, n_sources, 2):
        for t in range(0, n_frames, 2 * step):
            real, imag, next_real, next_imag = zeros(x_real, 2), zeros(x_real, 2), zeros(x_real, 2), zeros(x_real, 2)
            for tap in range(n // n_mics):
                place = t + latest - tap
                for m in range(n_mics):
                    i = tap * n_mics + m
                    a, b = read(y_real, (m, place)), read(y_imag, (m, place))
                    real, imag = add_scaled(real, G, (0, i, k), a), add_scaled(imag, G, (0, i, k), b)
                    real, imag = add_scaled(real, G, (1, i, k), none - b), add_scaled(imag, G, (1, i, k), a)
                    a, b = read(y_real, (m, place + step)), read(y_imag, (m, place + step))
                    next_real, next_imag = add_scaled(next_real, G, (0, i, k), a), add_scaled(next_imag, G, (0, i, k), b)
                    next_real, next_imag = add_scaled(next_real, G, (1, i, k), none - b), add_scaled(next_imag, G, (1, i, k), a)
            write(x_real, (k, t), real[0])
            write(x_imag, (k, t), imag[0])
            write(x_real, (k, t + step), next_real[0])
            write(x_imag, (k, t + step), next_imag[0])
            if k + 1 < n_sources:
                write(x_real, (k + 1, t), real[1])
                write(x_imag, (k + 1, t), imag[1])
                write(x_real, (k + 1, t + step), next_real[1])
                write(x_imag, (k + 1, t + step), next_imag[1])
