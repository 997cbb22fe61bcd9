"""Filters over past frames: what late reverberation is predicted with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled


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
    y = np.empty((n_mics, n_seen), real_type), np.empty((n_mics, n_seen), real_type)
    x = np.empty((n_sources, n_frames), real_type), np.empty((n_sources, n_frames), real_type)
    for item in range(n_items):
        for m in range(n_mics):
            for t in range(n_seen):
                y[0][m, t], y[1][m, t] = frames[item, m, t].real, frames[item, m, t].imag
        filter_parts(y, 0, filters[item], x)
        for k in range(n_sources):
            for t in range(n_frames):
                outputs[item, k, t] = complex(x[0][k, t], x[1][k, t])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def filter_parts(y: Any, spare: int, G: NDArray[Any], x: Any) -> None:
    """G y~ of one frequency; y (mic, spare + delay + taps - 1 + frame) and x (source, frame) as real and imaginary parts."""
    n_mics, (n_sources, n) = len(y[0]), G.shape
    latest = spare + n // n_mics - 1
    x[0][:], x[1][:] = 0, 0
    for k in range(n_sources):
        for i in range(n):
            m, first = i % n_mics, latest - i // n_mics
            _add_filtered(y[0][m, first:], y[1][m, first:], G[k, i], x[0][k], x[1][k])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _add_filtered(a: NDArray[Any], b: NDArray[Any], g: Any, x_real: NDArray[Any], x_imag: NDArray[Any]) -> None:
    """Add g z to x for z = a + b i."""
    p, q = g.real, g.imag
    for t in range(len(x_real)):
        x_real[t] += p * a[t] - q * b[t]
        x_imag[t] += p * b[t] + q * a[t]
